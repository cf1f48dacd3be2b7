"""Where people choose what letters tell, and where they see it: the form, the run, the client, the
mailing, the report, downloads – and that nothing is said where nothing is known."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from mailings.campaigns import services
from mailings.models import Delivery, Mailing, Run
from mailings.reports import reading
from mailings.tracking.machines import Why
from tests import factories
from tests.integration.cabinet import mailing_data, make_cabinet, speak
from tests.integration.feedback.test_events import sent_delivery

REPORT = "/app/report/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def cabinet(client, owner):
    speak(owner, "en")
    client.force_login(owner)
    return client


@pytest.fixture
def delivery(owner) -> Delivery:
    """A letter that a person opened, whose second link they followed; a gateway followed both."""
    delivery = sent_delivery(owner)
    factories.make_link(delivery.run, label="Buy <now>")
    factories.make_link(delivery.run, label="")
    factories.make_hit(delivery)
    for link in (0, 2):
        factories.make_hit(delivery, kind="clicked", link=link, count=3)
    for link in (0, 1, 2):
        factories.make_hit(
            delivery, kind="clicked", link=link, is_machine=True, why=Why.SCANNER, count=2
        )
    return delivery


def rows_of(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def export(cabinet, delivery: Delivery, table: str) -> list[dict[str, str]]:
    url = reverse("mailings:run_export", args=[delivery.run_id, table, "csv"])
    return rows_of(cabinet.get(url))


# ---------------------------------------------------------------- chosen


@pytest.mark.parametrize(("setting", "offered"), [("forbidden", 0), ("allowed", 1), ("on", 1)])
def test_the_form_offers_the_choice_where_the_operator_allows_it(
    cabinet, owner, settings, setting, offered
):
    settings.TRACKING = setting
    make_cabinet(owner)
    form = cabinet.get(reverse("mailings:mailing_create")).context["form"]
    assert ("track_opens" in form.fields) == bool(offered)
    assert "link_parameters" in form.fields
    html = cabinet.get(reverse("mailings:mailing_create")).content.decode()
    assert html.count('name="track_opens"') == offered
    if offered:
        assert bool(form["track_opens"].value()) == (setting == "on")
        assert "Each letter then says in its foot" in html


def test_what_was_chosen_is_kept_shown_and_copied(cabinet, owner):
    made = make_cabinet(owner)
    data = mailing_data(
        made, name="Chosen", track_clicks="on", link_parameters="?utm_source=a", action="save"
    )
    cabinet.post(reverse("mailings:mailing_create"), data)
    mailing = Mailing.objects.get(name="Chosen")
    assert (mailing.track_opens, mailing.track_clicks) == (False, True)
    assert mailing.link_parameters == "utm_source=a"
    for url in (
        reverse("mailings:mailing_update", args=[mailing.pk]),
        f"{reverse('mailings:mailing_create')}?copy={mailing.pk}",
    ):
        form = cabinet.get(url).context["form"]
        chosen = [bool(form[name].value()) for name in ("track_opens", "track_clicks")]
        assert chosen == [False, True]
        assert form["link_parameters"].value() == "utm_source=a"
        assert form.measures_anything


def test_bad_parameters_are_said_at_their_field(cabinet, owner):
    data = mailing_data(make_cabinet(owner), link_parameters="utm source", action="save")
    page = cabinet.post(reverse("mailings:mailing_create"), data)
    assert "Write pairs with &amp; between them" in page.content.decode()
    assert page.context["form"].measures_anything


def test_a_forbidden_choice_cannot_be_posted(cabinet, owner, settings):
    settings.TRACKING = "forbidden"
    data = mailing_data(make_cabinet(owner), name="Posted", track_opens="on", action="save")
    cabinet.post(reverse("mailings:mailing_create"), data)
    assert not Mailing.objects.get(name="Posted").track_opens


# ---------------------------------------------------------------- shown


def test_a_run_shows_people_and_machines_link_by_link(cabinet, delivery):
    page = cabinet.get(delivery.run.get_absolute_url())
    shown = page.context["reading"]
    assert (shown.opened, shown.clicked) == (reading.Number(1, 0), reading.Number(1, 1))
    assert [(link.url[-2:], link.number) for link in shown.links] == [
        ("/2", reading.Number(1, 1)),
        ("/1", reading.Number(0, 1)),
    ]
    html = page.content.decode()
    assert "Buy &lt;now&gt;" in html
    assert "100&nbsp;% of those sent" in html
    assert page.context["run"].opened == 1


def test_deliveries_and_the_client_show_it_with_its_times(cabinet, delivery):
    run = delivery.run.get_absolute_url()
    for url in (f"{run}?tab=deliveries", delivery.client.get_absolute_url()):
        html = " ".join(cabinet.get(url).content.decode().split())
        assert "Opened</span>" in html
        assert "Clicked</span>" in html
        assert "https://shop.example/2" in html
        assert "Links followed by a machine: a gateway that checks letters" in html


def test_the_downloads_have_the_columns(cabinet, delivery):
    (row,) = export(cabinet, delivery, "deliveries")
    assert row["Opened"]
    assert row["Clicked"]
    assert row["Links"] == "https://shop.example/2"
    assert row["By machines"] == "Links followed by a machine: a gateway that checks letters"
    links = export(cabinet, delivery, "links")
    assert [(row["Link"][-2:], row["People"], row["Machines"]) for row in links] == [
        ("/2", "1", "1"), ("/1", "0", "1"),
    ]  # fmt: skip


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_report_counts_people_and_keeps_them_of_deleted_mailings(
    cabinet, owner, stranger, delivery, is_deleted
):
    factories.make_hit(sent_delivery(stranger))
    if is_deleted:
        mailing = Mailing.objects.get(pk=delivery.run.mailing_id)
        services.delete_mailing(mailing=mailing, by=owner)
    page = cabinet.get(REPORT)
    assert list(page.context["read"].values()) == [1, 1]
    assert "People: 1 opened a letter, 1 followed a link." in page.content.decode()
    for table in ("mailings", "days"):
        rows = rows_of(cabinet.get(reverse("mailings:report_export", args=[table, "csv"])))
        assert sum(int(row["Opened, people"] or 0) for row in rows) == 1, table
        assert sum(int(row["Clicked, people"] or 0) for row in rows) == 1, table


def test_nothing_is_said_where_nothing_was_tracked(cabinet, owner):
    delivery = sent_delivery(owner)
    run = cabinet.get(delivery.run.get_absolute_url())
    assert "reading" not in run.context
    page = cabinet.get(REPORT)
    assert page.context["reading"] is None
    for html in (run.content.decode(), page.content.decode()):
        assert "Opened" not in html
    assert "Opened" not in export(cabinet, delivery, "deliveries")[0]
    rows = rows_of(cabinet.get(reverse("mailings:report_export", args=["days", "csv"])))
    assert "Opened, people" not in rows[0]


def test_what_was_not_asked_of_a_letter_is_nowhere_nought(cabinet, owner):
    """One run tells of clicks, which there are none of; another of nothing."""
    clicks, silent = sent_delivery(owner), sent_delivery(owner)
    Run.objects.filter(pk=clicks.run_id).update(track_clicks=True)
    page = cabinet.get(REPORT)
    assert page.context["read"] == {"clicked": 0}
    assert "People: 0 followed a link." in page.content.decode()
    assert "opened" not in page.content.decode().lower()
    names = {clicks.run.mailing.name: "0", silent.run.mailing.name: ""}
    for table in ("mailings", "runs", "days"):
        rows = rows_of(cabinet.get(reverse("mailings:report_export", args=[table, "csv"])))
        assert "Opened, people" not in rows[0]
        if table != "days":
            assert {row["Mailing"]: row["Clicked, people"] for row in rows} == names
        else:
            assert {row["Clicked, people"] for row in rows if row["Runs"] == "0"} == {""}
            assert [row["Clicked, people"] for row in rows if row["Runs"] == "2"] == ["0"]


def test_a_report_on_openings_says_nothing_of_clicks(cabinet, owner):
    delivery = sent_delivery(owner)
    Run.objects.filter(pk=delivery.run_id).update(track_opens=True)
    page = cabinet.get(REPORT)
    assert page.context["read"] == {"opened": 0}
    assert "People: 0 opened a letter." in page.content.decode()
    assert len(page.context["reading"].series) == 1


def test_a_tracked_letter_that_nobody_opened_says_so(cabinet, owner):
    delivery = sent_delivery(owner)
    Run.objects.filter(pk=delivery.run_id).update(track_opens=True)
    html = cabinet.get(delivery.run.get_absolute_url()).content.decode()
    assert "Nobody has opened it yet." in html


@pytest.mark.parametrize(("hours", "parts"), [(1, 2), (30, 31), (24 * 10, 11), (24 * 200, 30)])
def test_time_is_drawn_by_the_hour_and_then_by_the_day(owner, delivery, hours, parts):
    at = timezone.now().replace(minute=30) - timedelta(hours=hours)
    Run.objects.filter(pk=delivery.run_id).update(started_at=at)
    delivery.hits.update(first_at=at)
    run = Run.objects.select_related("mailing").get(pk=delivery.run_id)
    with translation.override("en"):
        shown = reading.of_run(run, at + timedelta(hours=hours))
    assert shown.chart is not None
    assert [len(series.values) for series in shown.chart.series] == [parts] * 2
    assert [sum(series.values) for series in shown.chart.series] == [1, 1]
    assert ("hour" in shown.said) == (hours < 48)


def test_an_hour_that_the_clock_shows_twice_is_drawn_once(owner, delivery):
    Mailing.objects.filter(pk=delivery.run.mailing_id).update(time_zone="Europe/Berlin")
    begun = datetime(2026, 10, 24, 22, 30, tzinfo=UTC)  # 00:30 in the night the clocks go back
    Run.objects.filter(pk=delivery.run_id).update(started_at=begun)
    delivery.hits.update(first_at=begun + timedelta(hours=2))  # 02:30
    factories.make_hit(
        factories.make_delivery(delivery.run, status="sent", finished_at=begun),
        first_at=begun + timedelta(hours=3),  # 02:30 again
    )
    run = Run.objects.select_related("mailing").get(pk=delivery.run_id)
    shown = reading.of_run(run, begun + timedelta(hours=5))
    assert shown.chart is not None
    assert [series.values for series in shown.chart.series] == [[0, 0, 2, 0, 0], [0, 0, 1, 0, 0]]


def test_within_its_first_hour_nothing_is_drawn(owner, delivery):
    run = Run.objects.select_related("mailing").get(pk=delivery.run_id)
    shown = reading.of_run(run, run.started_at.replace(minute=59))
    assert (shown.chart, shown.said) == (None, "")


def test_pages_cost_no_query_for_each_hit(cabinet, owner, delivery):
    run = delivery.run.get_absolute_url()
    urls = [
        run, f"{run}?tab=deliveries", delivery.client.get_absolute_url(), REPORT,
        f"{REPORT}?table=runs", delivery.run.mailing.get_absolute_url(),
    ]  # fmt: skip
    counts = []
    for _ in range(2):
        for url in urls:
            cabinet.get(url)
        with CaptureQueriesContext(connection) as asked:
            for url in urls:
                cabinet.get(url)
        counts.append(len(asked))
        for _more in range(3):
            other = factories.make_delivery(delivery.run, status="sent", finished_at=timezone.now())
            factories.make_attempt(other)
            factories.make_hit(other)
            factories.make_hit(other, kind="clicked", link=1)
            again = sent_delivery(owner, client=delivery.client, address=delivery.address)
            factories.make_hit(again, kind="clicked", link=0)
            factories.make_link(again.run)
    assert counts[0] == counts[1]


def test_a_stranger_sees_none_of_it(client, stranger, delivery):
    client.force_login(stranger)
    url = reverse("mailings:run_export", args=[delivery.run_id, "links", "csv"])
    assert client.get(url).status_code == 404
