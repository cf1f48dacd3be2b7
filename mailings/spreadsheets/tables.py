"""A file of clients → numbered rows of text, whatever program wrote it: CSV and plain text
(`delimited`), XLSX (`xlsx`), vCards (`vcards`).

Files are binary ones that can be read from any place; each function begins at the beginning.

Nothing here raises but `Unreadable`: a row that cannot be read is a row with a fault.
"""

from collections.abc import Generator, Iterator
from itertools import dropwhile, islice
from typing import IO

from django.utils.translation import gettext_lazy as _

from mailings.spreadsheets import delimited, encodings, kinds, vcards
from mailings.spreadsheets.layout import (
    CSV,
    CUT,
    LETTERS,
    LINES,
    MAX_COLUMNS,
    QUOTE,
    SAMPLE,
    VCARD,
    XLSX,
    Layout,
    Row,
    Unreadable,
    clean,
)
from mailings.spreadsheets.xlsx import reading

__all__ = [
    "CSV", "CUT", "DELIMITERS", "ENCODINGS", "LETTERS", "LINES", "MAX_BYTES", "MAX_COLUMNS",
    "MAX_ROWS", "QUOTE", "VCARD", "XLSX", "Layout", "Row", "Unreadable", "clean", "count", "head",
    "read", "recognise",
]  # fmt: skip

MAX_BYTES = 10 * 1024 * 1024
MAX_ROWS = 100_000
DELIMITERS = (*delimited.DELIMITERS, LINES)
ENCODINGS = (
    "utf-8", "cp1251", "utf-16", "cp1252", "cp866", "koi8-r", "mac-cyrillic", "utf-16-le",
    "utf-16-be", "utf-32", "cp1250",
)  # fmt: skip


class TooMuch(Unreadable):
    """What the file holds besides its table would take too long to read."""


def recognise(content: bytes) -> Layout:
    """Tell how the file is written down (without the head); raises `Unreadable`."""
    if not content.strip(b"\x00 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Unreadable(_("The file is empty."))
    if foreign := kinds.foreign(content):
        raise Unreadable(foreign)
    if content.startswith(b"PK"):
        return Layout(XLSX)
    encoding = encodings.encoding_of(content)
    sample = content[:SAMPLE].decode(encoding, "replace")
    if sum(not c.isprintable() and not c.isspace() for c in sample) > len(sample) // 20 + 8:
        raise _neither()
    is_wide = encoding.startswith(("utf-16", "utf-32"))
    told = sample if is_wide else encodings.telling(content).decode(encoding, "replace")
    mend = encodings.mend_for(told)
    if vcards.is_vcard(sample):
        return Layout(VCARD, encoding, head=0, mend=mend)
    sample = sample.lstrip("\ufeff")
    delimiter, quote = delimited.recognised(sample) if sample else (LINES, '"')
    return Layout(CSV, encoding, delimiter, quote=quote, mend=mend)


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
            raise _broken(file, error) from error
        about = max(about - layout.has_header, 0)
        if about < MAX_ROWS:  # else many may be empty: they have to be read
            return about
        try:
            return sum(1 for _row in read(file, layout, reading.LOOK))
        except TooMuch:
            return about  # who reads all of it will know
    return sum(1 for _row in read(file, layout))


def read(
    file: IO[bytes], layout: Layout, effort: int = reading.WHOLE
) -> Generator[Row, None, None]:
    """Yield the rows below the head that hold anything; raises `Unreadable`."""
    rows = every_row(file, layout, effort)
    if layout.has_header:
        rows = dropwhile(lambda row: row.number < layout.head, rows)
        next(rows, None)
    for number, row in enumerate(rows):
        if number == MAX_ROWS:
            raise Unreadable(
                _("The file has more than %(most)s rows. Divide it into smaller ones.")
                % {"most": f"{MAX_ROWS:,}".replace(",", "\N{NO-BREAK SPACE}")}
            )
        yield row


def head(file: IO[bytes], layout: Layout, count: int) -> list[Row]:
    """Return the first rows, the head and what stands above it among them.

    Of a file that breaks off among them, those before: the whole of it is read by a worker.
    """
    rows: list[Row] = []
    try:
        for row in islice(every_row(file, layout, reading.LOOK), count):
            rows.append(row)  # noqa: PERF402 - what came before a fault is kept
    except Unreadable:
        if not rows:
            raise
    return rows


def every_row(file: IO[bytes], layout: Layout, effort: int = reading.WHOLE) -> Iterator[Row]:
    """`effort`: elements of XML that may be looked at."""
    if layout.kind == XLSX:
        return _xlsx_rows(file, layout.mend, effort)
    return vcards.rows(file, layout) if layout.kind == VCARD else delimited.rows(file, layout)


# ---------------------------------------------------------------- XLSX


def _xlsx_rows(file: IO[bytes], mend: str, effort: int) -> Iterator[Row]:
    try:
        for number, cells, is_cut, width in reading.read_rows(file, MAX_COLUMNS, effort):
            cleaned = [clean(encodings.mended(cell, mend) if mend else cell) for cell in cells]
            if any(cleaned):
                is_spoilt = not is_cut and any(encodings.BAD in cell for cell in cleaned)
                fault = CUT if is_cut else LETTERS if is_spoilt else ""
                yield Row(number, cleaned, fault, width)
    except reading.Broken as error:
        raise _broken(file, error) from error


def _broken(file: IO[bytes], error: reading.Broken) -> Unreadable:
    if isinstance(error, reading.TooMuch):
        return TooMuch(
            _(
                "The XLSX file holds too much besides the table, or is damaged."
                " Copy the table into a new file, or save it as CSV."
            )
        )
    file.seek(0)
    if b"[Content_Types].xml" not in file.read():
        return _neither()
    return Unreadable(
        _("The XLSX file is damaged or too large when unpacked. Save it once more, or as CSV.")
    )
