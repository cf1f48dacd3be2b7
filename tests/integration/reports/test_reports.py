"""The report: sums over days in the owner's zone, charts that say the same in words, downloads."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from wagtail.models import ModelLogEntry

from mailings.audit import Action
from mailings.models import Suppression
from mailings.reports import sums
from mailings.reports.periods import Period
from mailings.spreadsheets import downloads
from tests import factories
from tests.integration.cabinet import make_cabinet, speak

REPORT = reverse("mailings:report")
MOSCOW = ZoneInfo("Europe/Moscow")
COUNTS = {"status": "done", "targeted": 10, "sent_count": 6, "failed_count": 3, "skipped_count": 1}


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    return make_cabinet(owner)


def run_at(mailing, at: datetime, **fields):
    return factories.make_run(mailing, scheduled_for=at, **(COUNTS | fields))


def suppressed(owner, reason: str, at: datetime) -> Suppression:
    row = Suppression.objects.create(
        owner=owner, address_hash=f"{Suppression.objects.count():064}", reason=reason
    )
    Suppression.objects.filter(pk=row.pk).update(created_at=at)
    return row


def rows(response, delimiter: str = ",") -> list[list[str]]:
    text = io.StringIO(b"".join(response).decode("utf-8-sig"))
    return list(csv.reader(text, delimiter=delimiter))


# ------------------------------------------------------------------ sums


def test_a_day_is_the_owners_day(owner):
    mailing = factories.make_mailing(owner)
    period = Period(date(2026, 11, 1), date(2026, 11, 3), MOSCOW)
    run_at(mailing, datetime(2026, 10, 31, 20, 59, tzinfo=UTC))  # still October in Moscow
    run_at(mailing, datetime(2026, 10, 31, 21, 0, tzinfo=UTC))
    run_at(mailing, datetime(2026, 11, 3, 20, 59, tzinfo=UTC))
    run_at(mailing, datetime(2026, 11, 3, 21, 0, tzinfo=UTC))  # the 4th
    runs = sums.runs_in(owner, period)
    parts = sums.parts(owner, period, runs)
    assert [(p.first.day, p.sums.number) for p in parts] == [(1, 1), (2, 0), (3, 1)]
    assert sums.total(runs).targeted == 20


@pytest.mark.parametrize(("days", "step"), [(92, "day"), (93, "week"), (400, "month")])
def test_a_long_period_has_longer_parts_and_loses_nothing(owner, days, step):
    mailing = factories.make_mailing(owner)
    last = date(2026, 11, 25)
    period = Period(last - timedelta(days=days - 1), last, MOSCOW)
    assert period.step == step
    for ago in (0, 1, days // 2, days - 1):
        run_at(mailing, datetime.combine(last, datetime.min.time(), MOSCOW) - timedelta(days=ago))
    parts = sums.parts(owner, period, sums.runs_in(owner, period))
    assert sum(p.sums.sent_count for p in parts) == 24
    assert [p.first for p in parts] == sorted({p.first for p in parts})
    assert len(parts) <= 92


def test_those_who_left_are_counted_by_day_and_only_ones_own(owner, stranger):
    at = datetime(2026, 11, 2, 12, tzinfo=UTC)
    suppressed(owner, "unsubscribed", at)
    suppressed(owner, "bounced", at)
    suppressed(stranger, "unsubscribed", at)
    suppressed(None, "unsubscribed", at)
    period = Period(date(2026, 11, 1), date(2026, 11, 3), MOSCOW)
    parts = sums.parts(owner, period, sums.runs_in(owner, period))
    assert [p.unsubscribed for p in parts] == [0, 1, 0]


def test_those_who_left_are_told_of_the_mailing_whose_letter_made_them(client, owner, cabinet):
    at = timezone.now()
    other = factories.make_mailing(owner, name="Другая")
    quiet, loud = run_at(cabinet.mailing, at), run_at(other, at)
    for _ in range(2):
        factories.make_leaving(loud)
    suppressed(owner, "unsubscribed", at)  # through no letter
    assert client.get(REPORT).context["unsubscribed"] == 3

    def told(table: str) -> dict[str, int]:
        page = client.get(REPORT, {"table": table}).context["page"]
        return {str(row): getattr(row, "sums", row).unsubscribed for row in page}

    assert told("mailings") == {str(cabinet.mailing): 0, "Другая": 2}
    assert told("runs")[str(loud)] == 2
    assert told("runs")[str(quiet)] == 0
    alone = client.get(REPORT, {"mailing": other.pk})
    assert alone.context["unsubscribed"] == 2
    for page in (other.get_absolute_url(), loud.get_absolute_url()):
        assert client.get(page).context["run"].unsubscribed == 2
    listed = client.get(other.get_absolute_url(), {"tab": "runs"}).context["page"]
    assert [run.unsubscribed for run in listed] == [2]


# ------------------------------------------------------------------ the page


def test_the_period_is_chosen(client, owner, cabinet):
    run_at(cabinet.mailing, timezone.now() - timedelta(days=40))

    def runs(**query) -> int:
        return client.get(REPORT, query).context["total"].number

    assert runs() == 1
    assert runs(period="7") == 1
    assert runs(period="90") == 2
    since = (timezone.now() - timedelta(days=50)).date()
    assert runs(since=since.isoformat()) == 2
    assert runs(since="2020-01-01", until="2020-02-01") == 0
    assert runs(since="2020-02-01", until="2020-01-01") == 0  # turned, not an error
    assert runs(period="nonsense", since="nonsense") == 1


def test_the_chart_says_in_words_and_numbers_what_it_shows(client, owner, cabinet):
    run_at(cabinet.mailing, timezone.now() - timedelta(days=1), sent_count=1200, targeted=1204)
    page = client.get(REPORT)
    said = page.content.decode()
    assert "1\N{NO-BREAK SPACE}200 messages sent of 1\N{NO-BREAK SPACE}205." in said
    assert len(page.context["parts"]) == 30
    assert sum(part.sums.sent_count for _name, part in page.context["parts"]) == 1200
    top = page.context["chart"].ticks[-1].value
    assert top >= 1204
    assert all(bar.y >= 0 for bar in page.context["chart"].bars)


def test_one_mailing_has_a_report_of_its_own(client, owner, cabinet):
    other = factories.make_mailing(owner, name="Другая")
    run_at(other, timezone.now())
    suppressed(owner, "unsubscribed", timezone.now())
    page = client.get(REPORT, {"mailing": other.pk})
    assert page.context["total"].number == 1
    assert page.context["unsubscribed"] == 0  # not through a letter of this one
    assert [m.name for m in page.context["page"]] == ["Другая"]


def test_failures_are_grouped_with_the_servers_words(client, owner, cabinet):
    run = cabinet.run
    for _ in range(2):
        delivery = factories.make_delivery(run, status="failed", attempt_count=1)
        factories.make_attempt(
            delivery, outcome="permanent", code=554, enhanced_code="5.7.1", step="dot",
            reply="spam <b>",
        )  # fmt: skip
    page = client.get(REPORT)
    assert [(r.number, r.code) for r in page.context["why"]] == [(2, "554 5.7.1"), (1, "550 5.1.1")]
    assert "spam &lt;b&gt;" in page.content.decode()


def test_rows_are_searched_and_narrowed(client, owner, cabinet):
    other = factories.make_mailing(owner, name="Осенняя", status="completed")
    run_at(other, timezone.now())

    def found(**query) -> list[str]:
        return [str(row) for row in client.get(REPORT, query).context["page"]]

    assert len(found()) == 2
    assert found(q="осенн") == ["Осенняя"]
    assert found(status="completed") == ["Осенняя"]
    assert len(found(table="runs")) == 2
    assert len(found(table="runs", q="осенн")) == 1
    assert len(found(table="runs", status="sending")) == 1


def test_no_runs_in_the_period_is_said_and_a_way_out_offered(client, cabinet):
    page = client.get(REPORT, {"since": "2020-01-01", "until": "2020-02-01"}).content.decode()
    assert "No runs in these days" in page
    assert "period=90" in page


# ------------------------------------------------------------------ downloads


@pytest.mark.parametrize("kind", downloads.KINDS)
@pytest.mark.parametrize("table", ["mailings", "runs", "days", "failures"])
def test_every_table_of_the_report_can_be_downloaded(client, owner, cabinet, table, kind):
    url = reverse("mailings:report_export", args=[table, kind])
    response = client.get(url)
    assert response["Content-Type"] == downloads.KINDS[kind]
    assert f".{kind}" in response["Content-Disposition"]
    data = b"".join(response)
    if kind == "xlsx":
        sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
        found = [list(row) for row in sheet.iter_rows(values_only=True)]
    else:
        found = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert len({len(row) for row in found}) == 1
    assert len(found) == {"mailings": 2, "runs": 2, "days": 31, "failures": 2}[table]


def test_a_download_has_the_filters_of_the_page(client, owner, cabinet):
    other = factories.make_mailing(owner, name="Осенняя")
    run_at(other, timezone.now())
    url = reverse("mailings:report_export", args=["mailings", "csv"])
    assert len(rows(client.get(url))) == 3
    assert [row[0] for row in rows(client.get(url, {"q": "осенн"}))[1:]] == ["Осенняя"]
    assert len(rows(client.get(url, {"since": "2020-01-01", "until": "2020-02-01"}))) == 1


def test_the_log_of_a_run_can_be_downloaded(client, owner, cabinet):
    sent = factories.make_delivery(cabinet.run, status="sent", attempt_count=1)
    factories.make_attempt(sent)
    for table in ("deliveries", "attempts"):
        url = reverse("mailings:run_export", args=[cabinet.run.pk, table, "csv"])
        found = rows(client.get(url))
        assert len(found) == 3
        assert sum(cabinet.delivery.address in row for row in found) == 1
    url = reverse("mailings:run_export", args=[cabinet.run.pk, "deliveries", "csv"])
    assert [row[0] for row in rows(client.get(url, {"status": "sent"}))[1:]] == [sent.address]
    url = reverse("mailings:mailing_runs_export", args=[cabinet.mailing.pk, "csv"])
    assert len(rows(client.get(url))) == 2


def test_nothing_in_a_download_is_a_formula(client, owner, cabinet):
    cabinet.mailing.name = '=HYPERLINK("http://x")'
    cabinet.mailing.save(update_fields=["name"])
    cabinet.delivery.full_name = "@SUM(1)"
    cabinet.delivery.save(update_fields=["full_name"])
    cabinet.attempt.reply = "+1"
    cabinet.attempt.save(update_fields=["reply"])
    for kind in downloads.KINDS:
        url = reverse("mailings:report_export", args=["failures", kind])
        data = b"".join(client.get(url))
        if kind == "xlsx":
            sheet = openpyxl.load_workbook(io.BytesIO(data)).worksheets[0]
            cells = [cell.value for row in sheet for cell in row]
            assert all(cell.data_type != "f" for row in sheet for cell in row)
        else:
            cells = [c for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) for c in row]
        for text in ("'=HYPERLINK", "'@SUM", "'+1"):
            assert any(str(cell).startswith(text) for cell in cells)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_download_speaks_the_readers_language(client, owner, cabinet, language):
    speak(owner, language)
    url = reverse("mailings:report_export", args=["failures", "csv"])
    heading = rows(client.get(url), {"ru": ";", "en": ","}[language])[0]
    assert heading[0] == {"ru": "Рассылка", "en": "Mailing"}[language]
    assert len(heading) == 10


@pytest.mark.parametrize("address", ["nothing.csv", "runs.exe", "failures.pdf"])
def test_what_there_is_not_is_a_404(client, cabinet, address):
    assert client.get(f"{REPORT}{address}").status_code == 404


def test_an_export_with_people_in_it_is_in_the_log(client, owner, cabinet):
    client.get(reverse("mailings:run_export", args=[cabinet.run.pk, "deliveries", "csv"]))
    client.get(reverse("mailings:report_export", args=["failures", "csv"]))
    logged = ModelLogEntry.objects.filter(action=Action.EXPORT)
    assert {entry.user for entry in logged} == {owner}
    assert logged.count() == 2


def test_a_download_does_not_grow_in_memory(monkeypatch):
    largest = 0
    for kind in downloads.KINDS:
        for part in downloads.parts((["x" * 100] * 10 for _ in range(5000)), kind):
            largest = max(largest, len(part))
    assert largest < 8 * downloads.PART


def test_queries_of_a_download_do_not_grow(client, owner, django_assert_max_num_queries):
    call_command(
        "create_volume", email=owner.email, clients=60, deliveries=600, force=True, verbosity=0
    )
    client.force_login(owner)
    url = reverse("mailings:report_export", args=["failures", "csv"])
    b"".join(client.get(url))
    with django_assert_max_num_queries(8):
        b"".join(client.get(url))
