"""The import's pages: a file, its columns, the check, the import, the report."""

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from mailings.models import Client, ClientList, Import
from mailings.models.suppression import SuppressionReason
from mailings.spreadsheets import tables
from mailings.suppression import stop_list
from tests import factories
from tests import nasty_files as files
from tests.integration.cabinet import in_language, speak
from tests.integration.clients.test_importing import checked, imported, work
from tests.integration.web.test_cabinet_pages import HOSTILE, MOST_QUERIES
from tests.nasty_files import ANNA, HEAD, OLEG

NEW = reverse("mailings:import_create")
LIST = reverse("mailings:import_list")


@pytest.fixture(autouse=True)
def _signed_in(client, owner):
    client.force_login(owner)


def at(name: str, row: Import) -> str:
    return reverse(f"mailings:import_{name}", args=[row.pk])


def upload(client, content: bytes, name: str = "clients.csv"):
    return client.post(NEW, {"file": SimpleUploadedFile(name, content)})


def answers(row: Import, *targets: str, **fields) -> dict[str, str]:
    chosen = {f"c{n}": target for n, target in enumerate(targets or row.mapping)}
    return {"action": "check", "consent": "анкета", "updates": "on"} | chosen | fields


def test_the_whole_way_from_file_to_report(client, owner):
    stop_list.suppress(OLEG[0], reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    response = upload(client, files.csv(HEAD, ANNA, OLEG, ("=1+1", "", ""), encoding="cp1251"))
    row = Import.objects.get()
    assert response.url == at("columns", row)
    page = client.get(response.url).content.decode()
    assert "Windows-1251" in page
    assert ANNA[1] in page

    data = answers(row, "email", "full_name", "new", n2="город", target="new", new_list="Осень")
    assert client.post(at("columns", row), data).url == row.get_absolute_url()
    assert "hx-get" in client.get(row.get_absolute_url()).content.decode()
    work()
    page = client.get(row.get_absolute_url())
    assert [(f.kind, f.number) for f in page.context["figures"]] == [
        ("new", 1), ("suppressed", 1), ("invalid", 1),
    ]  # fmt: skip
    assert Client.objects.count() == ClientList.objects.count() == 0

    client.post(at("start", row))
    work()
    anna = Client.objects.get()
    assert (anna.full_name, anna.attributes) == (ANNA[1], {"город": ANNA[2]})
    assert list(ClientList.objects.get(name="Осень").clients.all()) == [anna]
    report = b"".join(client.get(at("report", row)).streaming_content).decode("utf-8-sig")
    lines = list(csv.reader(io.StringIO(report), delimiter=";"))
    assert [line[1] for line in lines[1:]] == [ANNA[0], OLEG[0], "'=1+1"]
    assert lines[3][3]


def test_a_live_page_asks_until_it_is_over(client, owner):
    row = checked(owner, files.csv(HEAD, ANNA))
    client.post(at("start", row))
    live = {"headers": {"HX-Request": "true", "HX-Target": "live"}}
    page = client.get(row.get_absolute_url(), **live)
    assert 'role="status"' in page.content.decode()
    assert "<html" not in page.content.decode()
    work()
    page = client.get(row.get_absolute_url(), **live)
    assert (page.status_code, page["HX-Refresh"]) == (204, "true")


@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_cannot_be_read_is_said_in_the_form(client, owner, language):
    speak(owner, language)
    page = upload(client, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 99)
    said = in_language(
        language,
        "This is an old Excel file (.xls) or one with a password."
        " Save it as .xlsx without a password, or as CSV.",
    )
    assert page.context["form"].errors["file"] == [said]
    assert not Import.objects.exists()


NASTY = {
    "empty": b"",
    "nothing but a head": files.csv(HEAD),
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "a bomb": files.bomb(220),
    "half an XLSX": files.xlsx([HEAD, ANNA])[:2_000],
    "no zip": b"PK\x03\x04",
}


@pytest.mark.parametrize("content", NASTY.values(), ids=NASTY)
def test_a_nasty_file_is_refused_in_words(client, content):
    page = upload(client, content)
    assert page.status_code == 200
    assert page.context["form"].errors["file"]
    assert not Import.objects.exists()


def test_a_large_file_is_refused_before_it_is_read(client, monkeypatch):
    monkeypatch.setattr(tables, "MAX_BYTES", 1_000)
    read = []
    monkeypatch.setattr(
        "mailings.clients.importing.services.upload", lambda **kwargs: read.append(kwargs)
    )
    page = upload(client, files.many(1_000))
    assert page.context["form"].errors["file"]
    assert read == []


def test_ten_thousand_columns_make_a_page_that_can_be_used(client):
    wide = [f"c{n}" for n in range(9_999)]
    response = upload(client, files.csv(["E-mail", *wide], ["anna@example.org", *wide]))
    page = client.get(response.url)
    assert page.status_code == 200
    assert len(page.context["form"].columns()) == tables.MAX_COLUMNS


def test_a_wrong_guess_is_mended_by_hand(client):
    upload(client, files.csv(("Имя", "Почта"), ("Анна", "anna@example.org"), encoding="cp1251"))
    row = Import.objects.get()
    data = {"action": "layout", "encoding": "koi8-r", "delimiter": ";"}
    client.post(at("columns", row), data)
    row.refresh_from_db()
    assert row.layout["encoding"] == "koi8-r"
    assert row.heads == ["", ""]
    assert len(row.sample) == 2


FAULTY = {
    "no address": {"c0": ""},
    "twice": {"c1": "email"},
    "no consent": {"consent": ""},
    "no name of the list": {"target": "new", "new_list": " "},
    "no name of the variable": {"c2": "new", "n2": "1st"},
    "no such choice": {"c2": "attr:{{ x }}"},
    "a foreign list": {"target": "foreign"},
}


@pytest.mark.parametrize("fields", FAULTY.values(), ids=FAULTY)
def test_faulty_answers_are_said_and_kept(client, owner, stranger, fields):
    foreign = factories.make_list(stranger)
    fields = {k: str(foreign.pk) if v == "foreign" else v for k, v in fields.items()}
    row = factories.make_import(owner, files.csv(HEAD, ANNA))
    page = client.post(at("columns", row), answers(row, n2="свой_город") | fields)
    assert page.status_code == 200
    assert page.context["form"].errors
    row.refresh_from_db()
    assert row.status == "new"


def test_a_check_can_be_stopped_and_done_again(client, owner):
    row = factories.make_import(owner, files.csv(HEAD, ANNA))
    client.post(at("columns", row), answers(row))
    client.post(at("cancel", row))
    row.refresh_from_db()
    assert row.status == "new"
    work()
    client.post(at("columns", row), answers(row))
    work()
    row.refresh_from_db()
    assert row.counts == {"new": 1}


STEPS = ["new", "checking", "checked", "importing", "done", "cancelled", "failed"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("name", ["detail", "columns", "start", "cancel", "delete", "report"])
def test_every_page_answers_at_every_step(client, owner, step, name):
    row = imported(owner, files.csv(HEAD, ANNA, ("x", HOSTILE, ""), (HOSTILE, "", "")))
    Import.objects.update(status=step, started_at=None if step in STEPS[:3] else row.started_at)
    for method in (client.get, client.post):
        response = method(at(name, row), follow=True)
        assert response.status_code in (200, 404, 405)
        if not response.streaming:
            assert "<script>alert(1)" not in response.content.decode()


def test_the_list_of_imports_is_paged_by_few_queries(client, owner):
    for n in range(30):
        row = factories.make_import(owner, files.csv(HEAD, ANNA), name=f"{n}.csv")
        Import.objects.filter(pk=row.pk).update(status="done", consent="x")
    with CaptureQueriesContext(connection) as captured:
        page = client.get(LIST)
    assert len(page.context["page"]) == 25
    assert page.context["page"].following
    assert len(captured) <= MOST_QUERIES


def test_pages_of_an_import_take_few_queries(client, owner):
    row = imported(owner, files.csv(HEAD, ANNA, OLEG), new_list="Все")
    waiting = factories.make_import(owner, files.csv(HEAD, ANNA, OLEG))
    for url in (row.get_absolute_url(), at("columns", waiting)):
        with CaptureQueriesContext(connection) as captured:
            assert client.get(url).status_code == 200
        assert len(captured) <= MOST_QUERIES


# ---------------------------------------------------------------- files as people have them


def columns_of(client, content: bytes, name: str = "clients.csv"):
    upload(client, content, name)
    row = Import.objects.latest("pk")
    return row, client.get(at("columns", row)).content.decode()


def brought(client, row: Import, *targets: str, **fields) -> list[tuple[str, str]]:
    """Check and import as the owner does; return (address, name) of the clients."""
    client.post(at("columns", row), answers(row, *targets, **fields))
    work()
    client.post(at("start", row))
    work()
    return sorted(Client.objects.values_list("email", "full_name"))


def spoilt(text: str) -> str:
    """Return what a program shows that takes UTF-8 for Windows-1251."""
    return "".join(bytes([byte]).decode("cp1251", "ignore") or chr(byte) for byte in text.encode())


FROM_1C = (
    "Выгрузка от 01.02.2026\n\nКонтрагенты;;\nНаименование;Контактное лицо;Эл. почта\n"
    "ООО Ромашка;Анна Ким;Анна <anna@example.org>\nИП Бахтин;Олег Бахтин;mailto:oleg@example.org.\n"
)
PEOPLE = [("anna@example.org", "Анна Ким"), ("oleg@example.org", "Олег Бахтин")]
CONTACTS = (
    "BEGIN:VCARD\nVERSION:3.0\nFN:Анна Ким\nEMAIL:anna@example.org\nEND:VCARD\n"
    "BEGIN:VCARD\nVERSION:2.1\nN:Бахтин;Олег\nEMAIL;WORK:oleg@example.org\nEND:VCARD\n"
)
LISTED = "Анна Ким <anna@example.org>, Олег Бахтин <oleg@example.org>\n"
BROUGHT = {
    "1C in Windows-1251": FROM_1C.encode("cp1251"),
    "1C in UTF-16": FROM_1C.encode("utf-16"),
    "a list of addresses": LISTED.encode("koi8-r"),
    "contacts": CONTACTS.encode(),
    "XLSX with titles": files.xlsx(
        [("Выгрузка",), (), ("ФИО", "E-mail адрес"), *((name, mail) for mail, name in PEOPLE)]
    ),
    "letters that were spoilt before": spoilt(
        "E-mail;ФИО\nanna@example.org;Анна Ким\noleg@example.org;Олег Бахтин\n"
    ).encode(),
}


@pytest.mark.parametrize("content", BROUGHT.values(), ids=BROUGHT)
def test_what_people_have_becomes_clients_without_a_question(client, content):
    row, _page = columns_of(client, content)
    assert brought(client, row) == PEOPLE


def test_the_names_stand_beside_the_addresses_before_anything_is_imported(client):
    row, _page = columns_of(client, files.csv(HEAD, ANNA, OLEG))
    client.post(at("columns", row), answers(row, "email", "", "full_name"))  # the wrong column
    work()
    page = client.get(row.get_absolute_url())
    ((_figure, examples),) = page.context["examples"]
    assert [example.name for example in examples] == [ANNA[2], OLEG[2]]
    assert f'<td class="v-anywhere">{ANNA[2]}</td>' in page.content.decode()


def test_another_row_is_chosen_as_the_head_and_none(client):
    content = "Куда\nПочта;Кличка\na@example.org;Анна\nb@example.org;Олег\n".encode()
    row, page = columns_of(client, content)
    assert row.heads == ["Почта", "Кличка"]
    assert "Куда" in page  # offered as a head
    layout = {"action": "layout", "encoding": "utf-8", "delimiter": ";", "head": "0"}
    client.post(at("columns", row), layout)
    row.refresh_from_db()
    assert (row.heads, row.row_count) == (["", ""], 4)
    client.post(at("columns", row), layout | {"head": "2"})
    row.refresh_from_db()
    assert (row.heads, row.row_count) == (["Почта", "Кличка"], 2)
    assert brought(client, row, "email", "full_name") == [
        ("a@example.org", "Анна"), ("b@example.org", "Олег"),
    ]  # fmt: skip


def test_another_encoding_shows_other_words_at_once(client):
    row, page = columns_of(client, files.csv(HEAD, ANNA, encoding="cp1251"))
    assert ANNA[1] in page
    data = {"action": "layout", "encoding": "koi8-r", "delimiter": ";", "head": "1"}
    page = client.post(at("columns", row), data, follow=True).content.decode()
    assert ANNA[1] not in page
    page = client.post(at("columns", row), data | {"encoding": "cp1251"}, follow=True)
    assert ANNA[1] in page.content.decode()


@pytest.mark.parametrize("encoding", tables.ENCODINGS)
@pytest.mark.parametrize("mend", ["", "cp1251>utf-8", "cp1252>cp1251", "nonsense"])
def test_no_choice_of_letters_breaks_the_page(client, encoding, mend):
    row, _page = columns_of(client, files.csv(HEAD, ANNA, encoding="cp1251"))
    data = {"action": "layout", "encoding": encoding, "delimiter": ";", "mend": mend, "head": "1"}
    assert client.post(at("columns", row), data, follow=True).status_code == 200


def test_what_was_checked_is_checked_again_after_it_was_read_in_another_way(client, owner):
    row = checked(owner, files.csv(HEAD, ANNA, encoding="cp1251"))
    assert 'name="encoding"' in client.get(row.get_absolute_url()).content.decode()
    data = {"action": "layout", "encoding": "koi8-r", "delimiter": ";", "head": "1"}
    client.post(at("columns", row), data)
    row.refresh_from_db()
    assert (row.status, row.counts) == ("new", {})
    client.post(at("start", row))
    work()
    assert not Client.objects.exists()


def test_a_file_that_is_being_imported_is_not_read_in_another_way(client, owner):
    row = checked(owner, files.csv(HEAD, ANNA))
    client.post(at("start", row))
    data = {"action": "layout", "encoding": "koi8-r", "delimiter": ";", "head": "1"}
    client.post(at("columns", row), data)
    row.refresh_from_db()
    assert (row.status, row.layout["encoding"]) == ("importing", "utf-8")


def test_doubtful_rows_are_shown_with_their_reason_before_the_check(client, owner):
    content = files.csv(HEAD, ANNA, OLEG) + "x@example.org;Чужая;Тверь\n".encode("cp1251")
    content += 'y@example.org;"Ян;Псков\nz@example.org;???? ???;Омск\n'.encode()
    row, page = columns_of(client, content)
    assert [(number, reason) for number, _shown, reason in row.look["doubts"]] == [
        (4, "letters"), (5, "quote"), (6, "questions"),
    ]  # fmt: skip
    assert "x@example.org" in page
    brought(client, row)
    assert row.parts.exists()
    found = {address for address, _name in Client.objects.values_list("email", "full_name")}
    assert found == {ANNA[0], OLEG[0], "z@example.org"}


def test_columns_that_are_not_read_are_told_and_the_others_imported(client):
    wide = [f"c{n}" for n in range(300)]
    row, page = columns_of(client, files.csv(["E-mail", *wide], ["anna@example.org", *wide]))
    assert "301" in page
    assert [address for address, _name in brought(client, row)] == ["anna@example.org"]


def test_a_long_first_look_is_cut_short_and_the_worker_counts_the_rest(client, monkeypatch):
    monkeypatch.setattr("mailings.clients.importing.looking.BUDGET", -1)
    row, _page = columns_of(client, files.many(3_000))
    assert 0 < row.row_count < 30_000
    client.post(at("columns", row), answers(row))
    work()
    row.refresh_from_db()
    assert (row.row_count, row.counts) == (3_000, {"new": 3_000})


EXHAUSTING = {
    "empty cells": b"<row>" + b"<c/>" * 1_500_000 + b"</row>",
    "a long place": b'<row><c r="%s1"><v>1</v></c></row>' % (b"A" * 80_000),
    "depth": b"<c>" * 1_000_000,
}


@pytest.mark.parametrize("inside", EXHAUSTING.values(), ids=EXHAUSTING)
def test_a_file_that_would_take_the_processor_is_refused_in_words(client, inside):
    sheet = files.SHEET.encode() + inside + b"</sheetData></worksheet>"
    page = upload(client, files.rezipped(files.xlsx([HEAD]), sheet1=sheet), "clients.xlsx")
    assert page.context["form"].errors["file"]
    assert not Import.objects.exists()


@pytest.mark.parametrize("name", ["clients.csv", "clients.xlsx", "clients.vcf"])
def test_the_name_of_a_file_deceives_nobody(client, name):
    assert upload(client, b"%PDF-1.7 clients", name).context["form"].errors["file"]
    row, _page = columns_of(client, files.csv(HEAD, ANNA), name)
    assert row.layout["kind"] == "csv"
