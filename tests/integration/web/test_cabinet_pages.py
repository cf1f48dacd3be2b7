"""What holds for every page: queries do not grow, nothing hostile gets out, the policy holds."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailings.models import Attempt, Delivery
from tests import factories
from tests.integration.cabinet import make_cabinet

pytestmark = pytest.mark.slow

PAGES = {
    "dashboard": None,
    "client_list": None,
    "list_list": None,
    "message_list": None,
    "mailing_list": None,
    "report": None,
    "mailing_create": None,
    "mailing_update": "mailing",
    "mailing_send_to_added": "mailing",
    "run_retry": "run",
    "message_create": None,
    "message_update": "message",
    "picture_list": None,
    "client_detail": "client",
    "list_detail": "list",
    "message_detail": "message",
    "mailing_detail": "mailing",
    "run_detail": "run",
    "import_list": None,
    "stop_list": None,
    "stop_list_add": None,
    "stop_list_entry": "suppression",
    "domain_list": None,
    "domain_detail": "sender_domain",
    "import_create": None,
    "import_columns": "imported",
    "import_delete": "imported",
}
"""Pages with rows in them, and whose id they take."""

TABS = [("mailing_detail", tab) for tab in ("deliveries", "runs", "message")]
TABS += [("run_detail", "deliveries"), ("report", "runs")]

MOST_QUERIES = 15
"""With those for the session and the user."""

HOSTILE = '"><script>alert(1)</script>{{7*7}}'


def address(cabinet, name: str, tab: str = "") -> str:
    kind = PAGES[name]
    url = reverse(f"mailings:{name}", args=[cabinet.row(kind).pk] if kind else [])
    name = "table" if "report" in url else "tab"
    return f"{url}?{name}={tab}" if tab else url


def queries(client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code in (200, 302)
    return len(captured)


@pytest.mark.parametrize(
    ("name", "tab"), [(name, "") for name in PAGES] + TABS, ids=lambda value: value or "page"
)
def test_queries_do_not_grow_with_the_rows(client, owner, stranger, name, tab):
    few, many = make_cabinet(owner, 3), make_cabinet(stranger, 30)
    client.force_login(owner)
    client.get(address(few, name, tab))
    with_few = queries(client, address(few, name, tab))
    client.force_login(stranger)
    client.get(address(many, name, tab))
    with_many = queries(client, address(many, name, tab))
    assert with_few == with_many
    assert with_many <= MOST_QUERIES


def test_the_fullest_form_of_a_mailing_takes_no_more_queries_than_any_page(client, owner):
    mailing = make_cabinet(owner, 3).mailing
    mailing.clients.add(*factories.make_clients(owner, 2))
    mailing.excluded_clients.add(factories.make_client(owner))
    mailing.excluded_lists.add(factories.make_list(owner, [factories.make_client(owner)]))
    client.force_login(owner)
    url = reverse("mailings:mailing_update", args=[mailing.pk])
    with CaptureQueriesContext(connection) as captured:
        form = client.get(url).context["form"]
    assert len(captured) <= MOST_QUERIES
    assert {name: {row.pk for row, ticked in picks if ticked} for name, picks in (
        ("lists", form.list_picks), ("clients", form.client_picks),
        ("excluded_lists", form.excluded_list_picks),
        ("excluded_clients", form.excluded_client_picks),
    )} == {
        name: set(getattr(mailing, name).values_list("pk", flat=True))
        for name in ("lists", "clients", "excluded_lists", "excluded_clients")
    }  # fmt: skip


def test_a_newcomers_overview_takes_no_more_queries_than_any_page(client, owner):
    made = make_cabinet(owner, status="draft")
    made.mailing.runs.all().delete()
    client.force_login(owner)
    with CaptureQueriesContext(connection) as captured:
        page = client.get(reverse("mailings:dashboard"))
    assert len(captured) <= MOST_QUERIES
    assert page.context["is_new"]
    links = [where for _what, where, _done in page.context["steps"].all]
    assert made.message.get_absolute_url() in links
    assert reverse("mailings:mailing_update", args=[made.mailing.pk]) in links


def test_a_follow_up_does_not_load_whom_it_was_made_for(client, owner):
    made = make_cabinet(owner, 3)
    again = factories.make_mailing(owner, message=made.message, status="draft", follows=made.run)
    again.clients.add(*factories.make_clients(owner, 3))
    client.force_login(owner)
    with CaptureQueriesContext(connection) as captured:
        page = client.get(reverse("mailings:mailing_update", args=[again.pk]))
    assert page.context["forecast"].recipients.total == 3
    rows = [q["sql"] for q in captured if "mailings_mailing_clients" in q["sql"]]
    assert rows
    assert all("COUNT" in sql for sql in rows)


@pytest.fixture
def hostile(owner):
    """A cabinet in which everything that somebody writes is an attack."""
    cabinet = make_cabinet(owner)
    owner.full_name = HOSTILE
    owner.save(update_fields=["full_name"])
    for row, fields in (
        (cabinet.client, {"full_name": HOSTILE, "comment": HOSTILE, "consent_source": HOSTILE,
                          "attributes": {"city": HOSTILE}}),
        (cabinet.list, {"name": HOSTILE}),
        (cabinet.message, {"subject": HOSTILE, "preheader": HOSTILE, "body": HOSTILE}),
        (cabinet.mailing, {"name": HOSTILE, "sender_name": HOSTILE, "status_reason": HOSTILE}),
        (cabinet.run, {"subject": HOSTILE, "reason": HOSTILE}),
        (cabinet.imported, {"file_name": HOSTILE, "heads": ["E-mail", HOSTILE],
                            "sample": [[HOSTILE, HOSTILE]], "problem": HOSTILE}),
    ):  # fmt: skip
        for name, value in fields.items():
            setattr(row, name, value)
        row.save(update_fields=list(fields))
    Delivery.objects.update(full_name=HOSTILE)
    Attempt.objects.update(reply=HOSTILE)
    return cabinet


FORMS = ["client_update", "list_update", "message_update", "mailing_update"]
ASKING = ["client_delete", "list_delete", "message_delete", "mailing_delete", "mailing_cancel"]


@pytest.mark.parametrize("name", [*PAGES, *FORMS, *ASKING])
def test_hostile_names_and_replies_are_text(client, owner, hostile, name):
    client.force_login(owner)
    kind = PAGES.get(name, name.split("_")[0])
    url = reverse(f"mailings:{name}", args=[hostile.row(kind).pk] if kind else [])
    for address_ in (url, f"{url}?tab=deliveries", f"{url}?q={HOSTILE}"):
        page = client.get(address_).content.decode()
        assert "<script>alert(1)" not in page
        assert '"><script' not in page


@pytest.mark.parametrize("name", [*PAGES, *FORMS, *ASKING])
def test_pages_keep_to_the_strict_policy(client, owner, name):
    cabinet = make_cabinet(owner)
    client.force_login(owner)
    kind = PAGES.get(name, name.split("_")[0])
    response = client.get(reverse(f"mailings:{name}", args=[cabinet.row(kind).pk] if kind else []))
    policy = response["Content-Security-Policy"]
    assert "unsafe-inline" not in policy
    assert "unsafe-eval" not in policy
    page = response.content.decode()
    assert " style=" not in page
    assert " onclick=" not in page
    assert "<style" not in page


def test_a_long_count_stops_at_the_cap(client, owner, monkeypatch):
    from mailings.web import keyset

    monkeypatch.setattr(keyset, "COUNT_CAP", 5)
    factories.make_clients(owner, 8)
    client.force_login(owner)
    page = client.get(reverse("mailings:client_list"))
    assert page.context["total"] == keyset.Count(5, capped=True)
    assert "5+" in page.content.decode()
