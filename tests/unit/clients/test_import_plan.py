"""What happens to each row: read, checked, laid over what is known."""

from datetime import date

import pytest

from mailings.clients.importing.plan import Fault, Kind, Known, Line, Reader, Seen, date_in, decide
from mailings.spreadsheets.tables import MAX_ROWS, Row

TODAY = date(2026, 11, 25)
MAPPING = ["email", "full_name", "attr:city", "consent_at", "consent_source", "comment"]


def line_of(*cells: str, mapping=MAPPING, number: int = 2) -> Line:
    return Reader(mapping, TODAY).line(Row(number, list(cells), "", len(cells)))


FAULTS = [
    (("",), Fault.NO_ADDRESS),
    (("79001234567",), Fault.NO_AT),  # a telephone in the column of addresses
    (("a@@b.org",), Fault.TWO_AT),
    (("a@b.org, c@d.org",), Fault.TWO_AT),
    (("an na@b.org",), Fault.SPACE),
    (("anna@",), Fault.ADDRESS),
    (("anna@-.ru",), Fault.DOMAIN),
    (("anna@localhost",), Fault.DOMAIN),
    (("anna@mail.\u0441om",), Fault.ALPHABET),  # the Cyrillic letter of that look
    (("\u0430nna@mail.com",), Fault.ALPHABET),
    (("=?utf-8?B?YW5uYQ==?=@b.org",), Fault.ADDRESS),
    (("-anna@b.org",), Fault.ADDRESS),
    (("a@b.org", "x" * 201), Fault.NAME),
    (("a@b.org", "", "x" * 1001), Fault.VALUE),
    (("a@b.org", "", "", "31.02.2024"), Fault.DATE),
    (("a@b.org", "", "", "вчера"), Fault.DATE),
    (("a@b.org", "", "", "26.11.2026"), Fault.FUTURE),
    (("a@b.org", "", "", "", "x" * 201), Fault.SOURCE),
    (("a@b.org", "", "", "", "", "", "seventh"), Fault.CELLS),
]


@pytest.mark.parametrize(("cells", "fault"), FAULTS)
def test_a_faulty_row_is_left_out_and_says_why(cells, fault):
    line = line_of(*cells)
    assert (line.kind, line.detail, line.record) == (Kind.INVALID, fault, None)
    assert str(Fault(line.detail).label)


def test_a_sound_row_becomes_a_record():
    line = line_of(" Anna@Почта.РФ ", "Анна  Ким", "Тверь", "12.03.2024", "анкета", "a\nb")
    assert line.record is not None
    assert line.record.normalised == "anna@xn--80a1acny.xn--p1ai"
    assert line.record.address == "Anna@Почта.РФ"
    assert line.record.full_name == "Анна Ким"
    assert line.record.attributes == {"city": "Тверь"}
    assert line.record.consent_at == date(2024, 3, 12)
    assert line.record.comment == "a\nb"


def test_a_name_is_put_together_of_its_parts():
    mapping = ["last_name", "first_name", "middle_name", "email"]
    line = line_of("Бахтин", "Олег", "Сергеевич", "o@b.org", mapping=mapping)
    assert line.record is not None
    assert line.record.full_name == "Олег Сергеевич Бахтин"


def test_a_given_name_that_is_said_is_not_guessed():
    mapping = ["last_name", "first_name", "email"]
    line = line_of("Смит", "Билли-Джо", "b@smith.example", mapping=mapping)
    assert line.record is not None
    assert line.record.full_name == "Билли-Джо Смит"
    assert line.record.attributes == {"first_name": "Билли-Джо"}
    known = line_of("Орлова", "Ольга", "o@b.org", mapping=mapping)
    assert known.record is not None
    assert known.record.attributes == {}  # it would be found anyway


def test_what_was_neutralised_comes_back():
    line = line_of("a@b.org", "'=1+1", "'''+7", "", "", "'apostrophe stays")
    assert line.record is not None
    assert (line.record.full_name, line.record.comment) == ("=1+1", "'apostrophe stays")
    assert line.record.attributes == {"city": "''+7"}


def test_those_seen_are_found_when_places_get_scarce():
    class Few(Seen):
        SLOTS = 16

    seen = Few()
    for number in range(2, 17):
        assert seen.find(f"{number}@b.org") == 0
        seen.add(f"{number}@b.org", number)
    assert [seen.find(f"{number}@b.org") for number in range(2, 17)] == list(range(2, 17))
    assert seen.find("new@b.org") == 0
    assert Seen.SLOTS > 2 * MAX_ROWS


def test_an_address_counts_once_unless_its_first_row_was_faulty():
    reader = Reader(MAPPING, TODAY)
    rows = [
        Row(2, ["a@b.org", "x" * 201]),
        Row(3, ["a@B.org"]),
        Row(4, ["a@b.org"]),
        Row(5, ["A@b.org"]),
    ]
    lines = [reader.line(row) for row in rows]
    assert [line.kind for line in lines] == ["invalid", "new", "repeated", "repeated"]
    assert [line.detail for line in lines[2:]] == ["3", "3"]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-03-12", date(2024, 3, 12)),
        ("12.03.2024", date(2024, 3, 12)),
        ("1/2/2024", date(2024, 2, 1)),
        ("2024-03-12 09:30", date(2024, 3, 12)),
        ("12.03.2024 09:30", date(2024, 3, 12)),
        ("12.03.24", None),
        ("45363", None),
    ],
)
def test_dates_are_read(text, day):
    assert date_in(text) == day


OLD = Known("Анна", "старое", {"city": "Тверь"}, "форма", date(2020, 1, 1))


def decided(*cells: str, known=None, suppressed=(), updates: bool = True) -> Line:
    line = line_of("a@b.org", *cells)
    known = {"a@b.org": known} if known else {}
    return next(decide([line], known, set(suppressed), updates=updates, consent="договор"))


def test_a_new_client_gets_the_consent_of_the_import_unless_the_row_has_its_own():
    assert decided("Анна").record.consent_source == "договор"
    assert decided("Анна", "", "", "анкета").record.consent_source == "анкета"


def test_a_known_client_is_changed_where_the_row_says_something():
    line = decided("Анна Ким", "", "", "", "", known=OLD)
    assert line.kind == Kind.UPDATED
    assert line.record.values() == ("Анна Ким", "старое", {"city": "Тверь"}, *OLD[3:])


def test_details_are_laid_over_those_there_are():
    line = decided("", "Псков", known=Known("", "", {"card": "7", "city": "Тверь"}, "", None))
    assert line.record.attributes == {"card": "7", "city": "Псков"}


@pytest.mark.parametrize("cells", [("Анна", "Тверь"), ("",), ("", "", "01.01.2020", "форма")])
def test_a_row_that_says_nothing_new_changes_nothing(cells):
    assert decided(*cells, known=OLD).kind == Kind.UNCHANGED


def test_nobody_is_changed_when_the_owner_does_not_want_it():
    assert decided("Другая", known=OLD, updates=False).kind == Kind.UNCHANGED


def test_a_suppressed_address_is_not_touched():
    assert decided("Анна", suppressed={"a@b.org"}).kind == Kind.SUPPRESSED
    assert decided("Другая", known=OLD, suppressed={"a@b.org"}).kind == Kind.SUPPRESSED


def test_more_details_than_a_client_may_have_are_refused():
    full = Known("", "", {f"k{n}": "x" for n in range(50)}, "", None)
    assert decided("", "Псков", known=full).detail == Fault.DETAILS
