"""The cells of an XLSX file, row by row: the first visible sheet, as text one would read there.

A hostile file is refused before it fills the memory: sizes are known before anything is unpacked,
shared strings lie in one buffer, and what a table of people does not need is never built.
"""

import io
import posixpath
import re
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from mailings.xlsx.escapes import unescaped

MAX_UNPACKED = 200_000_000  # bytes of one part: 100 000 rows take some 50 MB
MAX_STRINGS = 48_000_000  # bytes of shared text, which is kept in memory
MAX_PARTS = 2_000
MAX_CELL = 32_767  # characters, Excel's own limit
MAX_STYLES = 65_490  # Excel's own limit
MAX_ROW_NUMBER = 1_048_576  # Excel's own limit
_READ = 64 * 1024  # bytes


class Broken(Exception):  # noqa: N818 - what the file is
    """It is no XLSX file, or one that must not be unpacked."""


class Cells(NamedTuple):
    """One row of the sheet: its number as Excel shows it, and its cells from column A on."""

    number: int
    cells: list[str]
    is_cut: bool
    """A cell was longer than a cell can be."""
    width: int
    """How many columns the row really has; `cells` holds no more than were asked for."""


def read_rows(file: IO[bytes], max_columns: int) -> Iterator[Cells]:
    """Yield the rows of the first visible sheet that hold anything; raises `Broken`."""
    with _opened(file) as archive:
        yield from _sheet_rows(archive, _Book(archive), max_columns)


def count_rows(file: IO[bytes]) -> int:
    """Return about how many rows there are, without parsing; raises `Broken`."""
    found, rest = 0, b""
    with _opened(file) as archive, _part(archive, _Book(archive).sheet) as part:
        while chunk := part.read(_READ):
            data = rest + chunk
            start = data.rfind(b"<")
            found += len(_ROW.findall(data[:start]))
            rest = data[start:]
    return found


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except _FAULTS as error:
        raise Broken(f"{type(error).__name__}: {error}") from error


_FAULTS = (
    zipfile.BadZipFile, zlib.error, expat.ExpatError, EOFError,
    # A part that is named and not there, a number that is none, a packing we do not know:
    KeyError, ValueError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip
_ROW = re.compile(rb"<(?:\w+:)?row[ >]")


def _part(archive: zipfile.ZipFile, name: str, most: int = MAX_UNPACKED) -> IO[bytes]:
    # `zipfile` never unpacks more than a part declares, so what it declares can be trusted.
    if archive.getinfo(name).file_size > most:
        raise Broken(f"{name} is too large when unpacked")
    return archive.open(name)


def _parse(
    part: IO[bytes], start: Callable[..., None], **handlers: Callable[..., None]
) -> Iterator[None]:
    """Feed `part` to the handlers, one piece a step; names come without namespaces."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True

    def start_element(name: str, attributes: dict[str, str]) -> None:
        start(name.rpartition(" ")[2], attributes)

    parser.StartElementHandler = start_element
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for name, handler in handlers.items():
        setattr(parser, name, handler)
    while chunk := part.read(_READ):
        parser.Parse(chunk, False)  # noqa: FBT003 - expat's own
        yield
    parser.Parse(b"", True)  # noqa: FBT003 - expat's own
    yield


def _refuse_doctype(*_declaration: Any) -> None:
    raise Broken("a document type: entities could grow without end")


_NOTHING = b"<sst/>"


class _Book:
    """Where the sheet is, which styles are dates, and the shared strings."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        if len(archive.infolist()) > MAX_PARTS:
            raise Broken("too many parts")
        self.archive = archive
        top = self._relations("")
        self.path = next((t for kind, t in top.values() if kind == "officeDocument"), "")
        if not self.path:
            raise Broken("no workbook")
        self.is_1904 = False
        related = self._relations(self.path)
        self.sheet = related[self._first_visible()][1]
        there = archive.NameToInfo
        self.parts = {kind: path for kind, path in related.values() if path in there}

    @cached_property
    def strings(self) -> "_Strings":
        path = self.parts.get("sharedStrings")
        return _Strings(_part(self.archive, path, MAX_STRINGS) if path else io.BytesIO(_NOTHING))

    @cached_property
    def dates(self) -> set[str]:
        """The styles, by number, that show a number as a date."""
        path = self.parts.get("styles")
        return self._date_styles(path) if path else set()

    def _relations(self, owner: str) -> dict[str, tuple[str, str]]:
        """Return id → (kind, path) of what a part refers to."""
        folder, name = posixpath.split(owner)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, tuple[str, str]] = {}

        def start(element: str, attributes: dict[str, str]) -> None:
            if element == "Relationship":
                target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
                kind = attributes["Type"].rpartition("/")[2]
                found[attributes["Id"]] = (kind, target.lstrip("/"))

        with _part(self.archive, path) as part:
            for _fed in _parse(part, start):
                pass
        return found

    def _first_visible(self) -> str:
        sheets: list[tuple[bool, str]] = []

        def start(element: str, attributes: dict[str, str]) -> None:
            if element == "workbookPr":
                self.is_1904 = attributes.get("date1904", "") in ("1", "true")
            elif element == "sheet":
                relation = next(v for k, v in attributes.items() if k.endswith(" id"))
                sheets.append((attributes.get("state", "visible") != "visible", relation))

        with _part(self.archive, self.path) as part:
            for _fed in _parse(part, start):
                pass
        if not sheets:
            raise Broken("no sheet")
        return min(sheets, key=lambda sheet: sheet[0])[1]

    def _date_styles(self, path: str) -> set[str]:
        formats = {str(number) for number in _BUILT_IN_DATES}
        styles: list[str] = []
        inside = [""]

        def start(element: str, attributes: dict[str, str]) -> None:
            if element in ("cellXfs", "cellStyleXfs", "dxfs"):
                inside[0] = element
            elif element == "numFmt" and _is_date_format(attributes.get("formatCode", "")):
                formats.add(attributes["numFmtId"])
            elif element == "xf" and inside[0] == "cellXfs" and len(styles) < MAX_STYLES:
                styles.append(attributes.get("numFmtId", ""))

        with _part(self.archive, path) as part:
            for _fed in _parse(part, start):
                pass
        return {str(index) for index, number in enumerate(styles) if number in formats}


