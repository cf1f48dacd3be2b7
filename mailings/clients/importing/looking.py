"""A first look at a file: its head, its first rows, how many there are, and what looks doubtful."""

import io
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from mailings.clients.importing.columns import HEAD_ROWS
from mailings.spreadsheets import tables
from mailings.spreadsheets.encodings import EIGHT_BIT
from mailings.spreadsheets.layout import LINES, XLSX, Layout, Row

SAMPLE_ROWS = 5
DOUBTS = 20  # rows shown
BUDGET = 3.0
"""Seconds of the processor: somebody waits for the page. A worker reads what is left."""
WORDS = 6  # words that tell whether the encoding is right
_SHOWN = 60  # characters of a cell
_CELLS = 8  # of a row that may be the head

QUESTIONS, SEVERAL_LINES = "questions", "lines"
"""Doubts beside the values of `plan.Fault`."""


@dataclass(slots=True)
class Look:
    head: Row | None
    sample: list[Row]
    """The first rows below the head that can be read."""
    top: list[Row]
    """The first rows of all: one of them is the head, or none."""
    count: int = 0
    width: int = 0
    """Columns of the widest row; no more than `tables.MAX_COLUMNS` are read."""
    doubts: list[tuple[int, str, str]] = field(default_factory=list)
    """(number, what is there, reason) of the first rows that look wrong."""
    doubt_count: int = 0
    words: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "top": [
                [row.number, [cell[:_SHOWN] for cell in row.cells[:_CELLS]]] for row in self.top
            ],
            "numbers": [row.number for row in self.sample],
            "width": self.width,
            "unread": max(0, self.width - tables.MAX_COLUMNS),
            "doubts": self.doubts,
            "doubt_count": self.doubt_count,
            "words": self.words,
        }


def look(file: IO[bytes], layout: Layout) -> Look:
    """Raises `tables.Unreadable`."""
    first = tables.head(file, layout, HEAD_ROWS + SAMPLE_ROWS + 1)
    below = [row for row in first if row.number >= layout.head or not layout.has_header]
    head = below.pop(0) if below and layout.has_header else None
    sample = [row for row in below if not row.fault][:SAMPLE_ROWS]
    found = Look(head, sample, first[:HEAD_ROWS])
    found.width = max((row.width for row in first), default=0)
    if layout.kind == XLSX:
        found.count = tables.count(file, layout)
        for row in below:
            _doubt(found, row, "")
    else:
        _survey(found, file, layout)
    return found


def _survey(found: Look, file: IO[bytes], layout: Layout) -> None:
    delimiter = "" if layout.delimiter == LINES else layout.delimiter
    has_guess = layout.encoding in EIGHT_BIT or bool(layout.mend)
    words: dict[str, None] = {}
    ends = time.thread_time() + BUDGET
    for row in tables.read(file, layout):
        found.count += 1
        if found.count % 256 == 0 and time.thread_time() > ends:
            found.count = _inferred(found.count, file)
            break
        found.width = max(found.width, row.width)
        _doubt(found, row, delimiter)
        if has_guess and len(words) < WORDS:
            words.update((cell[:40], None) for cell in row.cells if not cell.isascii())
    found.words = list(words)[:WORDS]


def _inferred(count: int, file: IO[bytes]) -> int:
    """Return about how many rows there are, if so many were in what is read of the file."""
    done = file.tell()
    return count * file.seek(0, io.SEEK_END) // max(done, 1)


def _doubt(found: Look, row: Row, delimiter: str) -> None:
    reason = row.fault or _doubtful(row.cells, delimiter)
    if reason:
        found.doubt_count += 1
        if len(found.doubts) < DOUBTS:
            shown = " · ".join(cell[:_SHOWN] for cell in row.cells[:4] if cell)
            found.doubts.append((row.number, shown, reason))


_LOST = re.compile(r"\?\?\?|\?\? \?\?")


def _doubtful(cells: Sequence[str], delimiter: str) -> str:
    """Return why a row that can be read may still be a wrong one."""
    for cell in cells:
        if "??" in cell and _LOST.search(cell):
            return QUESTIONS
        if "\n" in cell and delimiter:
            lines = cell.split("\n")[1:]
            if any("@" in line and delimiter in line for line in lines):
                return SEVERAL_LINES
    return ""
