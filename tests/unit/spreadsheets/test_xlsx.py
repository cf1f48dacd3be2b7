"""XLSX read and written, with openpyxl as the judge; broken and hostile files are refused."""

import io
import time
import zipfile
from contextlib import suppress
from datetime import date, datetime

import openpyxl
import pytest

from mailings.spreadsheets.xlsx import reading, writing
from tests import nasty_files as files


def cells(content: bytes, columns: int = 20) -> list[list[str]]:
    return [row.cells for row in reading.read_rows(io.BytesIO(content), columns)]


CELLS = [
    ("plain", "plain"),
    ("Ёж & <тег>", "Ёж & <тег>"),
    (79001234567, "79001234567"),  # a telephone keeps its digits
    (1.5, "1.5"),
    (0.1, "0.1"),
    (-3.0, "-3"),
    (True, "TRUE"),
    (date(2024, 3, 12), "2024-03-12"),
    (datetime(2024, 3, 12, 9, 30), "2024-03-12 09:30"),  # noqa: DTZ001 - Excel knows no zones
    ("=1+1", None),  # a formula without a value
    ("line\nbreak", "line\nbreak"),
    ("_x0041_", "A"),  # as Excel itself writes and reads it
]


@pytest.mark.parametrize(("value", "shown"), CELLS)
def test_a_cell_is_read_as_one_reads_it(value, shown):
    rows = cells(files.xlsx([["head", "mark"], [value, "end"]]))
    assert rows[1] == [shown or "", "end"]


def test_the_first_visible_sheet_counts():
    content = files.xlsx([files.HEAD, files.ANNA], sheets=["Скрытый"])
    assert cells(content) == [list(files.HEAD), list(files.ANNA)]


def test_rows_and_columns_keep_their_places():
    content = files.sheet_of(
        '<row r="3"><c r="B3" t="inlineStr"><is><t>b</t></is></c><c r="D3"><v>4</v></c></row>'
        '<row r="7"><c><v>1</v></c><c/><c><v>3</v></c></row>'
    )
    rows = list(reading.read_rows(io.BytesIO(content), 20))
    assert [(row.number, row.cells) for row in rows] == [
        (3, ["", "b", "", "4"]),
        (7, ["1", "", "3"]),
    ]


def test_rich_and_phonetic_text_is_one_word():
    content = files.sheet_of(
        '<row><c t="inlineStr"><is><r><t>Ан</t></r><r><t>на</t></r>'
        "<rPh><t>x</t></rPh></is></c></row>"
    )
    assert cells(content) == [["Анна"]]


def test_a_cell_far_to_the_right_takes_no_memory():
    content = files.sheet_of('<row r="1"><c r="XFD1"><v>9</v></c><c r="A1"><v>1</v></c></row>')
    (row,) = reading.read_rows(io.BytesIO(content), 20)
    assert row.width == 16_384
    assert len(row.cells) <= 20


def test_a_cell_of_a_megabyte_is_cut_and_said_to_be():
    content = files.sheet_of(f'<row><c t="str"><v>{"x" * 1_000_000}</v></c></row>')
    (row,) = reading.read_rows(io.BytesIO(content), 20)
    assert row.is_cut
    assert len(row.cells[0]) <= reading.MAX_CELL


STRINGS = (
    "<sst><si><t>Анна</t></si><si><r><t>Ки</t></r><r><t>м</t></r><rPh><t>x</t></rPh></si>"
    "<si/><si><t xml:space='preserve'> a_x000D_\nb </t></si></sst>"
).encode()


def test_shared_strings_are_found():
    inside = "".join(f'<c t="s"><v>{n}</v></c>' for n in (1, 0, 3, 0))
    content = files.with_strings(STRINGS, f"<row>{inside}</row>")
    assert cells(content) == [["Ким", "Анна", " a\r\nb ", "Анна"]]


