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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import IO, Any, NamedTuple
from xml.parsers import expat

from mailings.spreadsheets.xlsx.escapes import unescaped

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
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def local(self, name: str) -> str:
        """Return a name without its namespace; raises `TooMuch` when there are too many."""
        self.names.add(name)
        if len(self.names) > MAX_NAMES:
            raise TooMuch("too many names")
        return name.rpartition(" ")[2]

    def meet(self, attributes: dict[str, str]) -> None:
        self.attributes.update(attributes)
        if len(self.attributes) > MAX_NAMES:
            raise TooMuch("too many names")


Attributes = dict[str, str]
Starts = Mapping[str, Callable[[Attributes], None]]
Ends = Mapping[str, Callable[[], None]]
"""What to call when an element of that name, without its namespace, begins or ends."""


def _parse(
    part: IO[bytes],
    effort: _Effort,
    starts: Starts,
    ends: Ends | None = None,
    data: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Feed `part` to the handlers, one piece a step."""
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = _handlers(effort, starts, ends or {})
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


def _handlers(
    effort: _Effort, starts: Starts, ends: Ends
) -> tuple[Callable[[str, Attributes], None], Callable[[str], None]]:
    """Return what expat calls for every element: counts, and finds the handler, if any, by the
    whole name, which costs one look in a dict."""
    starting: dict[str, Callable[[Attributes], None] | None] = {}
    ending: dict[str, Callable[[], None]] = {}
    known = effort.attributes
    depth = 0

    def meet(name: str) -> None:
        local = effort.local(name)
        starting[name] = starts.get(local)
        if local in ends:
            ending[name] = ends[local]

    def start_element(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise TooMuch("elements within elements")
        effort.elements -= 1
        if attributes and not known.issuperset(attributes):
            effort.meet(attributes)
        if name not in starting:
            meet(name)
        if handler := starting[name]:
            handler(attributes)

    def end_element(name: str) -> None:
        nonlocal depth
        depth -= 1
        if name in ending:
            ending[name]()

    return start_element, end_element


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

        def relationship(attributes: Attributes) -> None:
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
            kind = attributes["Type"].rpartition("/")[2]
            found[attributes["Id"]] = (kind, target.lstrip("/"))

        with _part(self.archive, path, MAX_FRAME) as part:
            for _fed in _parse(part, self.effort, {"Relationship": relationship}):
                pass
        return found

    def _first_visible(self) -> str:
        sheets: list[tuple[bool, str]] = []

        def properties(attributes: Attributes) -> None:
            self.is_1904 = attributes.get("date1904", "") in ("1", "true")

        def sheet(attributes: Attributes) -> None:
            relation = next(v for k, v in attributes.items() if k.endswith(" id"))
            sheets.append((attributes.get("state", "visible") != "visible", relation))

        with _part(self.archive, self.path, MAX_FRAME) as part:
            starts = {"workbookPr": properties, "sheet": sheet}
            for _fed in _parse(part, self.effort, starts):
                pass
        if not sheets:
            raise Broken("no sheet")
        return min(sheets, key=lambda sheet: sheet[0])[1]

    def _date_styles(self, path: str) -> set[str]:
        formats = {str(number) for number in _BUILT_IN_DATES}
        styles: list[str] = []
        is_of_cells = False

        def number_format(attributes: Attributes) -> None:
            if _is_date_format(attributes.get("formatCode", "")):
                formats.add(attributes["numFmtId"])

        def of_cells(_attributes: Attributes) -> None:
            nonlocal is_of_cells
            is_of_cells = True

        def of_others(_attributes: Attributes) -> None:
            nonlocal is_of_cells
            is_of_cells = False

        def style(attributes: Attributes) -> None:
            if is_of_cells and len(styles) < MAX_STYLES:
                styles.append(attributes.get("numFmtId", ""))

        starts = {
            "numFmt": number_format, "cellXfs": of_cells, "cellStyleXfs": of_others,
            "dxfs": of_others, "xf": style,
        }  # fmt: skip
        with _part(self.archive, path, MAX_STYLE_BYTES) as part:
            for _fed in _parse(part, self.effort, starts):
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
        starts = {"t": self.start_text, "rPh": self.start_phonetic}
        ends = {"t": self.end_text, "rPh": self.end_phonetic, "si": self.end_string}
        self.feeding = _parse(part, effort, starts, ends, self.data)

    def start_text(self, _attributes: Attributes) -> None:
        self.keep = not self.is_phonetic

    def end_text(self) -> None:
        self.keep = False

    def start_phonetic(self, _attributes: Attributes) -> None:
        """How a Japanese word is read, not a part of it."""
        self.is_phonetic = True

    def end_phonetic(self) -> None:
        self.is_phonetic = False

    def end_string(self) -> None:
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
        return _parse(part, self.book.effort, starts, ends, self.data)

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


def _sheet_rows(archive: zipfile.ZipFile, book: _Book, max_columns: int) -> Iterator[Cells]:
    sheet = _Sheet(book, max_columns)
    with _part(archive, book.sheet) as part:
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
