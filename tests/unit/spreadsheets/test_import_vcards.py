"""Contacts as telephones, Outlook and mail programs export them become rows."""

import io
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.clients.importing.columns import guess
from mailings.clients.importing.plan import Fault
from mailings.spreadsheets import tables
from mailings.spreadsheets.layout import Layout, Unreadable


def rows(content: bytes) -> list[tables.Row]:
    return list(tables.read(io.BytesIO(content), tables.recognise(content)))


def card(*lines: str, version: str = "3.0") -> str:
    return "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD", ""])


ANNA = {
    "3.0": card("FN:Анна Ким", "N:Ким;Анна;;;", "EMAIL;TYPE=INTERNET:anna@example.org"),
    "4.0": card("FN:Анна Ким", "EMAIL;PREF=1:mailto:anna@example.org", version="4.0"),
    "only parts of the name": card("N:Ким;Анна;;;", "EMAIL:anna@example.org"),
    "a group": card("item1.EMAIL;type=WORK:anna@example.org", "FN:Анна Ким", "item1.X-ABLabel:x"),
    "folded": card("FN:Анна\r\n  Ким", "EMAIL:anna@exam\r\n ple.org"),
    "small letters": card("fn:Анна Ким", "email:anna@example.org").replace("BEGIN", "begin"),
    "quoted-printable": card(
        "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=9A=D0=B8=D0=BC;=D0=90=D0=BD=\r\n"
        "=D0=BD=D0=B0;;;",
        "EMAIL;HOME:anna@example.org",
        version="2.1",
    ),
    "windows-1251 in quoted-printable": card(
        "FN;CHARSET=windows-1251;ENCODING=QUOTED-PRINTABLE:=C0=ED=ED=E0 =CA=E8=EC",
        "EMAIL;INTERNET:anna@example.org",
        version="2.1",
    ),
    "no charset said": card(
        "FN;QUOTED-PRINTABLE:=C0=ED=ED=E0 =CA=E8=EC", "EMAIL:anna@example.org", version="2.1"
    ),
    "a picture": card(
        "PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQ", " SkZJRg" * 30_000, "", "FN:Анна Ким",
        "EMAIL:anna@example.org", version="2.1",
    ),
    "never closed": card("FN:Анна Ким", "EMAIL:anna@example.org").replace("END:VCARD", ""),
}  # fmt: skip


@pytest.mark.parametrize("text", ANNA.values(), ids=ANNA)
def test_a_card_is_a_row_with_address_and_name(text):
    (row,) = rows(text.encode())
    assert (row.number, row.cells[:2], row.fault) == (1, ["anna@example.org", "Анна Ким"], "")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1251", "koi8-r", "utf-16", "utf-16-le"])
def test_a_whole_file_may_be_in_any_encoding(encoding):
    (row,) = rows(ANNA["3.0"].encode(encoding))
    assert row.cells[:2] == ["anna@example.org", "Анна Ким"]


def test_an_eight_bit_value_may_say_its_own_encoding():
    text = card("FN;CHARSET=windows-1251:Анна Ким", "EMAIL:anna@example.org", version="2.1")
    (row,) = rows(text.encode("cp1251"))
    assert row.cells[1] == "Анна Ким"


def test_each_address_of_a_card_is_a_row_and_a_card_without_one_is_not_dropped():
    text = card("FN:Анна", "EMAIL:a@example.org", "EMAIL:b@example.org") + card("FN:Без адреса")
    found = [(row.number, row.cells[0], row.cells[1]) for row in rows(text.encode())]
    assert found == [
        (1, "a@example.org", "Анна"),
        (1, "b@example.org", "Анна"),
        (7, "", "Без адреса"),
    ]


def test_notes_and_firms_are_unescaped():
    text = card("FN:Анна\\, Ким", "EMAIL:a@example.org", "NOTE:раз\\nдва\\; три", "ORG:Рога;Копыта")
    (row,) = rows(text.encode())
    assert row.cells[1:4] == ["Анна, Ким", "раз\nдва; три", "Рога, Копыта"]


def test_a_card_within_a_card_is_not_its_owner():
    text = card("FN:Анна", "AGENT:", "BEGIN:VCARD", "FN:Агент", "EMAIL:x@example.org", "END:VCARD",
                "EMAIL:a@example.org")  # fmt: skip
    assert [row.cells[:2] for row in rows(text.encode())] == [["a@example.org", "Анна"]]


@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_columns_are_known(language):
    from django.utils import translation

    content = ANNA["3.0"].encode()
    with translation.override(language):
        (head,) = tables.head(io.BytesIO(content), tables.recognise(content), 1)
    assert guess(head.cells, [], attributes=[], earlier={})[:3] == ["email", "full_name", "comment"]


def test_a_card_with_too_much_in_it_is_left_out_with_its_reason():
    text = card("FN:Анна", "EMAIL:a@example.org", "NOTE:" + "x" * 200_000)
    (row,) = rows(text.encode())
    assert (row.cells[0], row.fault) == ("a@example.org", Fault.CUT)


HARD = {
    "one line": b"BEGIN:VCARD\nNOTE:" + b"x" * 9_000_000,
    "folds": b"BEGIN:VCARD\nNOTE:x\n" + b" x\n" * 300_000,
    "soft ends": b"BEGIN:VCARD\nNOTE;QUOTED-PRINTABLE:=\n" + b"=\n" * 500_000,
    "parameters": b"BEGIN:VCARD\nNOTE" + b";X=Y" * 2_000_000 + b":x\n",
    "addresses": b"BEGIN:VCARD\n" + b"EMAIL:a@b.org\n" * 500_000,
    "beginnings": b"BEGIN:VCARD\n" * 700_000,
    "semicolons": b"BEGIN:VCARD\nN:" + b";" * 5_000_000,
    "spaces": b"BEGIN:VCARD\n" + b" " * 9_000_000,
}


@pytest.mark.parametrize("content", HARD.values(), ids=HARD)
def test_a_hostile_file_takes_little_time(content):
    began = time.process_time()
    with suppress(Unreadable):
        rows(content)
    assert time.process_time() - began < 20


@given(st.binary(max_size=500), st.sampled_from(["utf-8", "cp1251", "utf-16", "utf-32"]))
def test_no_bytes_raise_anything(content, encoding):
    file = io.BytesIO(b"BEGIN:VCARD\n" + content)
    list(tables.read(file, Layout(tables.VCARD, encoding, head=0)))
