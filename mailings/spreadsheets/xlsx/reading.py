"""The cells of an XLSX file, row by row: the first visible sheet, as text one would read there.

A hostile file is refused before it fills the memory or takes the processor: `pieces` counts what it
is made of, `workbook` keeps shared strings in one buffer and reads them as far as they are needed,
and what a table of people does not need is never built.
"""

import re
import zipfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import IO, NamedTuple

from mailings.spreadsheets.xlsx.escapes import unescaped
from mailings.spreadsheets.xlsx.pieces import (
    LOOK,
    READ,
    WHOLE,
    Attributes,
    Broken,
    Effort,
    TooMuch,
    opened,
    parse,
    part_of,
)
from mailings.spreadsheets.xlsx.workbook import MAX_CELL, Book

__all__ = ["LOOK", "MAX_CELL", "WHOLE", "Broken", "Cells", "TooMuch", "count_rows", "read_rows"]

MAX_ROW_NUMBER = 1_048_576  # Excel's own limit
MAX_COLUMN_LETTERS = 3
MAX_COLUMN = 16_384  # “XFD”, Excel's own limit
MAX_NUMBER = 40  # characters; a number that Excel writes has 17 digits
MAX_TEXT = 64_000_000
"""Characters of all cells: a shared string of 32 767 may stand in every one."""
MAX_ROW_TEXT = 256_000  # characters
_COUNTED = 64_000_000
"""Bytes of a sheet in which rows are counted; how many the rest has is inferred."""


class Cells(NamedTuple):
    """One row of the sheet: its number as Excel shows it, and its cells from column A on."""

    number: int
    cells: list[str]
    is_cut: bool
    """A cell was longer than a cell can be."""
    width: int
    """How many columns the row really has; `cells` holds no more than were asked for."""


def read_rows(file: IO[bytes], max_columns: int, effort: int = WHOLE) -> Iterator[Cells]:
    """Yield the rows of the first visible sheet that hold anything; raises `Broken`.

    `effort`: how many elements of XML may be looked at.
    """
    with opened(file) as archive:
        yield from _sheet_rows(archive, Book(archive, Effort(effort)), max_columns)


def count_rows(file: IO[bytes]) -> int:
    """Return about how many rows there are, without parsing; raises `Broken`."""
    found, rest, done = 0, b"", 0
    with opened(file) as archive:
        book = Book(archive, Effort(LOOK))
        with part_of(archive, book.sheet) as part:
            while done < _COUNTED and (chunk := part.read(READ)):
                done += len(chunk)
                data = rest + chunk
                start = max(data.rfind(b"<"), len(data) - _LONGEST_NAME)
                found += len(_ROW.findall(data[:start]))
                rest = data[start:]
        size = archive.getinfo(book.sheet).file_size
    return found * size // done if size > done > 0 else found


_ROW = re.compile(rb"<(?:\w+:)?row[ >]")
_LONGEST_NAME = 64  # bytes


