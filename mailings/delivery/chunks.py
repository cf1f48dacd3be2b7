"""Chunks of a run's pending deliveries: cut when it is frozen, leased by workers, gone when done.

A chunk changes hands by one UPDATE, where its deliveries would be a thousand. What was leased and
not handed over is given back by forgetting the lease; a delivery that was handed over is not
`pending` any more, or stands in its worker's `in_flight`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from mailings.models import Chunk
from mailings.states import DeliveryStatus

SIZE = 500
"""Deliveries. More of them make leasing cheaper, fewer keep consumers busy to a run's very end."""

LOSSES_MOST = 2
"""Workers that may die with a chunk before it is halved, or its only delivery given up."""


@dataclass(frozen=True, slots=True)
class Leased:
    pk: int
    run_id: int
    first_id: int
    last_id: int
    is_suspect: bool
    """A worker died with it."""


def cut(run_id: int) -> int:
    """Make the chunks of the run's pending deliveries; return how many."""
    with connection.cursor() as cursor:
        cursor.execute(_CUT, [run_id, SIZE, run_id, DeliveryStatus.PENDING.value])
        return int(cursor.rowcount)


_CUT = """
INSERT INTO mailings_chunk (run_id, first_id, last_id, losses)
SELECT %s, MIN(id), MAX(id), 0
FROM (
  SELECT id, (ROW_NUMBER() OVER (ORDER BY id) - 1) / %s AS number
  FROM mailings_delivery WHERE run_id = %s AND status = %s
) AS numbered
GROUP BY number ORDER BY number
"""


@transaction.atomic
def lease(run_id: int, worker: UUID) -> Leased | None:
    """Take the run's next free chunk, or None. A worker that is gone cannot: it has no row."""
    free = Chunk.objects.filter(run=run_id, worker=None)
    row = free.select_for_update(skip_locked=True, no_key=True).order_by("pk").first()
    if row is None:
        return None
    if row.losses >= LOSSES_MOST and row.first_id < row.last_id:
        _halve(row)
    if not free.filter(pk=row.pk).update(worker=worker):
        return None
    return Leased(row.pk, row.run_id, row.first_id, row.last_id, row.losses > 0)


def _halve(row: Chunk) -> None:
    """Keep the first half of a chunk with which workers die, and leave the second to itself."""
    middle = (row.first_id + row.last_id) // 2
    Chunk.objects.create(run_id=row.run_id, first_id=middle + 1, last_id=row.last_id, losses=1)
    row.last_id, row.losses = middle, 1
    row.save(update_fields=["last_id", "losses"])


def lose(worker: UUID) -> tuple[int, list[int]]:
    """Free the chunks of a dead worker; return how many, and the deliveries that killed it.

    Those are alone in their chunk, and took as many workers with them as a chunk may.
    """
    rows = Chunk.objects.filter(worker=worker)
    freed = rows.update(losses=F("losses") + 1)
    poison = rows.filter(first_id=F("last_id"), losses__gt=LOSSES_MOST)
    ids = list(poison.values_list("first_id", flat=True))
    poison.delete()
    rows.update(worker=None)
    return freed, ids


def finish(chunks: Collection[int], worker: UUID) -> None:
    """Drop chunks in which nothing is pending any more."""
    Chunk.objects.filter(pk__in=chunks, worker=worker).delete()


def release(worker: UUID, chunks: Collection[int] | None = None) -> int:
    """Leave these chunks (None: all) of the worker to others; return how many.

    The caller sees to it that nothing of them is in its hands.
    """
    rows = Chunk.objects.filter(worker=worker)
    if chunks is not None:
        rows = rows.filter(pk__in=chunks)
    return rows.update(worker=None)
