"""CSV and plain text → rows of cells: delimiters, quotes, and quotes that were never closed."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from itertools import islice
from typing import IO

from django.utils.translation import gettext_lazy as _

from mailings.spreadsheets.encodings import BAD, mended
from mailings.spreadsheets.layout import (
    CUT,
    LETTERS,
    LINES,
    MAX_COLUMNS,
    MAX_LINES,
    MAX_RECORD,
    QUOTE,
    Layout,
    Row,
    Unreadable,
    clean,
)

DELIMITERS = (",", ";", "\t", "|")
CURLY = "“"
QUOTES = ('"', "'", CURLY)
MAX_READ_AGAIN = 16_000_000
"""Characters. Behind a quote that is never closed reading begins again with the next line: more
than the whole file holds is an attack."""
MAX_RESTARTS = 20_000
_NEVER = "\x1f"  # what no text holds stands for no delimiter
_LOOKED_AT = 30  # lines


class _Lines:
    """Lines of the file; those of the present record can be read once more."""

    def __init__(self, source: Iterator[str]) -> None:
        self.source = source
        self.again: list[str] = []
        self.taken: list[str] = []
        self.length = self.count = self.read_again = self.restarts = 0
        self.is_over = False

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self.again.pop() if self.again else next(self.source, "")
        if not line:
            self.is_over = True
            raise StopIteration
        self.taken.append(line)
        self.count += 1
        if self.count > MAX_LINES:
            raise Unreadable(_("The file has too many empty rows. Save only the table itself."))
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
        self.read_again += self.length - len(self.taken[0])
        self.count -= len(self.taken) - 1
        self.restarts += 1
        self.is_over = False
        if self.read_again > MAX_READ_AGAIN or self.restarts > MAX_RESTARTS:
            raise Unreadable(_("Too many quotation marks are opened in the file and not closed."))


def rows(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    """Yield every row that holds anything; those that cannot be read have a fault."""
    file.seek(0)
    encoding = _with_its_mark(layout.encoding, file.read(4))
    file.seek(0)
    source = io.TextIOWrapper(file, encoding, errors="replace", newline="")
    delimiter = _NEVER if layout.delimiter == LINES else layout.delimiter or ","
    lines: Iterator[str] = iter(source.readline, "")
    if layout.quote == CURLY:
        lines = _straight(lines, delimiter)
    quote = '"' if layout.quote == CURLY else layout.quote
    try:
        yield from _records(_Lines(lines), delimiter, quote, layout.mend)
    finally:
        source.detach()  # or it would close the file, which is the caller's


_MARKED = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}


def _with_its_mark(encoding: str, start: bytes) -> str:
    """Return the encoding that reads the mark of order at the start, and misses none."""
    if encoding == "utf-8":
        return "utf-8-sig"
    name = encoding[:6]
    if name not in _MARKED:
        return encoding
    if start.startswith(_MARKED[name]):
        return name
    return encoding if encoding != name else f"{name}-le"


def _records(lines: _Lines, delimiter: str, quote: str, mend: str) -> Iterator[Row]:
    number = width = 0
    records = csv.reader(lines, delimiter=delimiter, quotechar=quote)
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
        if not record and not fault and not lines.is_over:
            continue
        if number == 1 and _SEPARATOR.match("".join(record) or lines.taken[0]):
            continue  # Excel's own hint
        if lines.is_over or (
            len(lines.taken) > 1 and _has_swallowed(lines.taken, delimiter, quote, width)
        ):
            fault = QUOTE
        if fault:
            yield _faulty(number, lines.taken[0], delimiter, fault)
            lines.rewind()
            records = csv.reader(lines, delimiter=delimiter, quotechar=quote)
            continue
        width = width or len(record)
        row = _row(number, record, mend)
        if row is not None:
            yield row


_SEPARATOR = re.compile(r"sep=[,;\t|]?\s*$", re.I)


def _row(number: int, record: list[str], mend: str) -> Row | None:
    kept = record if len(record) <= MAX_COLUMNS else record[:MAX_COLUMNS]
    if mend:
        kept = [mended(cell, mend) for cell in kept]
    # Most rows have nothing to clean: one look at all of a row is cheaper than one at each cell.
    whole = "".join(kept)
    is_plain = whole.isprintable()
    cells = [cell.strip() for cell in kept] if is_plain else [clean(cell) for cell in kept]
    if not any(cells):
        return None
    return Row(number, cells, LETTERS if BAD in whole else "", _filled(record))


def _faulty(number: int, line: str, delimiter: str, fault: str) -> Row:
    parts = line[:MAX_RECORD].split(delimiter, MAX_COLUMNS)[:MAX_COLUMNS]
    cells = [clean(part).strip("\"'“”")[:200] for part in parts]
    return Row(number, cells, fault, len(cells))


def _filled(record: list[str]) -> int:
    """Return how wide the record is without empty cells at its end."""
    width = len(record)
    while width and not record[width - 1]:
        width -= 1
    return width


def _has_swallowed(taken: list[str], delimiter: str, quote: str, width: int) -> bool:
    """Return whether the record has swallowed other rows, because a quote was not closed.

    A quote that is closed where a cell ends is sound, whatever stands between; of the others,
    those are not that hold a line which looks like a row: cells, and an address among them.
    """
    suspects = [line for line in taken[1:] if "@" in line] if width > 1 else []
    if not suspects or _is_sound(taken, delimiter, quote):
        return False
    return any(
        len(next(csv.reader([line], delimiter=delimiter, quotechar=quote), [])) > 1
        for line in suspects
    )


def _is_sound(taken: list[str], delimiter: str, quote: str) -> bool:
    """Return whether the quotes are as RFC 4180 wants them: a closing one ends its cell."""
    lines = iter(taken)
    try:
        next(csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True), None)
    except csv.Error:
        return False
    return next(lines, None) is None


def _straight(lines: Iterator[str], delimiter: str) -> Iterator[str]:
    """Turn “ and ” around cells into straight quotes; those inside are doubled."""
    sign = re.escape(delimiter)
    opening = re.compile(rf"(?:(?<={sign})|^)[ ]?[“„]")
    closing = re.compile(rf"[”“](?=[ ]?(?:{sign}|[\r\n]|$))")
    for line in lines:
        yield closing.sub('"', opening.sub('"', line.replace('"', '""')))


# ---------------------------------------------------------------- recognising


def recognised(sample: str) -> tuple[str, str]:
    """Return the delimiter and the sign of quotation, as most of the first lines have them."""
    quote = _quote(sample)
    sample = sample[: 64 * 1024]
    if hint := re.match(r"sep=([,;\t|])\s*$", sample[:20].splitlines()[0], re.I):
        return hint[1], quote
    found, width = _delimiter(sample, quote)
    if not found or width < 2 or _holds_addresses_only(sample, found, quote):  # noqa: PLR2004 - one column needs no delimiter
        return LINES, quote
    return found, quote


def _quote(sample: str) -> str:
    if len(re.findall(r'(?:^|[,;\t|])"', sample[:20_000], re.M)):
        return '"'
    for quote, pattern in (
        ("'", r"(?:^|[,;\t|])'[^'\r\n]*'(?=[,;\t|\r\n]|$)"),
        (CURLY, r"(?:^|[,;\t|])[“„][^”\r\n]*[”“](?=[,;\t|\r\n]|$)"),
    ):
        if len(re.findall(pattern, sample[:20_000], re.M)) > 1:
            return quote
    return '"'


def _first_lines(sample: str, count: int = _LOOKED_AT) -> list[str]:
    return list(islice(io.StringIO(sample, newline=""), count))


def _records_in(sample: str, delimiter: str, quote: str) -> list[list[str]]:
    lines = iter(_first_lines(sample))
    if quote == CURLY:
        lines, quote = _straight(lines, delimiter), '"'
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter, quotechar=quote) if row]
    except csv.Error:
        return []


def _delimiter(sample: str, quote: str) -> tuple[str, int]:
    """Return what divides most of the first lines into the same number of cells, and how many."""
    best, best_width, best_score = "", 0, 0
    for delimiter in DELIMITERS:
        widths = [len(row) for row in _records_in(sample, delimiter, quote)]
        usual = max(set(widths), key=widths.count) if widths else 0
        score = widths.count(usual) * min(usual, 50) if usual > 1 else 0
        if score > best_score:
            best, best_width, best_score = delimiter, usual, score
    return best, best_width


def _holds_addresses_only(sample: str, delimiter: str, quote: str) -> bool:
    """Return whether each line is a list of addresses, and none is a head of several columns."""
    records = _records_in(sample, delimiter, quote)
    filled = [[cell for cell in record if cell.strip()] for record in records]
    if filled and len(filled[0]) < 2 and not any("@" in cell for cell in filled[0]):  # noqa: PLR2004 - a title, or a head
        filled = filled[1:]
    cells = [cell for record in filled for cell in record]
    return bool(cells) and all("@" in cell for cell in cells) and any(len(r) > 1 for r in filled)
