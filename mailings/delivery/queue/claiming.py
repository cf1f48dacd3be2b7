"""The queue is the delivery rows. Workers claim them under a lease and give back what they have not
handed over; what a dead worker held is rescued. Leases, locks and SQL stay in here and in
`recording`, which writes what became of them.

A worker is a `WorkerLease` row; its id fences it: whoever rescues a worker deletes its row, and
every later write of the sleeper fails with `LeaseLost`. First tries are claimed a chunk at a time,
other tries row by row. Before a delivery is handed over, it stands in the row's `in_flight`,
committed: after a crash exactly those are uncertain, and all others are safe to send.

Locks are taken in one order, so that nobody waits in a circle: worker, deliveries it claimed,
runs by id, other deliveries.
"""

import json
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Min, OuterRef, Subquery

from mailings.delivery.queue import chunks, fairness, lease
from mailings.delivery.queue.claims import Claimed
from mailings.delivery.queue.counters import CounterChanges, lock_runs
from mailings.delivery.queue.fairness import RETRYABLE, DueRun
from mailings.delivery.queue.lease import LeaseLost
from mailings.models import Attempt, Client, ClientDeletion, Delivery, WorkerLease
from mailings.signals import deliveries_ready
from mailings.states import DeliveryStatus, Outcome, SkipReason
from mailings.suppression import stop_list

log = logging.getLogger(__name__)

LEASE_LOSSES_MOST = 3
"""A delivery in whose handing over so many workers died is poison: it fails."""

D = DeliveryStatus

__all__ = [
    "Claimed", "LeaseLost", "claim", "claim_chunk", "claim_retries", "count_due", "enlist",
    "has_due", "next_due", "postpone", "release", "release_deliveries", "rescue_expired", "retire",
    "skip_unwanted",
]  # fmt: skip

has_due = fairness.has_due
count_due = fairness.count_due


def enlist(now: datetime) -> UUID:
    """Begin a worker's life; return its id."""
    return lease.begin(now)


@transaction.atomic
def retire(worker: UUID, now: datetime) -> None:
    """End a worker's life: what it has not handed over is at once free for others."""
    # Its feeder may be claiming at this moment: whatever comes behind the lock finds no worker.
    list(WorkerLease.objects.select_for_update().filter(pk=worker).values_list("pk"))
    release(worker, now)
    lease.end(worker)


# ---------------------------------------------------------------- claim


def claim(run: DueRun, worker: UUID, now: datetime) -> list[Claimed]:
    """Take what is due of the run, at most a chunk: other tries first, they were due before.

    Asks at the last moment but one: a suppressed address or a deleted client is skipped. Whether
    the mailing may send was asked by `fairness.due_runs`, and is again when a mail is handed over.
    """
    claimed = claim_retries(run, chunks.SIZE, worker, now) if run.has_retries else []
    while run.has_chunk and not claimed:
        # A chunk all of whose deliveries are unwanted yields nothing: on to the next.
        try:
            leased = chunks.lease(run.run_id, worker)
        except IntegrityError as error:
            raise LeaseLost from error
        if leased is None:
            break
        claimed = claim_chunk(run, leased, worker, now)
    return claimed


def claim_chunk(run: DueRun, leased: chunks.Leased, worker: UUID, now: datetime) -> list[Claimed]:
    """Return the pending deliveries of a chunk this worker has leased."""
    read_at = time.monotonic()
    rows = _pending(run.run_id, leased)
    unwanted = _unwanted(
        run.owner_id, ((pk, address, client) for pk, address, _, _, client in rows)
    )
    if unwanted:
        with transaction.atomic():
            skip_unwanted(run.run_id, unwanted, D.PENDING, now)
    resends = settings.UNCERTAIN_RESENDS
    # Read as one text: to read each alone costs as much as all else that is done here.
    variables = json.loads(f"[{','.join([row[3] for row in rows])}]")
    wanted = [
        Claimed(
            pk, run.run_id, run.mailing_id, run.owner_id, address, name, known,
            read_at, run.until, leased.pk, leased.is_suspect, resends_left=resends,
        )
        for (pk, address, name, _, _), known in zip(rows, variables, strict=True)
        if pk not in unwanted
    ]  # fmt: skip
    if not wanted:
        chunks.finish([leased.pk], worker)
    return wanted


