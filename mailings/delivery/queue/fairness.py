"""Which runs have something to send now, and which is next: round robin among owners, and among
each owner's runs, so that a big mailing never starves a small one.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet

from mailings.delivery.queue.claims import Claimed
from mailings.models import Chunk, Delivery, Run
from mailings.states import DeliveryStatus, MailingStatus, RunStatus

RETRYABLE = (DeliveryStatus.DEFERRED, DeliveryStatus.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class DueRun:
    """A run that may send now, and what must be known of it to claim from it."""

    run_id: int
    mailing_id: int
    owner_id: int
    until: datetime | None  # no retry from here on: the mailing's end or next occurrence
    has_chunk: bool
    has_retries: bool


def due_runs(now: datetime, *, mailing_id: int | None = None) -> list[DueRun]:
    """Return the runs of which something can be claimed, those begun first in front."""
    sql, places = _due_runs(connection.vendor, of_one=mailing_id is not None)
    known = {_NOW: connection.ops.adapt_datetimefield_value(now), _MAILING: mailing_id}
    with connection.cursor() as cursor:
        cursor.execute(sql, [known.get(place, place) for place in places])
        rows = cursor.fetchall()
    return [
        DueRun(
            run_id, mailing, owner, _first(end, following), has_chunk=bool(chunk),
            has_retries=bool(retries),
        )
        for run_id, mailing, owner, end, following, chunk, retries in rows
    ]  # fmt: skip


# What stands in the statement where the values of a call go.
_NOW = datetime(1, 1, 1, tzinfo=UTC)
_MAILING = -1


@cache
def _due_runs(vendor: str, *, of_one: bool) -> tuple[str, tuple[Any, ...]]:
    """Return the statement for this kind of database, and its parameters with the marks above.

    A worker asks it five times a second, and the ORM takes as long to write it as fifty mails do.
    """
    columns = ("pk", "mailing", "mailing__owner", "mailing__end_at", "mailing__next_run_at")
    rows = _claimable(_NOW, _MAILING if of_one else None).order_by("pk")
    query = rows.values_list(*columns, "has_chunk", "has_retries").query
    sql, parameters = query.sql_with_params()
    now = connection.ops.adapt_datetimefield_value(_NOW)
    return sql, tuple(_NOW if parameter == now else parameter for parameter in parameters)


def _first(*instants: datetime | str | None) -> datetime | None:
    """Return the first of them; SQLite gives text."""
    found = [
        instant if isinstance(instant, datetime) else datetime.fromisoformat(instant + "+00:00")
        for instant in instants
        if instant is not None
    ]
    return min(found, default=None)


def has_due(now: datetime, *, mailing_id: int | None = None) -> bool:
    return _claimable(now, mailing_id).exists()


def count_due(now: datetime, *, mailing_id: int | None = None) -> int:
    runs = sending_runs(now, mailing_id)
    retries = Delivery.objects.filter(
        run__in=runs, status__in=RETRYABLE, next_attempt_at__lte=now
    ).count()
    return retries + sum(run.pending_count for run in runs.defer("html", "text"))


def sending_runs(now: datetime, mailing_id: int | None = None) -> QuerySet[Run]:
    """Return the runs of which mail may leave now."""
    rows = Run.objects.filter(
        Q(mailing__end_at=None) | Q(mailing__end_at__gt=now),
        status=RunStatus.SENDING,
        mailing__status=MailingStatus.RUNNING,
        mailing__owner__is_active=True,
    )
    return rows if mailing_id is None else rows.filter(mailing=mailing_id)


def _claimable(now: datetime, mailing_id: int | None) -> QuerySet[Run]:
    free = Chunk.objects.filter(run=OuterRef("pk"), worker=None)
    # Through the small index of what waits for another try, not through all of the run.
    retries = Delivery.objects.filter(
        run=OuterRef("pk"), next_attempt_at__lte=now, status__in=RETRYABLE
    )
    waiting = Q(deferred_count__gt=0) | Q(uncertain_count__gt=0)
    return (
        sending_runs(now, mailing_id)
        .annotate(has_chunk=Exists(free), has_retries=Exists(retries))
        .filter(Q(has_chunk=True) | (waiting & Q(has_retries=True)))
    )


@dataclass(slots=True, eq=False)
class _RunQueue:
    run_id: int
    waiting: deque[Claimed] = field(default_factory=deque)


@dataclass(slots=True, eq=False)
class _OwnerQueue:
    owner_id: int
    runs: deque[_RunQueue] = field(default_factory=deque)


class RoundRobin:
    """What a worker holds and has not yet given to a connection; who is next. One thread's."""

    def __init__(self) -> None:
        self._owners: deque[_OwnerQueue] = deque()
        self._by_owner: dict[int, _OwnerQueue] = {}
        self._by_run: dict[int, _RunQueue] = {}
        self.size = 0

    def waiting(self, run_id: int) -> int:
        queue = self._by_run.get(run_id)
        return len(queue.waiting) if queue else 0

    def add(self, claimed: list[Claimed]) -> None:
        for one in claimed:
            self._queue_of(one).waiting.append(one)
        self.size += len(claimed)

    def requeue(self, claimed: Claimed) -> None:
        """Return one that was taken: it is the next of its run."""
        self._queue_of(claimed).waiting.appendleft(claimed)
        self.size += 1

    def take(self) -> Claimed | None:
        """Return the next one, or None when there is nothing."""
        if not self.size:
            return None
        owners = self._owners
        owner = owners[0]
        run = owner.runs[0]
        claimed = run.waiting.popleft()
        self.size -= 1
        if not run.waiting:
            owner.runs.popleft()
            del self._by_run[run.run_id]
            if not owner.runs:
                owners.popleft()
                del self._by_owner[owner.owner_id]
                return claimed
        else:
            owner.runs.rotate(-1)
        owners.rotate(-1)
        return claimed

    def drop(self, run_id: int) -> list[Claimed]:
        """Take out all that waits of a run."""
        queue = self._by_run.pop(run_id, None)
        if queue is None:
            return []
        for owner in self._owners:
            if queue in owner.runs:
                owner.runs.remove(queue)
                if not owner.runs:
                    self._owners.remove(owner)
                    del self._by_owner[owner.owner_id]
                break
        self.size -= len(queue.waiting)
        return list(queue.waiting)

    def drop_all(self) -> Iterator[Claimed]:
        for run_id in list(self._by_run):
            yield from self.drop(run_id)

    def _queue_of(self, claimed: Claimed) -> _RunQueue:
        queue = self._by_run.get(claimed.run_id)
        if queue is None:
            queue = self._by_run[claimed.run_id] = _RunQueue(claimed.run_id)
            owner = self._by_owner.get(claimed.owner_id)
            if owner is None:
                owner = self._by_owner[claimed.owner_id] = _OwnerQueue(claimed.owner_id)
                self._owners.append(owner)
            owner.runs.append(queue)
        return queue
