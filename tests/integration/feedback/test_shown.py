"""Where people see what came back: the delivery, the client, the run, the mailing, the report, the
managers' desk – and that nothing is said where nothing can be known."""

import csv
import io

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailings.campaigns import services
from mailings.models import Delivery, Mailing
from mailings.states import EventKind
from tests import factories
from tests.integration.feedback.test_events import sent_delivery

REPORT = "/app/report/"
WORDS = {
    "ru": "Письмо вернулось: такого ящика нет",
    "en": "The letter came back: there is no such mailbox",
}


@pytest.fixture
def delivery(owner) -> Delivery:
    delivery = sent_delivery(owner)
    factories.make_event(delivery, diagnostic="5.1.1 <b>No such user</b> here")
    return delivery


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return client


def speak(owner, language: str) -> None:
    owner.language = language
    owner.save()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_run_and_client_say_in_words_what_came_back_and_the_servers_behind(
    cabinet, owner, delivery, language
):
    speak(owner, language)
    run = delivery.run.get_absolute_url()
    for url in (f"{run}?tab=deliveries", delivery.client.get_absolute_url()):
        html = cabinet.get(url).content.decode()
        assert WORDS[language] in html
        assert "&lt;b&gt;No such user&lt;/b&gt; here" in html


def test_a_run_and_its_mailing_show_the_figures(cabinet, owner, delivery):
    factories.make_event(delivery, kind=EventKind.COMPLAINED)
    for row in (delivery.run, delivery.run.mailing):
        run = cabinet.get(row.get_absolute_url()).context["run"]
        assert (run.returned, run.complained) == (1, 1)
    page = cabinet.get(delivery.run.mailing.get_absolute_url(), {"tab": "runs"})
    assert [row.returned for row in page.context["page"]] == [1]


def rows_of(answer) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_the_download_of_deliveries_says_it_in_words(cabinet, owner, delivery):
    speak(owner, "en")
    url = reverse("mailings:run_export", args=[delivery.run_id, "deliveries", "csv"])
    assert [row["What came back"] for row in rows_of(cabinet.get(url))] == [WORDS["en"]]


@pytest.mark.parametrize("is_deleted", [False, True])
def test_the_report_counts_them_with_the_run_and_keeps_them_of_deleted_mailings(
    cabinet, owner, stranger, delivery, is_deleted
):
    speak(owner, "en")
    factories.make_event(delivery, kind=EventKind.COMPLAINED)
    factories.make_event(sent_delivery(stranger))
    sent_delivery(owner)
    if is_deleted:
        mailing = Mailing.objects.get(pk=delivery.run.mailing_id)
        services.delete_mailing(mailing=mailing, by=owner)
    page = cabinet.get(REPORT)
    assert (page.context["returned"], page.context["complained"]) == (1, 1)
    assert sum(part.returned for _name, part in page.context["parts"]) == 1
    for table in ("mailings", "days"):
        url = reverse("mailings:report_export", args=[table, "csv"])
        rows = rows_of(cabinet.get(url))
        assert sum(int(row["Returned"]) for row in rows) == 1, table
        assert [row["Complained"] for row in rows if row["Complained"]] == ["1"], table


def test_nothing_is_said_to_be_none_where_nothing_can_be_known(cabinet, owner, settings):
    speak(owner, "en")
    delivery = sent_delivery(owner)
    html = cabinet.get(REPORT).content.decode()
    assert "is not known: this service has no address" in html
    assert ">Returned<" not in html
    url = reverse("mailings:report_export", args=["days", "csv"])
    assert "Returned" not in rows_of(cabinet.get(url))[0]

    settings.BOUNCE_DOMAIN = "returns.example.org"
    page = cabinet.get(REPORT)
    html = page.content.decode()
    assert "is not known" not in html
    assert "Complaints about spam are not counted" in html
    assert page.context["returned"] == 0
    assert rows_of(cabinet.get(url))[0]["Complained"] == ""

    factories.make_event(delivery, kind=EventKind.COMPLAINED)
    assert "Complaints about spam are not counted" not in cabinet.get(REPORT).content.decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_SECRETS", {"postmark": "user:password"}),
        ("BOUNCE_MAILBOX_URL", "imaps://user:password@mail.example.org"),
    ],
)
def test_every_way_that_is_set_up_makes_it_known(cabinet, owner, settings, name, value):
    speak(owner, "en")
    sent_delivery(owner)
    setattr(settings, name, value)
    assert "is not known" not in cabinet.get(REPORT).content.decode()


def test_pages_cost_no_query_for_each_event(cabinet, owner):
    client = factories.make_client(owner)
    first = sent_delivery(owner, client=client, address=client.email_normalised)
    factories.make_event(first)
    run = first.run.get_absolute_url()
    urls = [client.get_absolute_url(), f"{run}?tab=deliveries", REPORT, f"{REPORT}?table=runs"]
    counts = []
    for _ in range(2):
        for url in urls:
            cabinet.get(url)
            with CaptureQueriesContext(connection) as queries:
                cabinet.get(url)
            counts.append(len(queries))
        for _more in range(10):
            more = sent_delivery(owner, client=client, address=client.email_normalised)
            factories.make_event(more)
            other = factories.make_delivery(first.run, status="sent", attempt_count=1)
            factories.make_event(other)
    assert counts[: len(urls)] == counts[len(urls) :]


def test_a_manager_sees_them_at_the_delivery_and_a_report_as_it_came(client, manager, delivery):
    client.force_login(manager)
    url = reverse("cms_delivery:inspect", args=[delivery.pk])
    assert "&lt;b&gt;No such user&lt;/b&gt; here" in client.get(url).content.decode()
    assert delivery.address in client.get(reverse("cms_event:index")).content.decode()