_PENDING = """
SELECT id, COALESCE(spelling, address), full_name, variables, client_id FROM mailings_delivery
WHERE id BETWEEN %s AND %s AND run_id = %s AND status = %s ORDER BY id
"""


def _pending(run_id: int, leased: chunks.Leased) -> list[tuple[int, str, str, str, int | None]]:
    """Return id, address, name, variables (JSON) and client of the chunk's pending deliveries."""
    # As the driver gives them: to have the ORM convert the values doubles what a row costs.
    with connection.cursor() as cursor:
        cursor.execute(_PENDING, [leased.first_id, leased.last_id, run_id, D.PENDING.value])
        rows: list[tuple[int, str, str, str, int | None]] = cursor.fetchall()
    return rows


@transaction.atomic
def claim_retries(run: DueRun, limit: int, worker: UUID, now: datetime) -> list[Claimed]:
    """Take deliveries of the run whose time for another try has come, row by row."""
    lease.renew(worker, now)
    read_at = time.monotonic()
    rows = _lock_due(run, limit, now)
    unwanted = _unwanted(run.owner_id, ((row.pk, row.address, row.client_id) for row in rows))
    counters = CounterChanges()
    if rows:
        lock_runs([run.run_id])
    for before in RETRYABLE:
        mine = [row.pk for row in rows if row.status == before]
        taken = [pk for pk in mine if pk not in unwanted]
        _skip(
            run.run_id, {pk: unwanted[pk] for pk in mine if pk in unwanted}, before, now, counters
        )
        moved = Delivery.objects.filter(pk__in=taken).move(
            D.SENDING, among=[before], lease_owner=worker
        )
        counters.move(run.run_id, before, D.SENDING, moved)
    counters.write()
    return [_claimed_retry(row, run, read_at) for row in rows if row.pk not in unwanted]


def _lock_due(run: DueRun, limit: int, now: datetime) -> list[Delivery]:
    """Lock due deliveries of the run that no other worker is looking at."""
    ids = list(
        Delivery.objects.filter(run=run.run_id, next_attempt_at__lte=now)
        .with_status(*RETRYABLE)
        .select_for_update(skip_locked=True, no_key=True)
        .order_by("next_attempt_at", "pk")
        .values_list("pk", flat=True)[:limit]
    )
    first_refusal = (
        Attempt.objects.filter(delivery=OuterRef("pk"), outcome=Outcome.TEMPORARY)
        .order_by()
        .values("delivery")
        .annotate(first=Min("started_at"))
        .values("first")
    )
    rows = Delivery.objects.filter(pk__in=ids).annotate(first_refused_at=Subquery(first_refusal))
    return list(rows.order_by("pk"))


def _claimed_retry(row: Delivery, run: DueRun, read_at: float) -> Claimed:
    before = D(row.status)
    resends = row.uncertain_resends + (before == D.UNCERTAIN)
    return Claimed(
        row.pk, run.run_id, run.mailing_id, run.owner_id, row.address, row.full_name,
        row.variables, read_at, run.until,
        before=before,
        tries=row.tries,
        attempts=row.attempt_count,
        resends_left=settings.UNCERTAIN_RESENDS - resends,
        first_refused_at=row.first_refused_at,  # type: ignore[attr-defined]
    )  # fmt: skip


def _unwanted(owner_id: int, rows: Iterable[tuple[int, str, int | None]]) -> dict[int, SkipReason]:
    """Return which of (delivery, address, client) must never be sent, and why."""
    found = list(rows)
    leaving = _leaving_among(owner_id, [client for _, _, client in found if client])
    suppressed = stop_list.suppressed_among(owner_id, {address for _, address, _ in found})
    reasons = {}
    for pk, address, client_id in found:
        if client_id is None or client_id in leaving:
            reasons[pk] = SkipReason.CLIENT_DELETED
        elif address in suppressed:
            reasons[pk] = SkipReason.SUPPRESSED
    return reasons


