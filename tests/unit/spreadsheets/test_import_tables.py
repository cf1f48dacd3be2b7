"""Bytes of any origin become rows; what cannot be read is a row with a fault, never a traceback."""

import io
import time
import zipfile
from contextlib import suppress

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from mailings.spreadsheets import tables
from mailings.spreadsheets.tables import CUT, QUOTE, Layout, Unreadable, count, read, recognise
from tests import nasty_files as files
from tests.nasty_files import ANNA, HEAD, OLEG


def rows_of(content: bytes) -> list[tables.Row]:
    return list(read(io.BytesIO(content), recognise(content)))


def cells(content: bytes) -> list[list[str]]:
    return [row.cells for row in rows_of(content)]


LATIN = (("E-mail", "Name"), ("rene@example.org", "René Müller"), ("zoe@example.org", "Zoë Gößl"))
ENCODED = {
    "utf-8": ("utf-8", (HEAD, ANNA, OLEG), "utf-8"),
    "utf-8 with a mark": ("utf-8-sig", (HEAD, ANNA, OLEG), "utf-8"),
    "utf-16 with a mark": ("utf-16", (HEAD, ANNA, OLEG), "utf-16"),
    "utf-16 without": ("utf-16-le", (HEAD, ANNA, OLEG), "utf-16-le"),
    "utf-16 the other way": ("utf-16-be", (HEAD, ANNA, OLEG), "utf-16-be"),
    "cp1251": ("cp1251", (HEAD, ANNA, OLEG), "cp1251"),
    "DOS": ("cp866", (HEAD, ANNA, OLEG), "cp866"),
    "koi8-r": ("koi8-r", (HEAD, ANNA, OLEG), "koi8-r"),
    "western": ("cp1252", LATIN, "cp1252"),
    "plain ASCII": ("ascii", (("E-mail", "Name"), ("a@example.org", "Ann")), "utf-8"),
}


@pytest.mark.parametrize(("encoding", "rows", "found"), ENCODED.values(), ids=ENCODED)
def test_the_encoding_is_found(encoding, rows, found):
    content = files.csv(*rows, encoding=encoding)
    assert recognise(content).encoding == found
    assert cells(content) == [list(row) for row in rows[1:]]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter):
    content = files.csv(HEAD, ANNA, OLEG, delimiter=delimiter)
    assert recognise(content).delimiter == delimiter
    assert cells(content) == [list(ANNA), list(OLEG)]


def test_a_delimiter_inside_the_cells_misleads_nobody():
    content = 'E-mail;ФИО;Комментарий\na@example.org;Ким, Анна;"да, нет, ой"\n'.encode()
    assert cells(content) == [["a@example.org", "Ким, Анна", "да, нет, ой"]]


def test_one_column_needs_no_delimiter():
    assert cells(b"email\na@example.org\nb@example.org\n") == [["a@example.org"], ["b@example.org"]]


def test_excels_hint_about_the_delimiter_is_followed_and_no_row():
    content = "sep=;\nE-mail;ФИО\nanna@example.org;Анна\n".encode()
    (row,) = rows_of(content)
    assert (row.number, row.cells) == (3, ["anna@example.org", "Анна"])


def test_a_few_bad_bytes_in_utf8_do_not_change_the_encoding():
    content = files.csv(HEAD, *([ANNA] * 50)) + b"x@example.org;\xff;\n"
    assert recognise(content).encoding == "utf-8"


ENDS = ["\n", "\r\n", "\r"]


@pytest.mark.parametrize("end", ENDS)
def test_lines_end_as_they_please_and_empty_ones_are_no_rows(end):
    content = files.text(HEAD, ("",), ANNA, ("", "", ""), OLEG, end=end).encode()
    assert [(row.number, row.cells) for row in rows_of(content)] == [(3, [*ANNA]), (5, [*OLEG])]


def test_quotes_hold_delimiters_breaks_and_quotes():
    content = 'E-mail,ФИО,Город\na@b.org,"ООО ""Ром,ашка""","Тверь,\nцентр"\n'.encode()
    assert cells(content) == [["a@b.org", 'ООО "Ром,ашка"', "Тверь,\nцентр"]]


