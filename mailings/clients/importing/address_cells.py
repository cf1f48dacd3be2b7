"""What people write into the column of addresses: `Anna <anna@…>`, `mailto:…`, two at once.

One cell may hold several addresses: each becomes a row of its own. What is no address stays, as a
row that will be left out with its reason: nothing is dropped without a word.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from django.utils.translation import gettext as _

from mailings.addressing.written import mailboxes
from mailings.clients.importing import columns
from mailings.spreadsheets.layout import Row, Unreadable

_PLAIN = re.compile(r"[\w.+'-]{1,64}@[\w-]+(?:\.[\w-]+)+").fullmatch


def spread(rows: Iterable[Row], mapping: Sequence[str], most: int) -> Iterator[Row]:
    """Yield a row for each address; raises `Unreadable` when there are more than `most`."""
    column = mapping.index(columns.Target.EMAIL) if columns.Target.EMAIL in mapping else -1
    count = 0
    for row in rows:
        text = row.cells[column] if 0 <= column < len(row.cells) else ""
        is_one = not text or row.fault or _PLAIN(text)
        for each in (row,) if is_one else _each(row, column, text):
            count += 1
            if count > most:
                raise Unreadable(
                    _("The file has more than %(most)s addresses. Divide it into smaller ones.")
                    % {"most": f"{most:,}".replace(",", "\N{NO-BREAK SPACE}")}
                )
            yield each


def _each(row: Row, column: int, text: str) -> Iterator[Row]:
    for name, address in mailboxes(text) or [("", text)]:
        cells = [*row.cells[:column], address, *row.cells[column + 1 :]]
        yield row._replace(cells=cells, name=name)
