"""A CSV or XLSX file → numbered rows of text, whatever program wrote it.

Files are binary ones that can be read from any place; each function begins at the beginning.

Nothing here raises but `Unreadable`: a row that cannot be read is a row with a fault.
"""

import csv
import io
import re
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass
from typing import IO, Any, NamedTuple

from django.utils.translation import gettext_lazy as _

from mailings.xlsx import reading

MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 100_000
MAX_COLUMNS = 200
MAX_RECORD = 64 * 1024
"""Characters of one row of CSV: what is longer has a quote that was never closed."""
MAX_RESTARTS = 2_000
"""Reading goes on behind a quote that is never closed; so many are an attack."""

CSV, XLSX = "csv", "xlsx"
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "cp1252", "cp866", "koi8-r")
DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 64 * 1024  # bytes


class Unreadable(Exception):  # noqa: N818 - what the file is
    """The whole file cannot be read; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written down."""

    kind: str = CSV
    encoding: str = ""
    delimiter: str = ""
    has_header: bool = True

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Row(NamedTuple):
    number: int
    """As the spreadsheet shows it: the head is row 1."""
    cells: list[str]
    fault: str = ""
    """A value of `plan.Fault`: the row could not be read."""
    width: int = 0
    """How many columns the row has; `cells` holds MAX_COLUMNS at most."""


QUOTE, CUT = "quote", "cut"  # values of `plan.Fault`


def recognise(content: bytes) -> Layout:
    """Tell how the file is written down (without the head); raises `Unreadable`."""
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Unreadable(_("The file is empty."))
    if content.startswith(b"PK"):
        return Layout(XLSX)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise Unreadable(
            _(
                "This is an old Excel file (.xls) or one with a password."
                " Save it as .xlsx without a password, or as CSV."
            )
        )
    encoding = _encoding(content)
    sample = content[:SAMPLE].decode(encoding, "replace")
    if sum(not c.isprintable() and not c.isspace() for c in sample) > len(sample) // 20 + 8:
        raise _neither()
    return Layout(CSV, encoding, _delimiter(sample))


def _neither() -> Unreadable:
    return Unreadable(
        _("The file is neither CSV nor XLSX. Save the table as CSV and choose it again.")
    )


def count(file: IO[bytes], layout: Layout) -> int:
    """Return how many rows there are below the head (of XLSX: about); raises `Unreadable`."""
    if layout.kind == XLSX:
        try:
            about = reading.count_rows(file)
        except reading.Broken as error:
            raise _broken(file) from error
        if about <= MAX_ROWS:  # else many may be empty: they have to be read
            return max(about - layout.has_header, 0)
    return sum(1 for _row in read(file, layout))


def read(file: IO[bytes], layout: Layout) -> Generator[Row, None, None]:
    """Yield the rows below the head that hold anything; raises `Unreadable`."""
    rows = _every_row(file, layout)
    if layout.has_header:
        next(rows, None)
    for number, row in enumerate(rows):
        if number == MAX_ROWS:
            raise Unreadable(
                _("The file has more than %(most)s rows. Divide it into smaller ones.")
                % {"most": f"{MAX_ROWS:,}".replace(",", "\N{NO-BREAK SPACE}")}
            )
        yield row


def head(file: IO[bytes], layout: Layout, count: int) -> list[Row]:
    """Return the first rows, the head among them."""
    rows = []
    for row in _every_row(file, layout):
        rows.append(row)
        if len(rows) == count:
            break
    return rows