def test_sloppy_quotes_lose_nothing():
    content = 'E-mail;ФИО\na@b.org;"ООО "Ромашка""\nc@d.org;12" трубы\n'.encode()
    assert [row[0] for row in cells(content)] == ["a@b.org", "c@d.org"]


UNCLOSED = {
    "at the end": ('a@b.org;Анна;x\nc@d.org;"Олег;y\n', ["c@d.org"]),
    "before other rows": ('a@b.org;"Анна;x\nc@d.org;Олег;y\ne@f.org;Ян;z\n', ["a@b.org"]),
    "closed by another": ('a@b.org;"Анна;x\nc@d.org;"Олег";y\ne@f.org;Ян;z\n', ["a@b.org"]),
    "before many": ('a@b.org;"Анна;x\n' + "c@d.org;Олег;y\n" * 9_000, ["a@b.org"]),
}


@pytest.mark.parametrize(("text", "faulty"), UNCLOSED.values(), ids=UNCLOSED)
def test_a_quote_that_is_never_closed_swallows_no_other_row(text, faulty):
    rows = rows_of(("E-mail;ФИО;Город\n" + text).encode())
    assert [row.cells[0] for row in rows if row.fault == QUOTE] == faulty
    assert len(rows) == text.count("\n")


def test_a_cell_of_a_megabyte_spoils_its_own_row_only():
    content = files.csv(HEAD, ("big@example.org", "x" * 1_000_000, ""), ANNA)
    big, anna = rows_of(content)
    assert (big.fault, big.cells[0]) == (CUT, "big@example.org")
    assert max(map(len, big.cells)) <= 200
    assert anna.cells == [*ANNA]


def test_ten_thousand_columns_become_no_more_than_are_read():
    wide = ["anna@example.org", *(["x"] * 9_999)]
    (row,) = rows_of(files.csv([f"c{n}" for n in range(10_000)], wide))
    assert len(row.cells) == tables.MAX_COLUMNS
    assert row.width == 10_000


def test_nul_and_marks_nobody_sees_are_taken_out():
    content = "E-mail;ФИО\n\x00anna@example.org\u200b;А\x00нн\x07а\u00ad\n".encode()
    assert cells(content)[0][0] == "anna@example.org"
    assert "\x00" not in cells(content)[0][1]


