"""A table as a download, CSV or XLSX: made row by row, so that a million rows need no memory."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import get_language

from mailings.spreadsheets.formulas import UNUSUAL_STARTS, neutral
from mailings.spreadsheets.xlsx import writing

CSV, XLSX = "csv", "xlsx"
KINDS = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
PART = 64 * 1024  # characters of CSV sent at a time

Row = Sequence[Any]


def parts(rows: Iterable[Row], kind: str) -> Iterator[bytes]:
    """Return the file piece by piece; the first row is the head.

    Numbers stay numbers, `None` is an empty cell, and no text is left that begins a formula.
    """
    plain = ([_plain(value) for value in row] for row in rows)
    return writing.write_rows(plain) if kind == XLSX else _csv(plain)


class _Echo:
    """Hands back what `csv` writes."""

    def write(self, text: str) -> str:
        return text


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield CSV as the reader's Excel opens it by a double click: with a mark of its encoding,
    and in Russian with semicolons."""
    line = csv.writer(_Echo(), delimiter=";" if get_language() == "ru" else ",").writerow
    lines = ["\ufeff"]
    size = 0
    for row in rows:
        lines.append(line(row))
        size += len(lines[-1])
        if size >= PART:
            yield "".join(lines).encode("utf-8", "replace")
            lines.clear()
            size = 0
    yield "".join(lines).encode("utf-8", "replace")


def _plain(value: Any) -> writing.Cell:
    """Return a number, or text that no spreadsheet executes."""
    kind = value.__class__
    if kind is str:
        return neutral(value) if value[:1] in UNUSUAL_STARTS else value
    if value is None or kind is int or kind is float:
        return value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return neutral(str(value))
