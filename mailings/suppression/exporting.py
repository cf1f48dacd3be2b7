"""The stop-list as a table to download: a few thousand in memory, read by short queries.

What comes out can be imported again unchanged.
"""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy

from mailings.models import Suppression
from mailings.spreadsheets.downloads import Row
from mailings.web import words

CHUNK = 5_000  # rows a query

HEADS = (
    gettext_lazy("E-mail"),
    gettext_lazy("State"),
    gettext_lazy("In this state since"),
    gettext_lazy("How it is known"),
)


def state_of(entry: Suppression) -> tuple[str, Any, str]:
    """Return why somebody gets no mail, since which day, and how that is known."""
    day = entry.happened_on or entry.created_at.date()
    return words.suppressed(entry.reason), day, entry.source_in_words


def stop_list(chosen: QuerySet[Suppression]) -> Iterator[Row]:
    """Yield a head, then the entries, the oldest first; those whose address was erased are only
    known by a fingerprint and cannot be told."""
    yield HEADS
    readable = chosen.exclude(address="")
    last = 0
    while rows := list(readable.filter(pk__gt=last).order_by("pk")[:CHUNK]):
        last = rows[-1].pk
        for entry in rows:
            yield (entry.address, *state_of(entry))