def _leaving_among(owner_id: int, clients: Sequence[int]) -> set[int]:
    """Return which of the clients are being deleted in the background."""
    if not ClientDeletion.objects.filter(owner=owner_id, finished_at=None).exists():
        return set()
    rows = Client._base_manager.filter(pk__in=clients, deletion__isnull=False)
    return set(rows.values_list("pk", flat=True))


def unwanted_among(claims: Sequence[Claimed]) -> dict[int, SkipReason]:
    """Return which of the claimed deliveries must not be sent any more, and why."""
    clients = dict(
        Delivery.objects.filter(pk__in=[c.pk for c in claims]).values_list("pk", "client_id")
    )
    reasons: dict[int, SkipReason] = {}
    for owner_id in {claimed.owner_id for claimed in claims}:
        mine = [claimed for claimed in claims if claimed.owner_id == owner_id]
        reasons |= _unwanted(owner_id, ((c.pk, c.address, clients.get(c.pk)) for c in mine))
    return reasons


def skip_unwanted(
    run_id: int, reasons: dict[int, SkipReason], before: DeliveryStatus, now: datetime
) -> None:
    """Settle deliveries that must not be sent. The run's lock is taken first."""
    lock_runs([run_id])
    counters = CounterChanges()
    _skip(run_id, reasons, before, now, counters)
    counters.write()


def _skip(
    run_id: int,
    reasons: dict[int, SkipReason],
    before: DeliveryStatus,
    now: datetime,
    counters: CounterChanges,
) -> None:
    for reason in set(reasons.values()):
        rows = Delivery.objects.filter(pk__in=[pk for pk, why in reasons.items() if why == reason])
        moved = rows.move(
            D.SKIPPED,
            among=[before],
            reason=reason,
            next_attempt_at=None,
            finished_at=now,
            lease_owner=None,
        )
        counters.move(run_id, before, D.SKIPPED, moved)


# ---------------------------------------------------------------- give back, rescue


@transaction.atomic
def release(worker: UUID, now: datetime) -> int:
    """Give back what the worker has claimed; nothing of it may be in flight any more."""
    freed = chunks.release(worker)
    counters = CounterChanges()
    freed += _release_deliveries(worker, now, counters)
    counters.write()
    return freed


def release_deliveries(worker: UUID, now: datetime, ids: Collection[int]) -> None:
    """Return deliveries that were claimed row by row and may not be sent now."""
    counters = CounterChanges()
    _release_deliveries(worker, now, counters, ids=ids)
    counters.write()


def postpone(worker: UUID, postponed: Iterable[tuple[Claimed, datetime]]) -> None:
    """Leave claimed deliveries, untried and uncharged, to whoever works at their time. The worker
    holds them: its lease is asked in the same transaction."""
    kinds: dict[tuple[int, DeliveryStatus, datetime], list[int]] = defaultdict(list)
    for claimed, at in postponed:
        kinds[claimed.run_id, claimed.before, at].append(claimed.pk)
    lock_runs({run_id for run_id, _, _ in kinds})
    counters = CounterChanges()
    for (run_id, before, at), ids in kinds.items():
        is_first = before == D.PENDING
        rows = Delivery.objects.filter(pk__in=ids, lease_owner=None if is_first else worker)
        now_is = D.PENDING if is_first else D.SENDING
        status = D.UNCERTAIN if before == D.UNCERTAIN else D.DEFERRED
        moved = rows.move(status, among=[now_is], lease_owner=None, next_attempt_at=at)
        counters.move(run_id, now_is, status, moved)
    counters.write()


