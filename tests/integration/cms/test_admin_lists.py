"""Lists of the managers' desk: queries, search, filters, exports, a bounded count."""

import csv
import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from openpyxl import load_workbook
from wagtail.models import ModelLogEntry

from mailings.cms import listing
from mailings.models import Client, Delivery, Mailing
from mailings.states import MailingStatus
from mailings.web import keyset
from tests import factories
from tests.integration.desk import LISTS, make_desk

HOSTILE = ("=1+1", "+7 900", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1")


def count_queries(client, url: str) -> int:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert client.get(url).status_code == 200
    return len(queries)


def rows_of_csv(response) -> list[dict[str, str]]:
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("who", ["manager", "superuser"])
def test_list_costs_the_same_with_3_and_with_30_rows(request, client, owner, name, who):
    client.force_login(request.getfixturevalue(who))
    url = reverse(f"cms_{name}:index")
    make_desk(owner, 3)
    client.get(url)  # fills the caches of content types and of the site
    few = count_queries(client, url)
    make_desk(factories.make_user(), 27)
    many = count_queries(client, url)
    assert many == few
    # Session, user, profile, permissions, the count, the rows.
    assert many <= 12


def test_report_costs_the_same_with_3_and_with_30_rows(client, manager, owner):
    client.force_login(manager)
    url = reverse("attempts_report")
    make_desk(owner, 3)
    client.get(url)
    few = count_queries(client, url)
    make_desk(factories.make_user(), 27)
    assert count_queries(client, url) == few


def test_page_of_a_mailing_costs_the_same_with_more_of_everything(client, manager, owner):
    client.force_login(manager)
    desk = make_desk(owner)
    url = reverse("cms_mailing:inspect", args=[desk.mailing.pk])
    client.get(url)
    few = count_queries(client, url)
    for _ in range(15):
        run = factories.make_run(desk.mailing)
        factories.make_attempt(factories.make_delivery(run))
    assert count_queries(client, url) == few


def test_list_counts_no_further_than_it_must(client, manager, owner, monkeypatch):
    monkeypatch.setattr(keyset, "COUNT_CAP", 3)
    factories.make_clients(owner, 5)
    client.force_login(manager)
    answer = client.get(reverse("cms_client:index"))
    paginator = answer.context["paginator"]
    assert (paginator.count, paginator.is_capped) == (3, True)
    assert "3" in paginator.items_count_label
    # A page beyond the count is the last page, not an error.
    assert client.get(reverse("cms_client:index") + "?p=999").status_code == 200


def test_mailings_are_found_by_name_and_owner_and_narrowed_by_filters(client, manager, owner):
    spring = factories.make_mailing(owner, name="Spring sale")
    other = factories.make_mailing(factories.make_user(email="boris@example.org"), name="Winter")
    Mailing.objects.filter(pk=other.pk).update(status=MailingStatus.STOPPED)
    client.force_login(manager)

    def found(query: str) -> set[str]:
        answer = client.get(reverse("cms_mailing:index") + query)
        return {row.name for row in answer.context["object_list"]}

    assert found("?q=spring") == {"Spring sale"}
    assert found("?q=boris@") == {"Winter"}
    assert found("?status=stopped") == {"Winter"}
    assert found("?status=stopped&status=draft") == {"Winter", "Spring sale"}
    assert found("?owner=owner@") == {"Spring sale"}
    tomorrow = timezone.localdate() + timedelta(days=1)
    assert found(f"?start_at_from={tomorrow.isoformat()}") == set()
    assert found("?ordering=name") == {spring.name, other.name}
    assert found("?ordering=owner__password") == {spring.name, other.name}


def test_deliveries_are_found_by_address_and_narrowed_by_run(client, manager, owner):
    run = factories.make_run(factories.make_mailing(owner))
    anna = factories.make_delivery(run, factories.make_client(owner, email="anna@example.org"))
    elsewhere = factories.make_delivery(factories.make_run(factories.make_mailing(owner)))
    client.force_login(manager)
    url = reverse("cms_delivery:index")
    assert set(client.get(f"{url}?q=ANNA@").context["object_list"]) == {anna}
    assert set(client.get(f"{url}?run={run.pk}").context["object_list"]) == {anna}
    mailing = elsewhere.run.mailing_id
    assert set(client.get(f"{url}?mailing={mailing}").context["object_list"]) == {elsewhere}
    # A hostile filter value is an empty form error, never a traceback.
    for query in (
        "?run=abc",
        "?status=none",
        "?run=99999999999999999999",
        "?mailing=-1",
        "?run=1.5",
    ):
        assert client.get(url + query).status_code == 200


@pytest.mark.parametrize("few", [0, 1000])
def test_attempts_are_found_by_address_and_by_reply(client, manager, owner, monkeypatch, few):
    monkeypatch.setattr(listing, "FEW_DELIVERIES", few)
    run = factories.make_run(factories.make_mailing(owner))
    anna = factories.make_client(owner, email="anna@example.org")
    hers = factories.make_attempt(factories.make_delivery(run, anna))
    other = factories.make_attempt(factories.make_delivery(run), reply="5.7.1 anna is blocked")
    client.force_login(manager)
    for url in (reverse("cms_attempt:index"), reverse("cms_attempt:index_results")):
        assert set(client.get(f"{url}?q=anna@exa").context["object_list"]) == {hers}
        assert set(client.get(f"{url}?q=anna").context["object_list"]) == {hers, other}


@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_export_neutralises_formulas(client, manager, owner, file_format):
    for number, text in enumerate(HOSTILE):
        factories.make_client(owner, email=f"c{number}@example.org", full_name=text)
    client.force_login(manager)
    answer = client.get(reverse("cms_client:index") + f"?export={file_format}")
    if file_format == "csv":
        cells = {cell for row in rows_of_csv(answer) for cell in row.values()}
    else:
        sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
        cells = {str(cell) for row in sheet.iter_rows(values_only=True) for cell in row}
    for text in HOSTILE:
        assert text not in cells
    # CSV keeps line ends inside a quoted cell as they are; a sheet may fold them.
    assert {"'=1+1", "'+7 900", "'-2", "'@SUM(A1)"} <= cells


@pytest.mark.parametrize("name", ["mailing", "run", "delivery", "attempt", "client", "message"])
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
def test_every_list_exports_all_its_rows(client, manager, owner, name, file_format):
    make_desk(owner, 3)
    client.force_login(manager)
    answer = client.get(reverse(f"cms_{name}:index") + f"?export={file_format}")
    if file_format == "csv":
        assert len(rows_of_csv(answer)) == 3
    else:
        sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
        assert sheet.max_row == 1 + 3


def test_export_follows_filters_and_is_logged(client, manager, owner):
    factories.make_mailing(owner, name="Spring sale")
    factories.make_mailing(owner, name="Winter")
    client.force_login(manager)
    answer = client.get(reverse("cms_mailing:index") + "?q=spring&export=csv")
    rows = rows_of_csv(answer)
    assert [value for value in rows[0].values() if "sale" in value] == ["Spring sale"]
    assert len(rows) == 1
    entry = ModelLogEntry.objects.get(action="mailings.export")
    assert (entry.user, "CSV" in entry.message) == (manager, True)


def test_export_costs_no_query_per_row(client, manager, owner):
    make_desk(owner, 20)
    client.force_login(manager)
    with CaptureQueriesContext(connection) as queries:
        rows = rows_of_csv(client.get(reverse("attempts_report") + "?export=csv"))
    assert len(rows) == 20
    assert len(queries) <= 12


def test_too_long_workbook_is_refused_with_a_way_out(client, manager, owner, monkeypatch):
    monkeypatch.setattr(listing, "XLSX_ROWS", 2)
    factories.make_clients(owner, 3)
    client.force_login(manager)
    answer = client.get(reverse("cms_client:index") + "?export=xlsx", follow=True)
    assert "CSV" in answer.content.decode()
    assert len(rows_of_csv(client.get(reverse("cms_client:index") + "?export=csv"))) == 3


def test_export_holds_no_secret(client, superuser, owner):
    make_desk(owner)
    client.force_login(superuser)
    heading = rows_of_csv(client.get(reverse("attempts_report") + "?export=csv"))[0]
    assert not {"url", "password", "in_flight"} & heading.keys()
    assert Client.objects.exists()
    assert Delivery.objects.exists()