SOUND = files.xlsx([files.HEAD, files.ANNA])
LAUGHS = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><sst><si><t>&b;</t></si></sst>'
BROKEN = {
    "not a zip": b"PK\x03\x04 and nothing of the kind",
    "cut off": SOUND[: len(SOUND) // 2],
    "no workbook": files.rezipped(SOUND, workbook=None),
    "no sheet": files.rezipped(SOUND, sheet1=None),
    "half a sheet": files.rezipped(SOUND, sheet1=b"<worksheet><sheetData><row>"),
    "no xml": files.rezipped(SOUND, sheet1=b"\x00\x01\x02"),
    "no strings": files.sheet_of('<row><c t="s"><v>7</v></c></row>'),
    "no such string": files.with_strings(STRINGS, '<row><c t="s"><v>7</v></c></row>'),
    "no number of a string": files.with_strings(STRINGS, '<row><c t="s"><v>x</v></c></row>'),
    "a number below all": files.with_strings(STRINGS, '<row><c t="s"><v>-1</v></c></row>'),
    "a row called x": files.sheet_of('<row r="x"><c><v>1</v></c></row>'),
    "a row before the first": files.sheet_of('<row r="0"><c><v>1</v></c></row>'),
    "a row beyond the last": files.sheet_of('<row r="1048577"><c><v>1</v></c></row>'),
    "entities": files.with_strings(LAUGHS, '<row><c t="s"><v>0</v></c></row>'),
    "too many strings": files.with_strings(b"<sst>" + b" " * 50_000_000 + b"</sst>", ""),
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_file_is_refused(content):
    with pytest.raises(reading.Broken):
        cells(content)


def test_a_bomb_is_refused_before_it_is_unpacked():
    bomb = files.bomb(220)
    assert len(bomb) < 2_000_000
    with pytest.raises(reading.Broken, match="large"):
        cells(bomb)
    with pytest.raises(reading.Broken, match="large"):
        reading.count_rows(io.BytesIO(bomb))


def test_rows_are_counted_without_reading_them():
    content = files.xlsx([files.HEAD, *([files.ANNA] * 5_000)])
    assert reading.count_rows(io.BytesIO(content)) == 5_001


WRITTEN = [
    ["anna@example.org", "Ёж & <тег> \"кавычки\" 'апостроф'", ""],
    ["line\nbreak", "carriage\r\nreturn", " spaces "],
    ["\x07bell\x00", "_x0041_ stays", "'=1+1"],
]


def test_what_is_written_is_read_again():
    content = b"".join(writing.write_rows([["a", "b", "c"], *WRITTEN]))
    expected = [row if row[2] else row[:2] for row in WRITTEN]
    expected[2][0] = "\x07bell"  # NUL is no character
    assert cells(content) == [["a", "b", "c"], *expected]


def test_others_can_read_what_is_written():
    content = b"".join(writing.write_rows([["a", "b", "c"], *(WRITTEN[:1] * 1_200)]))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0] == ("a", "b", "c")
    assert rows[1200] == (WRITTEN[0][0], WRITTEN[0][1], None)
    assert sheet["A1"].font.bold
    assert sheet.freeze_panes == "A2"


def test_numbers_are_numbers():
    content = b"".join(writing.write_rows([["a", "b"], [12, 1.5], [0, None]]))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).active
    assert list(sheet.iter_rows(values_only=True, min_row=2)) == [(12, 1.5), (0, None)]


def test_a_cell_holds_no_more_than_excel_reads():
    content = b"".join(writing.write_rows([["a"], ["&" * 40_000]]))
    assert cells(content)[1] == ["&" * writing.MAX_LETTERS]


@pytest.mark.parametrize(("name", "limit"), [("SHEET_BATCHES", 2), ("SHEET_BYTES", 0)])
def test_what_a_sheet_cannot_hold_goes_on_in_the_next(monkeypatch, name, limit):
    monkeypatch.setattr(writing, "BATCH", 3)
    monkeypatch.setattr(writing, name, limit)
    content = b"".join(writing.write_rows([["n"], *([n] for n in range(7))]))
    assert zipfile.ZipFile(io.BytesIO(content)).testzip() is None
    book = openpyxl.load_workbook(io.BytesIO(content))
    sheets = [[row[0] for row in sheet.iter_rows(values_only=True)] for sheet in book]
    assert {sheet[0] for sheet in sheets} == {"n"}
    assert len(sheets) > 1
    assert [n for sheet in sheets for n in sheet[1:]] == list(range(7))


def test_no_rows_are_an_empty_sheet():
    content = b"".join(writing.write_rows([]))
    assert openpyxl.load_workbook(io.BytesIO(content)).active.max_row == 1


# ---------------------------------------------------------------- files that take the processor

EMPTY = files.xlsx([files.HEAD])


def sheet(inside: bytes) -> bytes:
    return files.rezipped(EMPTY, sheet1=files.SHEET.encode() + inside + b"</sheetData></worksheet>")


def many_parts(count: int) -> bytes:
    result = io.BytesIO(EMPTY)
    with zipfile.ZipFile(result, "a") as archive:
        for number in range(count):
            archive.writestr(f"x{number}", b"")
    return result.getvalue()


def packed_with(method: int) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(EMPTY)) as old, zipfile.ZipFile(result, "w", method) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return result.getvalue()