def _release_deliveries(
    worker: UUID, now: datetime, counters: CounterChanges, *, ids: Collection[int] | None = None
) -> int:
    """Return the worker's rows to where they were claimed from, due at once."""
    rows = Delivery.objects.filter(lease_owner=worker).with_status(D.SENDING)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    last = Attempt.objects.filter(delivery=OuterRef("pk"), number=OuterRef("attempt_count"))
    held = list(
        rows.annotate(last=Subquery(last.values("outcome"))).values_list("pk", "run_id", "last")
    )
    lock_runs({run_id for _, run_id, _ in held})
    for pk, run_id, outcome in held:
        uncertain = outcome in (Outcome.UNCERTAIN, Outcome.LOST)
        status = D.UNCERTAIN if uncertain else D.DEFERRED
        moved = Delivery.objects.filter(pk=pk, lease_owner=worker).move(
            status, among=[D.SENDING], lease_owner=None, next_attempt_at=now
        )
        counters.move(run_id, D.SENDING, status, moved)
    return len(held)


def rescue_expired(now: datetime) -> int:
    """Take over from workers that are gone or silent; return how many claims that freed."""
    freed = 0
    for row in WorkerLease.objects.all():
        if lease.has_ended(row, now):
            freed += _rescue(row, now)
    return freed


@transaction.atomic
def _rescue(seen: WorkerLease, now: datetime) -> int:
    dead = (
        WorkerLease.objects.select_for_update(skip_locked=True)
        .filter(pk=seen.pk, heartbeat_at=seen.heartbeat_at)
        .first()
    )
    if dead is None:
        return 0  # it is alive after all, or somebody else rescues it
    counters = CounterChanges()
    freed, poison = chunks.lose(dead.pk)
    lost = _in_doubt(dead, poison)
    lock_runs({row.run_id for row in lost})
    for row in lost:
        _lose(row, dead, now, counters, is_poison=row.pk in poison)
    freed += len(lost) + _release_deliveries(dead.pk, now, counters)
    counters.write()
    lease.end(dead.pk)
    if freed:
        log.warning(
            "worker_rescued", extra={"worker": dead.pk, "uncertain": len(lost), "freed": freed}
        )
        for at in (now, now + _uncertain_wait()):
            transaction.on_commit(partial(deliveries_ready.send_robust, Delivery, at=at))
    return freed


def _in_doubt(worker: WorkerLease, poison: list[int]) -> list[Delivery]:
    """Return the deliveries of which nobody knows whether they were accepted."""
    ids = [*worker.in_flight, *poison]
    rows = Delivery.objects.filter(pk__in=ids).with_status(D.PENDING, D.SENDING)
    return [row for row in rows if row.status == D.PENDING or row.lease_owner == worker.pk]


def _lose(
    row: Delivery, worker: WorkerLease, now: datetime, counters: CounterChanges, *, is_poison: bool
) -> None:
    """Its worker died while handing it over: nobody knows whether it was accepted."""
    before = D(row.status)
    changes: dict[str, object] = {"next_attempt_at": None, "finished_at": now}
    status = D.UNCERTAIN
    if is_poison or row.lease_losses + 1 >= LEASE_LOSSES_MOST:
        status = D.FAILED
        log.error("delivery_is_poison", extra={"delivery_id": row.pk})
    elif row.uncertain_resends < settings.UNCERTAIN_RESENDS:
        changes = {"next_attempt_at": now + _uncertain_wait()}
    moved = Delivery.objects.filter(pk=row.pk).move(
        status,
        among=[before],
        attempt_count=F("attempt_count") + 1,
        lease_losses=F("lease_losses") + 1,
        tries=F("tries") + 1,
        lease_owner=None,
        **changes,
    )
    counters.move(row.run_id, before, status, moved)
    Attempt.objects.bulk_create(
        [
            Attempt(
                delivery=row,
                number=row.attempt_count + 1,
                started_at=worker.heartbeat_at,
                outcome=Outcome.LOST,
            )
        ],
        ignore_conflicts=True,
    )


def _uncertain_wait() -> timedelta:
    return timedelta(seconds=settings.UNCERTAIN_WAIT)


def next_due(now: datetime) -> datetime | None:
    """Return when the next delivery that waits for another try becomes due."""
    waiting = Delivery.objects.with_status(*RETRYABLE).filter(next_attempt_at__gt=now)
    soonest: datetime | None = waiting.aggregate(at=Min("next_attempt_at"))["at"]
    return soonest