_BUILT_IN_DATES = (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))
_NOT_CODE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')


def _is_date_format(code: str) -> bool:
    return bool(re.search(r"[dmyhs]", _NOT_CODE.sub("", code).replace("General", ""), re.I))


class _Strings:
    """Shared strings in one buffer: a list of a million small objects would take 80 MB."""

    def __init__(self, part: IO[bytes]) -> None:
        self.text = bytearray()
        self.ends = array("Q", [0])
        self.keep = self.is_phonetic = False
        handlers = {"EndElementHandler": self.end, "CharacterDataHandler": self.data}
        with part:
            for _fed in _parse(part, self.start, **handlers):
                pass

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "t":
            self.keep = not self.is_phonetic
        elif element == "rPh":  # how a Japanese word is read, not a part of it
            self.is_phonetic = True

    def end(self, name: str) -> None:
        element = name.rpartition(" ")[2]
        if element == "t":
            self.keep = False
        elif element == "rPh":
            self.is_phonetic = False
        elif element == "si":
            self.ends.append(len(self.text))

    def data(self, text: str) -> None:
        if self.keep:
            self.text.extend(text.encode())

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self.ends) - 1:
            raise Broken("a shared string is missing")
        return self.text[self.ends[index] : self.ends[index + 1]].decode()


class _Sheet:
    """Gathers rows while expat walks through the sheet."""

    def __init__(self, book: _Book, max_columns: int) -> None:
        self.book = book
        self.strings, self.dates = book.strings, book.dates
        self.max_columns = max_columns
        self.ready: list[Cells] = []
        self.number = 0
        self.row: list[str] = []
        self.width = self.column = 0
        self.kind = self.style = ""
        self.text: list[str] = []
        self.length = 0
        self.keep = self.is_phonetic = self.is_cut = False

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "c":
            place = attributes.get("r")
            self.column = _column(place) if place else self.column + 1
            self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "")
            self.text, self.length = [], 0
        elif element in ("v", "t"):
            self.keep = not self.is_phonetic
        elif element == "row":
            place = attributes.get("r")
            self.number = int(place) if place else self.number + 1
            if not 1 <= self.number <= MAX_ROW_NUMBER:
                raise Broken("there can be no such row")
            self.row, self.width, self.column, self.is_cut = [], 0, 0, False
        elif element == "rPh":
            self.is_phonetic = True

    def data(self, text: str) -> None:
        if self.keep:
            self.length += len(text)
            if self.length <= MAX_CELL:
                self.text.append(text)

    def end(self, name: str) -> None:
        element = name.rpartition(" ")[2]
        if element in ("v", "t"):
            self.keep = False
        elif element == "c":
            if self.text or self.length:
                self.end_cell()
        elif element == "row":
            if self.row:
                self.ready.append(Cells(self.number, self.row, self.is_cut, self.width))
        elif element == "rPh":
            self.is_phonetic = False

    def end_cell(self) -> None:
        self.is_cut = self.is_cut or self.length > MAX_CELL
        self.width = max(self.width, self.column)
        missing = self.column - 1 - len(self.row)
        if self.column > self.max_columns or missing < 0:
            return
        self.row.extend([""] * missing)
        self.row.append(self.value("".join(self.text)))

    def value(self, text: str) -> str:
        if self.kind == "s":
            return unescaped(self.strings[int(text)])
        if self.kind in ("inlineStr", "str"):
            return unescaped(text)
        if self.kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        if self.kind == "n" and self.style in self.dates:
            return _date(text, is_1904=self.book.is_1904)
        return text if self.kind != "n" or text.isdigit() else _number(text)


def _sheet_rows(archive: zipfile.ZipFile, book: _Book, max_columns: int) -> Iterator[Cells]:
    sheet = _Sheet(book, max_columns)
    with _part(archive, book.sheet) as part:
        for _fed in _parse(
            part, sheet.start, EndElementHandler=sheet.end, CharacterDataHandler=sheet.data
        ):
            yield from sheet.ready
            sheet.ready.clear()


def _column(place: str) -> int:
    """Return 28 for “AB7”."""
    number = 0
    for letter in place:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
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