LONG = "A" * 80_000
EXHAUSTING = {
    "a place of 80 000 letters": sheet(b'<row><c r="%s1"><v>1</v></c></row>' % LONG.encode()),
    "a column beyond the last": sheet(b'<row><c r="XFE1"><v>1</v></c></row>'),
    "a row with a number without end": sheet(b'<row r="%s"><c><v>1</v></c></row>' % (b"1" * 9_000)),
    "an attribute without end": sheet(b'<row r="1" x="%s"><c/></row>' % (b"1" * 20_000_000)),
    "elements within elements": sheet(b"<c>" * 5_000_000),
    "names without end": sheet(b"".join(b"<a%d/>" % n for n in range(200_000))),
    "attributes without end": sheet(b"".join(b'<c a%d=""/>' % n for n in range(200_000))),
    "one long string in all cells": files.with_strings(
        b"<sst><si><t>" + b"x" * 30_000 + b"</t></si></sst>",
        '<row><c t="s"><v>0</v></c></row>' * 5_000,
    ),
    "too many parts": many_parts(2_500),
    "packed with LZMA": packed_with(zipfile.ZIP_LZMA),
    "packed with bzip2": packed_with(zipfile.ZIP_BZIP2),
}


@pytest.mark.parametrize("content", EXHAUSTING.values(), ids=EXHAUSTING)
def test_a_file_that_would_exhaust_us_is_refused(content):
    began = time.process_time()
    with pytest.raises(reading.Broken):
        cells(content)
    assert time.process_time() - began < 10


ENDLESS = {
    "empty cells": sheet(b"<row>" + b"<c/>" * 200_000 + b"</row>"),
    "cells of nothing": sheet(b'<row><c r="A1"><v></v></c></row>' * 90_000),
    "shared strings": files.with_strings(
        b"<sst>" + b"<si/>" * 200_000 + b"</sst>", '<row><c t="s"><v>199999</v></c></row>'
    ),
}


@pytest.mark.parametrize("content", ENDLESS.values(), ids=ENDLESS)
def test_a_look_ends_when_it_has_cost_enough(content):
    with pytest.raises(reading.TooMuch):
        list(reading.read_rows(io.BytesIO(content), 20, 50_000))
    assert reading.LOOK <= 1_000_000 < reading.WHOLE


def test_what_follows_the_table_is_not_read():
    content = files.rezipped(
        EMPTY,
        sheet1=files.SHEET.encode()
        + b"<row><c><v>1</v></c></row></sheetData><mergeCells>"
        + b'<mergeCell ref="A1:B2"/>' * 200_000
        + b"</mergeCells></worksheet>",
    )
    rows = list(reading.read_rows(io.BytesIO(content), 20, 50_000))
    assert [row.cells for row in rows] == [["1"]]


def test_a_look_at_the_first_rows_reads_no_more_strings_than_they_need():
    strings = "".join(f"<si><t>s{n}</t></si>" for n in range(40_000))
    inside = "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(40_000))
    content = files.with_strings(f"<sst>{strings}</sst>".encode(), inside)
    rows = reading.read_rows(io.BytesIO(content), 20, 20_000)
    assert [next(rows).cells for _ in range(3)] == [["s0"], ["s1"], ["s2"]]
    assert len(cells(content)) == 40_000


def test_a_long_shared_string_is_cut_and_said_to_be():
    text = b"x" * 1_000_000
    content = files.with_strings(
        b"<sst><si><t>" + text + b"</t></si></sst>", '<row><c t="s"><v>0</v></c></row>'
    )
    (row,) = reading.read_rows(io.BytesIO(content), 20)
    assert (row.is_cut, len(row.cells[0])) == (True, reading.MAX_CELL)


def test_a_row_holds_no_more_text_than_a_row_may():
    strings = b"<sst><si><t>" + b"x" * 32_000 + b"</t></si></sst>"
    content = files.with_strings(strings, "<row>" + '<c t="s"><v>0</v></c>' * 200 + "</row>")
    (row,) = reading.read_rows(io.BytesIO(content), 200)
    assert row.is_cut
    assert sum(map(len, row.cells)) < reading.MAX_ROW_TEXT + reading.MAX_CELL


def test_a_number_format_without_end_is_no_date():
    styles = b'<styleSheet><numFmts><numFmt numFmtId="200" formatCode="%s"/></numFmts></styleSheet>'
    content = files.rezipped(SOUND, styles=styles % (b"[" * 500_000 + b"d"))
    began = time.process_time()
    with suppress(reading.Broken):
        cells(content)
    assert time.process_time() - began < 5


COUNTED = {
    "a tag of 50 megabytes": sheet(b"<row x='" + b"1" * 50_000_000 + b"'></row>"),
    "no tags": sheet(b" " * 50_000_000),
    "a name of 50 megabytes": sheet(b"<" + b"w" * 50_000_000 + b"/>"),
}


@pytest.mark.parametrize("content", COUNTED.values(), ids=COUNTED)
def test_rows_of_a_hostile_sheet_are_counted_in_no_time(content):
    began = time.process_time()
    reading.count_rows(io.BytesIO(content))
    assert time.process_time() - began < 5


def test_rows_of_a_large_sheet_are_inferred_from_its_beginning(monkeypatch):
    content = files.xlsx([files.HEAD, *([files.ANNA] * 5_000)])
    monkeypatch.setattr(reading, "_COUNTED", 100_000)
    assert 4_000 < reading.count_rows(io.BytesIO(content)) < 6_000
