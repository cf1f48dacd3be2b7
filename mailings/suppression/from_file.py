"""The addresses of a file that somebody wants on a stop-list: of the column that holds most."""

import io
from collections import Counter
from itertools import islice
from typing import NamedTuple

from django.core.exceptions import ValidationError

from mailings.addressing import addresses
from mailings.addressing.written import mailboxes
from mailings.spreadsheets import tables


class Found(NamedTuple):
    """What a file holds."""

    mailboxes: list[str]
    """Each once, in the order of the file."""
    rows_without: int
    """Rows that hold no address in that column, without the head."""


def read(content: bytes) -> Found:
    """Return the addresses of a file. Raises `tables.Unreadable`."""
    layout = tables.recognise(content)
    rows = list(islice(tables.every_row(io.BytesIO(content), layout), tables.MAX_ROWS))
    found = [[_in_cell(cell) for cell in row.cells] for row in rows]
    counts = Counter(n for row in found for n, cell in enumerate(row) if cell)
    column = max(counts, key=lambda n: (counts[n], -n), default=0)
    picked = [row[column] if column < len(row) else [] for row in found]
    without = sum(not cell for cell in picked)
    if rows and not picked[0] and not any("@" in cell for cell in rows[0].cells):
        without -= 1  # the head
    return Found(list(dict.fromkeys(box for cell in picked for box in cell)), without)


def _in_cell(cell: str) -> list[str]:
    if "@" not in cell:
        return []
    good = []
    for _name, part in mailboxes(cell):
        try:
            good.append(addresses.read(part).mailbox)
        except ValidationError:
            continue
    return good
