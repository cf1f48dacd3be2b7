"""Addresses as people write them: with names, in brackets, several at once; nothing is dropped."""

import io
import time
from datetime import date

import pytest

from mailings.addressing import written
from mailings.clients.importing import columns
from mailings.clients.importing.address_cells import spread
from mailings.clients.importing.plan import Fault, Kind, Reader
from mailings.spreadsheets import tables
from mailings.spreadsheets.layout import Row, Unreadable

WRITTEN = {
    "Anna Orlova <anna@x.example>": [("Anna Orlova", "anna@x.example")],
    '"Орлова, Анна" <anna@x.example>': [("Орлова, Анна", "anna@x.example")],
    "Орлова, Анна <anna@x.example>": [("Орлова, Анна", "anna@x.example")],
    "Анна<anna@x.example>, Олег <o@x.example>": [
        ("Анна", "anna@x.example"),
        ("Олег", "o@x.example"),
    ],
    "<anna@x.example>": [("", "anna@x.example")],
    "<mailto:anna@x.example>": [("", "anna@x.example")],
    "mailto:anna@x.example": [("", "anna@x.example")],
    "MAILTO:anna@x.example?subject=Привет": [("", "anna@x.example")],
    "E-mail: anna@x.example": [("", "anna@x.example")],
    "anna@x.example.": [("", "anna@x.example")],
    "anna@x.example,": [("", "anna@x.example")],
    "anna@x.example;": [("", "anna@x.example")],
    "«anna@x.example»": [("", "anna@x.example")],
    "'anna@x.example'": [("", "anna@x.example")],
    "anna@x.example (Анна Ким)": [("Анна Ким", "anna@x.example")],
    "a@x.example, b@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "a@x.example;b@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "a@x.example b@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "a@x.example\nb@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "a@x.example / b@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "a@x.example/b@x.example": [("", "a@x.example"), ("", "b@x.example")],
    "<a@x.example> <b@x.example>": [("", "a@x.example"), ("", "b@x.example")],
    # What is none stays, to be refused with its reason.
    "a@x.example; 79001234567": [("", "a@x.example"), ("", "79001234567")],
    "an na@x.example": [("", "an na@x.example")],
    "a@@x.example": [("", "a@@x.example")],
    "нет почты": [("", "нет почты")],
    '"john doe"@x.example': [("", '"john doe"@x.example')],
}


@pytest.mark.parametrize(("text", "found"), WRITTEN.items())
def test_mailboxes_are_found_as_people_write_them(text, found):
    assert written.mailboxes(text) == found


def lines(content: bytes, *mapping: str) -> list[tuple[int, str, str, str]]:
    layout = tables.recognise(content)
    found = tables.head(io.BytesIO(content), layout, 20)
    head = columns.head_of(found)
    layout = tables.Layout(**layout.as_json() | {"has_header": head > 0, "head": max(head, 1)})
    reader = Reader(mapping or ("email",), date(2026, 11, 25))
    rows = spread(tables.read(io.BytesIO(content), layout), mapping or ("email",), 1_000)
    return [
        (line.number, str(line.kind), line.address, line.record.full_name if line.record else "")
        for line in map(reader.line, rows)
    ]


def test_each_address_of_a_cell_becomes_a_client_with_the_name_of_its_row():
    content = 'E-mail;ФИО\n"a@x.example, Олег <b@x.example>";Анна\nЯн <c@x.example>;\n'.encode()
    assert lines(content, "email", "full_name") == [
        (2, "new", "a@x.example", "Анна"),
        (2, "new", "b@x.example", "Анна"),
        (3, "new", "c@x.example", "Ян"),
    ]


def test_what_is_no_address_beside_one_is_refused_and_not_dropped():
    content = "E-mail;Name\na@x.example, телефон;Ann\n".encode()
    found = lines(content, "email", "")
    assert [(kind, address) for _n, kind, address, _name in found] == [
        ("new", "a@x.example"), ("invalid", "телефон"),
    ]  # fmt: skip


LISTS = {
    "one a line": "a@x.example\nb@x.example\nc@x.example\n",
    "commas": "a@x.example, b@x.example, c@x.example\n",
    "ragged": "a@x.example, b@x.example\nc@x.example\n",
    "semicolons": "a@x.example; b@x.example\nc@x.example;\n",
    "spaces": "a@x.example b@x.example c@x.example",
    "with a title": "Наши клиенты\na@x.example, b@x.example\nc@x.example\n",
    "with a head": "email\na@x.example,b@x.example\nc@x.example\n",
    "with names": "Анна <a@x.example>, Олег <b@x.example>\nЯн <c@x.example>\n",
    "quoted": '"a@x.example, b@x.example"\n"c@x.example"\n',
    "bare returns": "a@x.example\rb@x.example\rc@x.example\r",
}


@pytest.mark.parametrize("text", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1251", "utf-16"])
def test_a_plain_list_of_addresses_is_read_whole(text, encoding):
    found = [address for _n, kind, address, _name in lines(text.encode(encoding)) if kind == "new"]
    assert found == ["a@x.example", "b@x.example", "c@x.example"]


def test_columns_of_addresses_under_heads_stay_columns():
    content = b"Email;Second\na@x.example;b@x.example\nc@x.example;d@x.example\n"
    assert tables.recognise(content).delimiter == ";"


def test_more_addresses_than_may_be_are_refused_in_words():
    row = Row(2, [", ".join(f"c{n}@x.example" for n in range(600))], "", 1)
    with pytest.raises(Unreadable, match="1\N{NO-BREAK SPACE}000"):
        list(spread([row, row], ["email"], 1_000))


def test_a_faulty_row_is_not_divided():
    row = Row(2, ["a@x.example, b@x.example"], Fault.QUOTE, 1)
    assert list(spread([row], ["email"], 10)) == [row]


def test_names_too_long_beside_an_address_are_cut():
    row = next(spread([Row(2, ["я" * 300 + " <a@x.example>"], "", 1)], ["email"], 10))
    line = Reader(["email"], date(2026, 11, 25)).line(row)
    assert line.kind == Kind.NEW
    assert line.record is not None
    assert len(line.record.full_name) == 200


HARD = [
    "<" * 60_000 + "@",
    "<@" * 900,
    '"' * 60_000 + "@",
    "(" * 60_000 + "@",
    "a@" * 30_000,
    "почта " * 9_000 + "@",
    " " * 60_000 + "@",
    ", " * 30_000 + "@",
    "a@b.org," * 900,
]


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_a_hostile_cell_takes_no_time(text):
    began = time.process_time()
    written.mailboxes(text)
    assert time.process_time() - began < 1