def _every_row(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    return _xlsx_rows(file) if layout.kind == XLSX else _csv_rows(file, layout)


# ---------------------------------------------------------------- XLSX


def _xlsx_rows(file: IO[bytes]) -> Iterator[Row]:
    try:
        for number, cells, is_cut, width in reading.read_rows(file, MAX_COLUMNS):
            cleaned = [clean(cell) for cell in cells]
            if any(cleaned):
                yield Row(number, cleaned, CUT if is_cut else "", width)
    except reading.Broken as error:
        raise _broken(file) from error


def _broken(file: IO[bytes]) -> Unreadable:
    file.seek(0)
    content = file.read()
    if b"application/vnd.oasis.opendocument" in content[:200]:
        return Unreadable(_("This is an OpenDocument file. Save it as XLSX or as CSV."))
    if b"[Content_Types].xml" not in content:
        return _neither()
    return Unreadable(
        _("The XLSX file is damaged or too large when unpacked. Save it once more, or as CSV.")
    )


# ---------------------------------------------------------------- CSV


class _Lines:
    """Lines of the file; those of the present record can be read once more."""

    def __init__(self, source: io.TextIOBase) -> None:
        self.source = source
        self.again: list[str] = []
        self.taken: list[str] = []
        self.length = 0
        self.is_over = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else self.source.readline()
        if not line:
            self.is_over = True
            raise StopIteration
        self.taken.append(line)
        self.length += len(line)
        if self.length > MAX_RECORD:
            raise csv.Error("too long")
        return line.replace("\x00", "") if "\x00" in line else line

    def begin(self) -> None:
        """Begin a record."""
        self.taken, self.length = [], 0

    def rewind(self) -> None:
        """Let what follows the first line of the record be read once more."""
        self.again.extend(reversed(self.taken[1:]))
        self.is_over = False


def _csv_rows(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    encoding = "utf-8-sig" if layout.encoding == "utf-8" else layout.encoding
    file.seek(0)
    source = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    try:
        yield from _records(_Lines(source), layout.delimiter or ",")
    finally:
        source.detach()  # or it would close the file, which is the caller's


def _records(lines: _Lines, delimiter: str) -> Iterator[Row]:
    restarts = number = width = 0
    records = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin()
        fault = ""
        try:
            record = next(records, None)
        except csv.Error:
            record, fault = [], CUT if len(lines.taken) == 1 else QUOTE
        if record is None:
            return
        number += 1
        if number == 1 and _SEPARATOR.match("".join(record) or lines.taken[0]):
            continue  # Excel's own hint
        if lines.is_over or (
            len(lines.taken) > 1 and _has_swallowed(lines.taken, delimiter, width)
        ):
            fault = QUOTE
        if fault:
            restarts += 1
            if restarts > MAX_RESTARTS:
                raise _neither()
            cells = [clean(c) for c in lines.taken[0][:MAX_RECORD].split(delimiter)[:MAX_COLUMNS]]
            yield Row(number, [cell[:200] for cell in cells], fault, len(cells))
            lines.rewind()
            records = csv.reader(lines, delimiter=delimiter)
            continue
        width = width or len(record)
        cells = [clean(cell) for cell in record[:MAX_COLUMNS]]
        if any(cells):
            yield Row(number, cells, "", _filled(record))


_SEPARATOR = re.compile(r"sep=[,;\t|]?\s*$", re.I)


def _filled(record: list[str]) -> int:
    """Return how wide the record is without empty cells at its end."""
    width = len(record)
    while width and not record[width - 1]:
        width -= 1
    return width


def _has_swallowed(taken: list[str], delimiter: str, width: int) -> bool:
    """Return whether a line inside the record is a whole row: then a quote was not closed."""
    for line in taken[1:]:
        if "@" in line and width > 1:
            alone = next(csv.reader([line], delimiter=delimiter), [])
            if len(alone) == width:
                return True
    return False


# What no cell should hold: control characters, marks of order, zero-width ones. Tabs stay tabs.
_UNSEEN = dict.fromkeys(
    [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x200B, 0x2060, 0xFEFF]
) | {0x2028: "\n", 0x2029: "\n"}


def clean(text: str) -> str:
    if not text.isprintable():
        text = text.translate(_UNSEEN)
    return text.strip()


# ---------------------------------------------------------------- recognising


def _encoding(content: bytes) -> str:
    if content.startswith(b"\xef\xbb\xbf"):
        return "utf-8"
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    sample = content[:SAMPLE]
    for parity, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = sample[parity::2]
        if len(half) > 1 and half.count(0) > len(half) // 3 > sample[1 - parity :: 2].count(0):
            return encoding
    high = sum(byte > 0x7F for byte in sample)  # noqa: PLR2004 - ASCII ends there
    broken = sample.decode("utf-8", "replace").count("\ufffd")
    if broken * 20 <= high + 20 * (len(content) > SAMPLE):  # a few bad letters, or one cut in two
        return "utf-8"
    return _eight_bit(sample)


def _eight_bit(sample: bytes) -> str:
    """Cyrillic letters come in words; the accented ones of the West stand alone."""
    words = re.findall(rb"[\x80-\xff]+", sample)
    if sum(len(word) == 1 for word in words) > len(words) // 2:
        return "cp1252"
    return max(("cp1251", "cp866", "koi8-r"), key=lambda e: _russian(sample.decode(e, "replace")))


def _russian(text: str) -> int:
    """Return how Russian a text looks: small letters behind letters, and no odd signs."""
    words = re.findall(r"\b[А-ЯЁа-яё][а-яё]+\b", text)
    return sum(map(len, words)) - sum(letter in _ODD for letter in text)


_ODD = frozenset("░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ�")


def _delimiter(sample: str) -> str:
    """Return what divides most of the first lines into the same number of cells."""
    lines = sample.splitlines(keepends=True)[:30]
    if hint := re.match(r"sep=([,;\t|])\s*$", lines[0], re.I):
        return hint[1]
    best, best_score = ",", 0
    for delimiter in DELIMITERS:
        widths = []
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        except csv.Error:
            continue
        usual = max(set(widths), key=widths.count) if widths else 0
        score = widths.count(usual) * min(usual, 50) if usual > 1 else 0
        if score > best_score:
            best, best_score = delimiter, score
    return best