REFUSED = {
    "empty": b"",
    "white space": b"\xef\xbb\xbf \r\n\t\r\n",
    "a picture": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
    "old Excel": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500,
    "some zip": b"PK\x03\x04" + b"\x00" * 100,
    "half an XLSX": files.xlsx([HEAD, ANNA])[:3_000],
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_what_is_no_table_is_refused_in_words(content):
    with pytest.raises(Unreadable) as refusal:
        rows_of(content)
    assert str(refusal.value)


def test_only_a_head_is_no_rows():
    assert rows_of(files.csv(HEAD)) == []


@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_more_rows_than_may_be_are_refused(monkeypatch, kind):
    monkeypatch.setattr(tables, "MAX_ROWS", 10)
    rows = [HEAD, *([ANNA] * 11)]
    content = files.xlsx(rows) if kind == "xlsx" else files.csv(*rows)
    layout = recognise(content)
    with pytest.raises(Unreadable, match="10"):
        count(io.BytesIO(content), layout)
    with pytest.raises(Unreadable):
        list(read(io.BytesIO(content), layout))


def test_a_hundred_thousand_rows_are_read():
    content = files.many(100_000)
    assert count(io.BytesIO(content), recognise(content)) == 100_000


def test_xlsx_is_read_like_csv():
    rows = [HEAD, ANNA, (), OLEG]
    assert [(r.number, r.cells) for r in rows_of(files.xlsx(rows))] == [(2, [*ANNA]), (4, [*OLEG])]


@given(st.binary(max_size=2_000))
def test_no_bytes_raise_anything_but_unreadable(content):
    with suppress(Unreadable):
        layout = recognise(content)
        file = io.BytesIO(content)
        assert count(file, layout) == len(list(read(file, layout)))


@given(st.text(alphabet='a@.;",\n\r\t \x00', max_size=200), st.sampled_from([",", ";"]))
def test_rows_are_numbered_upwards_whatever_the_quotes(text, delimiter):
    layout = Layout("csv", "utf-8", delimiter, has_header=False)
    numbers = [row.number for row in read(io.BytesIO(text.encode()), layout)]
    assert numbers == sorted(set(numbers))


# ---------------------------------------------------------------- quotes

SEVERAL_LINES = {
    "an address": "Подпись:\nС уважением, Анна, a@work.example.com",
    "a whole row": "см.\nx@work.example.com;Чужая;да\nконец",
    "doubled quotes": 'ООО ""Ромашка"":\nx@work.example.com;""Чужая"";да',
    "many lines": "\n".join(f"x{n}@work.example.com;Чужая;да" for n in range(500)),
    "empty lines": "\n\n\n",
    "other line ends": "раз\r\nдва\rтри",
}


@pytest.mark.parametrize("text", SEVERAL_LINES.values(), ids=SEVERAL_LINES)
def test_a_quoted_cell_may_hold_anything_on_several_lines(text):
    content = f'E-mail;ФИО;Комментарий\nk1@b.org;Анна;"{text}"\nk2@b.org;"Олег";обычный\n'
    rows = rows_of(content.encode())
    assert [(row.number, row.cells[0]) for row in rows] == [(2, "k1@b.org"), (3, "k2@b.org")]
    assert not any(row.fault for row in rows)
    assert rows[0].cells[2] == text.replace('""', '"').strip()


UNCLOSED_BESIDE_SOUND = [
    ('a@b.org;"Анна;x\nc@d.org;"Олег";"да\nнет"\n', [(2, QUOTE), (3, "")]),
    ('a@b.org;Анна;"x\nc@d.org;Олег;"y"\n', [(2, QUOTE), (3, "")]),
    ('"a@b.org";"Анна";"x\n"c@d.org";"Олег";"y"\n', [(2, QUOTE), (3, "")]),
    ('a@b.org;Анна;"раз\nдва"\nc@d.org;"Олег;y\ne@f.org;Ян;z\n', [(2, ""), (3, QUOTE), (4, "")]),
]


@pytest.mark.parametrize(("text", "found"), UNCLOSED_BESIDE_SOUND)
def test_an_unclosed_quote_is_told_from_cells_of_several_lines(text, found):
    rows = rows_of(("E-mail;ФИО;Город\n" + text).encode())
    assert [(row.number, row.fault) for row in rows] == found


QUOTED = {
    "apostrophes": "E-mail;ФИО\n'a@b.org';'Ким; Анна'\n'c@d.org';'Бахтин; Олег'\n",
    "curly": "E-mail;ФИО\n“a@b.org”;“Ким; Анна”\n“c@d.org”;“Бахтин; Олег”\n",
    "low ones": "E-mail;ФИО\n„a@b.org“;„Ким; Анна“\n„c@d.org“;„Бахтин; Олег“\n",
    "straight": 'E-mail;ФИО\n"a@b.org";"Ким; Анна"\n"c@d.org";"Бахтин; Олег"\n',
}


@pytest.mark.parametrize("text", QUOTED.values(), ids=QUOTED)
@pytest.mark.parametrize("end", ENDS)
def test_quotation_marks_of_any_kind_hold_a_cell_together(text, end):
    content = text.replace("\n", end).encode()
    assert cells(content) == [["a@b.org", "Ким; Анна"], ["c@d.org", "Бахтин; Олег"]]


def test_an_apostrophe_inside_a_name_is_no_quotation_mark():
    content = b"E-mail;Name\na@b.org;O'Neil\nc@d.org;'tis\n"
    assert [row[1] for row in cells(content)] == ["O'Neil", "'tis"]


HARD = {
    "a quote before every row": 'a@b.org;"x;y\n' * 400_000,
    "nothing but quotes": '"' * 5_000_000,
    "quotes on lines": '"\n' * 2_500_000,
    "empty lines": "a@b.org\n" + "\n" * 5_000_000,
    "curly quotes": "“" * 1_500_000,
    "one line": "a@b.org;" * 600_000,
    "short lines in a quote": 'a@b.org;"\n' + "@\n" * 2_000_000,
}


@pytest.mark.parametrize("text", HARD.values(), ids=HARD)
def test_a_hostile_file_is_read_or_refused_in_little_time(text):
    began = time.process_time()
    with suppress(Unreadable):
        rows_of(text.encode())
    assert time.process_time() - began < 30


def test_reading_again_behind_open_quotes_has_an_end():
    content = ("E-mail;ФИО;Город\n" + 'a@b.org;"x;y\n' * 400_000).encode()
    with pytest.raises(Unreadable):
        rows_of(content)


# ---------------------------------------------------------------- what is no table


def zipped(*names: str, start: tuple[str, bytes] | None = None) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(result, "w") as archive:
        for name, content in ([start] if start else []) + [(name, b"x" * 50) for name in names]:
            archive.writestr(name, content)
    return result.getvalue()


def ole(stream: str) -> bytes:
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500 + stream.encode("utf-16-le")


ODS = ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet")
ODT = ("mimetype", b"application/vnd.oasis.opendocument.text")
FOREIGN = {
    "Word": (zipped("[Content_Types].xml", "word/document.xml"), "Word"),
    "old Word": (ole("WordDocument"), "Word"),
    "slides": (zipped("[Content_Types].xml", "ppt/presentation.xml"), "presentation"),
    "binary Excel": (zipped("[Content_Types].xml", "xl/workbook.bin"), ".xlsb"),
    "old Excel": (ole("Workbook"), ".xls"),
    "a password": (ole("EncryptedPackage"), "password"),
    "an Outlook mail": (ole("__substg1.0_001A001E"), "mail"),
    "ODS": (zipped("content.xml", start=ODS), "ODS"),
    "ODT": (zipped("content.xml", start=ODT), "ODT"),
    "an archive": (zipped("clients.csv"), "archive"),
    "gzip": (b"\x1f\x8b\x08" + b"\x00" * 50, "archive"),
    "rar": (b"Rar!\x1a\x07\x00" + b"\x00" * 50, "archive"),
    "PDF": (b"%PDF-1.7\n" + b"x" * 50, "PDF"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "picture"),
    "JPEG": (b"\xff\xd8\xff\xe0" + bytes(range(256)), "picture"),
    "WebP": (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "picture"),
    "HEIC": (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 50, "picture"),
    "SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"></svg>', "picture"),
    "HTML": (b"<!DOCTYPE html><html><body>a@b.org</body></html>", "HTML"),
    "HTML named .xls": (b"\xef\xbb\xbf\r\n<table border=1><tr><td>a@b.org</td></tr>", "HTML"),
    "HTML of Excel": (b'<html xmlns:x="urn:schemas-microsoft-com:office:excel"><table>', "HTML"),
    "HTML in UTF-16": ("\ufeff<html><body>a@b.org".encode("utf-16-le"), "HTML"),
    "XML of Excel": (
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">',
        "XML",
    ),
    "XML": (b'<?xml version="1.0"?><clients><client/></clients>', "XML"),
    "JSON": (b'[{"email": "a@b.org", "name": "Ann"}]', "JSON"),
    "a JSON object": (b'\n{\n "clients" : ["a@b.org"]}', "JSON"),
    "JSON of addresses": (b'["a@b.org", "c@d.org"]', "JSON"),
    "RTF": (b"{\\rtf1\\ansi a@b.org}", "RTF"),
    "a saved mail": (b"From: Ann <a@b.org>\r\nTo: c@d.org\r\n\r\nHello", "mail"),
    "a database": (b"SQLite format 3\x00" + b"\x00" * 50, "database"),
}


@pytest.mark.parametrize(("content", "word"), FOREIGN.values(), ids=FOREIGN)
def test_what_is_no_table_is_named_with_what_to_do(content, word):
    with translation.override("en"), pytest.raises(Unreadable) as refusal:
        recognise(content)
    assert word in str(refusal.value)
    with translation.override("ru"), pytest.raises(Unreadable) as refusal:
        recognise(content)
    assert "This is" not in str(refusal.value)


TABLES_LIKE_OTHERS = [
    b"<anna@example.org>\n<oleg@example.org>\n",
    b"<head@example.org>, <table@example.org>\n",
    b"[a@b.org]\n[c@d.org]\n",
    b"{{ email }};{{ city }}\na@b.org;x\n",
    b"BMW@example.org\n",
    b"From,To\na@b.org,c@d.org\n",
]


@pytest.mark.parametrize("content", TABLES_LIKE_OTHERS)
def test_a_table_that_begins_like_something_else_is_a_table(content):
    assert recognise(content).kind == "csv"
