"""Clients as CSV and XLSX: streamed, without formulas, and importable again unchanged."""

import csv
import io
from datetime import date

import openpyxl
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail.models import ModelLogEntry

from mailings.clients import exporting
from mailings.models import Client
from mailings.models.suppression import SuppressionReason
from mailings.spreadsheets import downloads
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import speak
from tests.integration.clients.test_importing import imported

LIST = reverse("mailings:client_list")
KINDS = list(downloads.KINDS)


def export(client, kind: str, query: str = "", **data) -> bytes:
    data = data or {"everything": "1"}
    response = client.post(f"{LIST}{query}", {"action": f"export_{kind}"} | data)
    assert response.status_code == 200
    assert response.streaming
    assert response["Content-Type"] == downloads.KINDS[kind]
    assert response["Content-Disposition"].endswith(f'.{kind}"')
    return b"".join(response.streaming_content)


def table_in(content: bytes, kind: str) -> list[list[str]]:
    if kind == "csv":
        text = content.decode("utf-8-sig")
        delimiter = ";" if ";" in text.splitlines()[0] else ","
        return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    return [[cell or "" for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.fixture
def difficult(owner, client) -> list[Client]:
    """Clients in whom everything is that a spreadsheet makes trouble with."""
    client.force_login(owner)
    rows = [
        {"full_name": "=cmd|' /C calc'!A0", "comment": "+7 900", "attributes": {"city": "@x"}},
        {"full_name": "-1+1", "attributes": {"card": "'=1", "city": "''+2"}},
        {"full_name": 'ООО "Ромашка"; Ко, Лтд', "comment": "первая\nвторая\r\nтретья"},
        {"full_name": "'в кавычках'", "consent_source": "@анкета", "consent_at": "2024-03-12"},
        {"email": "+plus@example.org", "full_name": "Ёж & <тег> _x0041_"},
        {"email": "Anna@Почта.РФ", "full_name": "", "attributes": {"comment": "имя", "City": "Т"}},
        {"attributes": {"phone": "79001234567", "Список": "x", "date": "2024-01-01"}},
    ]
    return [factories.make_client(owner, **fields) for fields in rows]


def whole(owner) -> list[dict]:
    return list(Client.objects.filter(owner=owner).order_by("pk").values())


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_file_comes_back_unchanged(client, owner, difficult, kind, language):
    speak(owner, language)
    before = whole(owner)
    row = imported(owner, export(client, kind))
    assert row.counts == {"unchanged": len(difficult)}
    assert whole(owner) == before


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_file_makes_the_same_clients_elsewhere(
    client, owner, stranger, difficult, kind
):
    content = export(client, kind)
    assert imported(stranger, content).counts == {"new": len(difficult)}
    fields = ("email", "full_name", "comment", "attributes", "consent_at")
    theirs = Client.objects.filter(owner=stranger).order_by("pk").values_list(*fields)
    assert list(theirs) == list(
        Client.objects.filter(owner=owner).order_by("pk").values_list(*fields)
    )


@pytest.mark.parametrize("kind", KINDS)
def test_no_cell_begins_a_formula(client, difficult, kind):
    cells = [cell for row in table_in(export(client, kind), kind) for cell in row]
    assert [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert "'=cmd|' /C calc'!A0" in cells


def test_the_table_says_what_is_known(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    anna = factories.make_client(
        owner, email="anna@example.org", full_name="Anna", comment="note",
        attributes={"city": "Tver"}, consent_source="form", consent_at=date(2024, 3, 12),
    )  # fmt: skip
    factories.make_list(owner, [anna], name="B list")
    factories.make_list(owner, [anna], name="A list")
    stop_list.suppress(anna.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    head, row = table_in(export(client, "csv"), "csv")
    assert head == [
        "E-mail", "Full name", "Comment", "Consent", "Consent date", "city", "Lists", "State",
        "In this state since", "How it is known", "Added",
    ]  # fmt: skip
    assert row == [
        "anna@example.org", "Anna", "note", "form", "2024-03-12", "Tver", "A list, B list",
        "Unsubscribed", anna.created_at.date().isoformat(), "",
        anna.created_at.date().isoformat(),
    ]  # fmt: skip


def test_what_is_found_or_ticked_is_exported_and_nothing_else(client, owner, stranger):
    client.force_login(owner)
    anna = factories.make_client(owner, full_name="Анна")
    oleg = factories.make_client(owner, full_name="Олег")
    factories.make_client(stranger, full_name="Анна Чужая")
    found = table_in(export(client, "csv", "?q=анна"), "csv")
    assert [row[0] for row in found[1:]] == [anna.email]
    ticked = table_in(export(client, "csv", clients=[oleg.pk]), "csv")
    assert [row[0] for row in ticked[1:]] == [oleg.email]


def test_an_export_is_in_the_log_without_addresses(client, owner, difficult):
    export(client, "csv")
    entry = ModelLogEntry.objects.filter(action="mailings.export").get()
    assert entry.user == owner
    assert str(len(difficult)) in entry.data["reason"]
    assert "@" not in f"{entry.label}{entry.data}"


@pytest.mark.parametrize("kind", KINDS)
def test_queries_grow_with_the_chunks_only(owner, kind, monkeypatch):
    monkeypatch.setattr(exporting, "CHUNK", 20)
    factories.make_clients(owner, 60)
    with CaptureQueriesContext(connection) as captured:
        rows = exporting.clients(owner, Client.objects.filter(owner=owner))
        content = b"".join(downloads.parts(rows, kind))
    assert len(table_in(content, kind)) == 61
    assert len(captured) <= 3 * 3 + 3
