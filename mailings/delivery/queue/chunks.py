"""Chunks of a run's pending deliveries: cut when it is frozen, leased by workers, gone when done.

A chunk gets another worker by one UPDATE, where its deliveries would be a thousand. What was leased
and not handed over is given back by forgetting the lease; a delivery that was handed over is not
`pending` any more, or stands in its worker's `in_flight`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F

from mailings.models import Chunk
from mailings.states import DeliveryStatus, MailingStatus, RunStatus

SIZE = 500
"""Deliveries. More of them make leasing cheaper, fewer keep consumers busy to a run's very end."""

LOSSES_MOST = 2
"""Workers that may die of a chunk before it is halved, or its only delivery given up. The first
may have died of anything else; the others died while its mails were read and made for trial."""


@dataclass(frozen=True, slots=True)
class Leased:
    pk: int
    run_id: int
    first_id: int
    last_id: int
    is_suspect: bool
    """A worker died with it: it is tried first."""


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


def lease(run_id: int, worker: UUID) -> Leased | None:
    """Take the next free chunk of a run that may send, or None. Raises `IntegrityError` for a
    worker that is gone: it has no row."""
    skip = "FOR NO KEY UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    owner = Chunk._meta.get_field("worker").get_db_prep_value(worker, connection)
    with connection.cursor() as cursor:
        states = [RunStatus.SENDING.value, MailingStatus.RUNNING.value]
        cursor.execute(_LEASE.format(skip=skip), [owner, run_id, run_id, *states])
        row = cursor.fetchone()
    if row is None:
        return None
    pk, first_id, last_id, losses = row
    if losses >= LOSSES_MOST and first_id < last_id:
        last_id = _halve(pk, run_id, first_id, last_id)
    return Leased(pk, run_id, first_id, last_id, losses > 0)


# One statement where finding and taking would be four trips: the reading thread does it for each
# five hundred mails. It asks for the states again, because it may have waited for the very commit
# that paused the mailing and let the chunk go.
_LEASE = """
UPDATE mailings_chunk SET worker_id = %s
WHERE worker_id IS NULL AND id = (
  SELECT id FROM mailings_chunk WHERE run_id = %s AND worker_id IS NULL ORDER BY id LIMIT 1 {skip}
) AND EXISTS (
  SELECT 1 FROM mailings_run r JOIN mailings_mailing m ON m.id = r.mailing_id
  WHERE r.id = %s AND r.status = %s AND m.status = %s
)
RETURNING id, first_id, last_id, losses
"""


@transaction.atomic
def _halve(pk: int, run_id: int, first_id: int, last_id: int) -> int:
    """Keep the first half of a chunk with which workers die, and leave the second to itself;
    return where the first one ends."""
    middle = (first_id + last_id) // 2
    Chunk.objects.create(run_id=run_id, first_id=middle + 1, last_id=last_id, losses=1)
    Chunk.objects.filter(pk=pk).update(last_id=middle, losses=1)
    return middle


def reset_losses(chunk: int, worker: UUID) -> None:
    """Note that this chunk does not kill a worker: all its mails were made."""
    Chunk.objects.filter(pk=chunk, worker=worker).update(losses=0)


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

    The caller sees to it that nothing of them is in flight.
    """
    rows = Chunk.objects.filter(worker=worker)
    if chunks is not None:
        rows = rows.filter(pk__in=chunks)
    return rows.update(worker=None)