class _Sheet:
    """Gathers rows while expat walks through the sheet."""

    def __init__(self, book: Book, max_columns: int) -> None:
        self.book = book
        self.strings, self.dates = book.strings, book.dates
        self.max_columns = max_columns
        self.ready: list[Cells] = []
        self.number = 0
        self.row: list[str] = []
        self.width = self.column = 0
        self.kind = self.style = ""
        self.text: list[str] = []
        self.length = self.row_length = self.whole_length = 0
        self.keep = self.is_phonetic = self.is_cut = self.is_over = False

    def walk(self, part: IO[bytes]) -> Iterator[None]:
        """Parse the part, one piece a step."""
        starts = {
            "row": self.start_row, "c": self.start_cell, "v": self.start_text,
            "t": self.start_text, "rPh": self.start_phonetic,
        }  # fmt: skip
        ends = {
            "row": self.end_row, "c": self.end_cell, "v": self.end_text, "t": self.end_text,
            "rPh": self.end_phonetic, "sheetData": self.end_rows,
        }  # fmt: skip
        return parse(part, self.book.effort, starts, ends, self.data)

    def start_row(self, attributes: Attributes) -> None:
        place = attributes.get("r")
        self.number = int(place) if place else self.number + 1
        if not 1 <= self.number <= MAX_ROW_NUMBER:
            raise Broken("there can be no such row")
        self.row, self.width, self.column, self.is_cut = [], 0, 0, False
        self.row_length = 0

    def end_row(self) -> None:
        if self.row:
            self.ready.append(Cells(self.number, self.row, self.is_cut, self.width))

    def end_rows(self) -> None:
        self.is_over = True  # merged ranges, rules and links follow

    def start_cell(self, attributes: Attributes) -> None:
        place = attributes.get("r")
        self.column = _column(place) if place else self.column + 1
        self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "")
        self.text, self.length = [], 0

    def start_text(self, _attributes: Attributes) -> None:
        self.keep = not self.is_phonetic

    def data(self, text: str) -> None:
        if self.keep:
            self.length += len(text)
            if self.length <= MAX_CELL:
                self.text.append(text)

    def end_text(self) -> None:
        self.keep = False

    def start_phonetic(self, _attributes: Attributes) -> None:
        self.is_phonetic = True

    def end_phonetic(self) -> None:
        self.is_phonetic = False

    def end_cell(self) -> None:
        if not self.length:
            return
        if self.length > MAX_CELL:
            self.is_cut = True
        row, column = self.row, self.column
        self.width = max(self.width, column)
        missing = column - 1 - len(row)
        if column > self.max_columns or missing < 0:
            return
        if missing:
            row.extend([""] * missing)
        value = self.value("".join(self.text)) if self.row_length < MAX_ROW_TEXT else ""
        length = len(value)
        self.row_length += length
        self.whole_length += length
        if self.whole_length > MAX_TEXT:
            raise TooMuch("too much text")
        if length > MAX_CELL or self.row_length >= MAX_ROW_TEXT:
            self.is_cut = True
        row.append(value if length <= MAX_CELL else value[:MAX_CELL])

    def value(self, text: str) -> str:
        if self.kind == "s":
            return unescaped(self.strings[int(text[:MAX_NUMBER])])
        if self.kind in ("inlineStr", "str"):
            return unescaped(text)
        if self.kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        if len(text) > MAX_NUMBER:
            return text
        if self.kind == "n" and self.style in self.dates:
            return _date(text, is_1904=self.book.is_1904)
        return text if self.kind != "n" or text.isdigit() else _number(text)


def _sheet_rows(archive: zipfile.ZipFile, book: Book, max_columns: int) -> Iterator[Cells]:
    sheet = _Sheet(book, max_columns)
    with part_of(archive, book.sheet) as part:
        for _fed in sheet.walk(part):
            yield from sheet.ready
            sheet.ready.clear()
            if sheet.is_over:
                return


def _column(place: str) -> int:
    """Return 28 for “AB7”; raises `Broken` for a column that no spreadsheet has."""
    number = 0
    for letter in place[: MAX_COLUMN_LETTERS + 1]:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    if number > MAX_COLUMN:
        raise Broken("there can be no such column")
    return number


def _number(text: str) -> str:
    """Return a number as one reads it in the cell: a telephone keeps its digits."""
    try:
        value = float(text)
    except ValueError:
        return text
    if value.is_integer() and abs(value) < 10**15:
        return str(int(value))
    return f"{value:.15g}"


def _date(text: str, *, is_1904: bool) -> str:
    """Return a day number as an ISO date, with the time if there is one."""
    try:
        moment = (datetime(1904, 1, 1) if is_1904 else datetime(1899, 12, 30)) + timedelta(  # noqa: DTZ001 - a day in a table has no zone
            days=round(float(text) * 86400) / 86400
        )
    except (ValueError, OverflowError):
        return text
    if moment.hour or moment.minute:
        return f"{moment:%Y-%m-%d %H:%M}"
    return moment.date().isoformat()
