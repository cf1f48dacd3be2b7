"""The cells of an XLSX file, row by row: the first visible sheet, as text one would read there.

A hostile file is refused before it fills the memory or takes the processor: sizes are known before
anything is unpacked, elements, names and letters are counted, shared strings lie in one buffer and
are read as far as they are needed, and what a table of people does not need is never built.
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
MAX_FRAME = 4_000_000  # bytes of a part that says where others are
MAX_STYLE_BYTES = 32_000_000
MAX_PARTS = 2_000
MAX_CELL = 32_767  # characters, Excel's own limit
MAX_STYLES = 65_490  # Excel's own limit
MAX_FORMAT = 255  # characters, Excel's own limit
MAX_ROW_NUMBER = 1_048_576  # Excel's own limit
MAX_COLUMN_LETTERS = 3
MAX_COLUMN = 16_384  # “XFD”, Excel's own limit
MAX_NUMBER = 40  # characters; a number that Excel writes has 17 digits

WHOLE, LOOK = 8_000_000, 1_000_000
"""Elements of XML: of all that a reading needs, and of what a look at the first rows may cost. An
element takes about a microsecond; 100 000 rows of 20 cells have some 6 000 000."""
MAX_TEXT = 64_000_000
"""Characters of all cells: a shared string of 32 767 may stand in every one."""
MAX_ROW_TEXT = 256_000  # characters
MAX_DEPTH = 64
MAX_NAMES = 1_000
"""Of elements and attributes; expat keeps each it has met."""
MAX_TOKEN = 128_000
"""Bytes of one tag: expat begins it anew with every piece that is fed."""
_COUNTED = 64_000_000
"""Bytes of a sheet in which rows are counted; how many the rest has is inferred."""
_READ = 32 * 1024  # bytes


class Broken(Exception):  # noqa: N818 - what the file is
    """It is no XLSX file, or one that must not be unpacked."""


class TooMuch(Broken):
    """There is more to read in it than a table of people has."""


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
    with _opened(file) as archive:
        yield from _sheet_rows(archive, _Book(archive, _Effort(effort)), max_columns)


def count_rows(file: IO[bytes]) -> int:
    """Return about how many rows there are, without parsing; raises `Broken`."""
    found, rest, done = 0, b"", 0
    with _opened(file) as archive:
        book = _Book(archive, _Effort(LOOK))
        with _part(archive, book.sheet) as part:
            while done < _COUNTED and (chunk := part.read(_READ)):
                done += len(chunk)
                data = rest + chunk
                start = max(data.rfind(b"<"), len(data) - _LONGEST_NAME)
                found += len(_ROW.findall(data[:start]))
                rest = data[start:]
        size = archive.getinfo(book.sheet).file_size
    return found * size // done if size > done > 0 else found


@contextmanager
def _opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    try:
        _require_few_parts(file)
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
_LONGEST_NAME = 64  # bytes


def _require_few_parts(file: IO[bytes]) -> None:
    """`zipfile` makes an object of every entry before anybody can count them."""
    file.seek(0)
    count, rest = 0, b""
    while chunk := file.read(1 << 20):
        data = rest + chunk
        count += data.count(_ENTRY)
        rest = data[-len(_ENTRY) + 1 :]
    if count > MAX_PARTS:
        raise TooMuch("too many parts")


_ENTRY = b"PK\x01\x02"


def _part(archive: zipfile.ZipFile, name: str, most: int = MAX_UNPACKED) -> IO[bytes]:
    # `zipfile` never unpacks more than a part declares, so what it declares can be trusted.
    part = archive.getinfo(name)
    if part.file_size > most:
        raise Broken(f"{name} is too large when unpacked")
    if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Broken(f"{name} is packed in a way that no spreadsheet uses")
    return archive.open(name)


class _Effort:
    """How much may still be looked at; shared by all parts of one file."""

    def __init__(self, elements: int) -> None:
        self.elements = elements
        self.names: dict[str, str] = {}
        self.attributes: set[str] = set()

    def local(self, name: str) -> str:
        """Return a new name without its namespace, and remember it."""
        if len(self.names) >= MAX_NAMES:
            raise TooMuch("too many names")
        return self.names.setdefault(name, name.rpartition(" ")[2])

    def meet(self, attributes: dict[str, str]) -> None:
        self.attributes.update(attributes)
        if len(self.attributes) > MAX_NAMES:
            raise TooMuch("too many names")


def _parse(
    part: IO[bytes],
    effort: _Effort,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] = str,  # type: ignore[assignment]
    data: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Feed `part` to the handlers, one piece a step; names come without namespaces."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    names, known = effort.names, effort.attributes
    depth = 0

    def start_element(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise TooMuch("elements within elements")
        effort.elements -= 1
        if attributes and not known.issuperset(attributes):
            effort.meet(attributes)
        start(names.get(name) or effort.local(name), attributes)

    def end_element(name: str) -> None:
        nonlocal depth
        depth -= 1
        end(names[name])

    parser.StartElementHandler = start_element
    parser.EndElementHandler = end_element
    parser.StartDoctypeDeclHandler = _refuse_doctype
    if data:
        parser.CharacterDataHandler = data
    fed = 0
    while chunk := part.read(_READ):
        parser.Parse(chunk, False)  # noqa: FBT003 - expat's own
        fed += len(chunk)
        if fed - parser.CurrentByteIndex > MAX_TOKEN:
            raise TooMuch("a tag without end")
        if effort.elements < 0:
            raise TooMuch("too many elements")
        yield
    parser.Parse(b"", True)  # noqa: FBT003 - expat's own
    yield


def _refuse_doctype(*_declaration: Any) -> None:
    raise Broken("a document type: entities could grow without end")


_NOTHING = b"<sst/>"


class _Book:
    """Where the sheet is, which styles are dates, and the shared strings."""

    def __init__(self, archive: zipfile.ZipFile, effort: _Effort) -> None:
        self.archive, self.effort = archive, effort
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
        part = _part(self.archive, path, MAX_STRINGS) if path else io.BytesIO(_NOTHING)
        return _Strings(part, self.effort)

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

        with _part(self.archive, path, MAX_FRAME) as part:
            for _fed in _parse(part, self.effort, start):
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

        with _part(self.archive, self.path, MAX_FRAME) as part:
            for _fed in _parse(part, self.effort, start):
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

        with _part(self.archive, path, MAX_STYLE_BYTES) as part:
            for _fed in _parse(part, self.effort, start):
                pass
        return {str(index) for index, number in enumerate(styles) if number in formats}


_BUILT_IN_DATES = (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))
_NOT_CODE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')


def _is_date_format(code: str) -> bool:
    if len(code) > MAX_FORMAT:
        return False
    return bool(re.search(r"[dmyhs]", _NOT_CODE.sub("", code).replace("General", ""), re.I))


class _Strings:
    """Shared strings in one buffer: a list of a million small objects would take 80 MB.

    They are read as far as somebody asks: a look at the first rows needs few.
    """

    def __init__(self, part: IO[bytes], effort: _Effort) -> None:
        self.text = bytearray()
        self.ends = array("Q", [0])
        self.keep = self.is_phonetic = False
        self.length = 0
        self.feeding = _parse(part, effort, self.start, self.end, self.data)

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if element == "t":
            self.keep = not self.is_phonetic
        elif element == "rPh":  # how a Japanese word is read, not a part of it
            self.is_phonetic = True

    def end(self, element: str) -> None:
        if element == "t":
            self.keep = False
        elif element == "rPh":
            self.is_phonetic = False
        elif element == "si":
            self.ends.append(len(self.text))
            self.length = 0

    def data(self, text: str) -> None:
        if self.keep:
            # One character too many tells that the string was cut.
            room = MAX_CELL + 1 - self.length
            self.length += len(text)
            self.text.extend(text[: max(room, 0)].encode())

    def __getitem__(self, index: int) -> str:
        while index >= len(self.ends) - 1 and next(self.feeding, self) is None:
            pass
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
        self.length = self.row_length = self.whole_length = 0
        self.keep = self.is_phonetic = self.is_cut = self.is_over = False

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
            self.row_length = 0
        elif element == "rPh":
            self.is_phonetic = True

    def data(self, text: str) -> None:
        if self.keep:
            self.length += len(text)
            if self.length <= MAX_CELL:
                self.text.append(text)

    def end(self, element: str) -> None:
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
        elif element == "sheetData":
            self.is_over = True  # merged ranges, rules and links follow

    def end_cell(self) -> None:
        self.is_cut = self.is_cut or self.length > MAX_CELL
        self.width = max(self.width, self.column)
        missing = self.column - 1 - len(self.row)
        if self.column > self.max_columns or missing < 0:
            return
        self.row.extend([""] * missing)
        value = self.value("".join(self.text)) if self.row_length < MAX_ROW_TEXT else ""
        self.row_length += len(value)
        self.whole_length += len(value)
        if self.whole_length > MAX_TEXT:
            raise TooMuch("too much text")
        self.is_cut = self.is_cut or self.row_length >= MAX_ROW_TEXT or len(value) > MAX_CELL
        self.row.append(value[:MAX_CELL])

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


def _sheet_rows(archive: zipfile.ZipFile, book: _Book, max_columns: int) -> Iterator[Cells]:
    sheet = _Sheet(book, max_columns)
    with _part(archive, book.sheet) as part:
        for _fed in _parse(part, book.effort, sheet.start, sheet.end, sheet.data):
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
