"""The queue is the delivery rows. Workers claim them under a lease, record what became of each,
and give back the rest; what a dead worker held is rescued. Leases, locks and SQL stay in here.

A worker is a `WorkerLease` row; its id fences it: whoever rescues a worker deletes its row, and
every later write of the sleeper fails with `LeaseLost`. Before a delivery is handed over, it
stands in the row's `in_flight`, committed: after a crash exactly those are uncertain, and all
others of the lease are safe to send.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Min, OuterRef, Q, Subquery

from mailings import suppression
from mailings.delivery import fairness, lease, retry
from mailings.delivery.claims import Claimed, Result
from mailings.delivery.lease import LeaseLost
from mailings.delivery.tally import Tally
from mailings.models import Attempt, Delivery, WorkerLease
from mailings.models.suppression import SuppressionReason
from mailings.signals import deliveries_ready
from mailings.states import DeliveryStatus, MailingStatus, Outcome, RunStatus, SkipReason

log = logging.getLogger(__name__)

LEASE_LOSSES_MOST = 3
"""A delivery in whose handing over so many workers died is poison: it fails."""

D = DeliveryStatus

__all__ = [
    "Claimed", "LeaseLost", "Result", "claim", "count_due", "enlist", "has_due", "next_due",
    "record", "release", "rescue_expired", "retire",
]  # fmt: skip


def enlist(now: datetime) -> UUID:
    """Begin a worker's life; return its id."""
    return lease.begin(now)


def retire(worker: UUID, now: datetime) -> None:
    """End a worker's life: what it has not handed over is at once free for others."""
    release(worker, now)
    lease.end(worker)


# ---------------------------------------------------------------- claim


@transaction.atomic
def claim(
    limit: int, worker: UUID, now: datetime, *, mailing_id: int | None = None
) -> list[Claimed]:
    """Take up to `limit` due deliveries, fairly among owners and their runs.

    Asks at the last moment: of a mailing that is paused, stopped or past its end, or whose owner
    is blocked, nothing is taken; a suppressed address or a deleted client is skipped.
    """
    lease.renew(worker, now)
    claimed: list[Claimed] = []
    for share in fairness.shares(limit, now, mailing_id=mailing_id):
        claimed += _take(share, worker, now)
    return claimed


def _take(share: fairness.Share, worker: UUID, now: datetime) -> list[Claimed]:
    rows = list(
        Delivery.objects.filter(pk__in=share.delivery_ids)
        .annotate(
            first_refused_at=Subquery(
                Attempt.objects.filter(delivery=OuterRef("pk"), outcome=Outcome.TEMPORARY)
                .order_by()
                .values("delivery")
                .annotate(first=Min("started_at"))
                .values("first")
            )
        )
        .order_by("pk")
    )
    tally = Tally()
    unwanted = _unwanted(rows, share.owner_id)
    _skip(rows, unwanted, now, tally)
    wanted = [row for row in rows if row.pk not in unwanted]
    for before in {_status(row) for row in wanted}:
        ids = [row.pk for row in wanted if row.status == before]
        moved = Delivery.objects.filter(pk__in=ids).move(
            D.SENDING, among=[before], lease_owner=worker, lease_until=now + lease.length()
        )
        tally.move(share.run_id, before, D.SENDING, moved)
    tally.write()
    return [_claimed(row, share) for row in wanted]


def _claimed(row: Delivery, share: fairness.Share) -> Claimed:
    before = _status(row)
    resends = row.uncertain_resends + (before == D.UNCERTAIN)
    return Claimed(
        pk=row.pk,
        run_id=row.run_id,
        mailing_id=share.mailing_id,
        owner_id=share.owner_id,
        address=row.address,
        full_name=row.full_name,
        variables=row.variables,
        before=before,
        history=retry.History(
            tries=row.tries,
            attempts=row.attempt_count,
            resends_left=settings.UNCERTAIN_RESENDS - resends,
            first_refused_at=row.first_refused_at,  # type: ignore[attr-defined]
            until=share.until,
        ),
    )


def _status(row: Delivery) -> DeliveryStatus:
    return D(row.status)


def _unwanted(rows: Iterable[Delivery], owner_id: int) -> dict[int, SkipReason]:
    suppressed = suppression.suppressed_among(owner_id, {row.address for row in rows})
    reasons = {}
    for row in rows:
        if row.client_id is None:
            reasons[row.pk] = SkipReason.CLIENT_DELETED
        elif row.address in suppressed:
            reasons[row.pk] = SkipReason.SUPPRESSED
    return reasons


def _skip(
    rows: Iterable[Delivery], reasons: dict[int, SkipReason], now: datetime, tally: Tally
) -> None:
    for row in rows:
        if row.pk in reasons:
            moved = Delivery.objects.filter(pk=row.pk).move(
                D.SKIPPED,
                among=[_status(row)],
                reason=reasons[row.pk],
                next_attempt_at=None,
                finished_at=now,
                lease_owner=None,
                lease_until=None,
            )
            tally.move(row.run_id, _status(row), D.SKIPPED, moved)


# ---------------------------------------------------------------- record


@transaction.atomic
def record(
    worker: UUID, results: Iterable[Result], now: datetime, *, in_hand: Sequence[Claimed] = ()
) -> list[Claimed]:
    """Write results and, in the same transaction, which deliveries are handed over next.

    Returns those of `in_hand` that may still go; the others are skipped or given back.
    """
    going = _still_wanted(worker, in_hand, now)
    lease.renew(worker, now, [claimed.pk for claimed in going])
    tally = Tally()
    attempts = [_write(worker, result, now, tally) for result in results]
    Attempt.objects.bulk_create([a for a in attempts if a], ignore_conflicts=True)
    stayed = {claimed.pk for claimed in in_hand} - {claimed.pk for claimed in going}
    if stayed:
        _turn_away(worker, stayed, now, tally)
    resent = [claimed.pk for claimed in going if claimed.before == D.UNCERTAIN]
    if resent:
        Delivery.objects.filter(pk__in=resent).update(uncertain_resends=F("uncertain_resends") + 1)
    tally.write()
    return going


def _still_wanted(worker: UUID, in_hand: Sequence[Claimed], now: datetime) -> list[Claimed]:
    if not in_hand:
        return []
    rows = Delivery.objects.filter(
        Q(run__mailing__end_at=None) | Q(run__mailing__end_at__gt=now),
        pk__in=[claimed.pk for claimed in in_hand],
        lease_owner=worker,
        client__isnull=False,
        run__status=RunStatus.SENDING,
        run__mailing__status=MailingStatus.RUNNING,
        run__mailing__owner__is_active=True,
    )
    ids = set(rows.with_status(D.SENDING).values_list("pk", flat=True))
    going = [claimed for claimed in in_hand if claimed.pk in ids]
    for owner_id in {claimed.owner_id for claimed in going}:
        mine = {c.address for c in going if c.owner_id == owner_id}
        suppressed = suppression.suppressed_among(owner_id, mine)
        going = [c for c in going if c.owner_id != owner_id or c.address not in suppressed]
    return going


def _turn_away(worker: UUID, ids: set[int], now: datetime, tally: Tally) -> None:
    """Skip those that must never be sent; give back those that must only not be sent now."""
    rows = list(
        Delivery.objects.filter(pk__in=ids, lease_owner=worker)
        .with_status(D.SENDING)
        .select_related("run__mailing")
    )
    for row in rows:
        _skip([row], _unwanted([row], row.run.mailing.owner_id), now, tally)
    _give_back(worker, now, tally, ids=ids)


def _write(worker: UUID, result: Result, now: datetime, tally: Tally) -> Attempt | None:
    """Settle one delivery by its result; None when it is no longer this worker's."""
    status, changes = _settlement(result, now)
    claimed = result.claimed
    number = claimed.history.attempts + 1
    moved = Delivery.objects.filter(pk=claimed.pk, lease_owner=worker).move(
        status,
        among=[D.SENDING],
        attempt_count=number,
        lease_owner=None,
        lease_until=None,
        **changes,
    )
    if not moved:
        log.warning("result_came_too_late", extra={"delivery_id": claimed.pk})
        return None
    tally.move(claimed.run_id, D.SENDING, status, moved)
    if isinstance(result.decision, retry.Suppress):
        suppression.suppress(
            claimed.address,
            reason=SuppressionReason.BOUNCED,
            owner_id=claimed.owner_id,
            source=result.reply,
        )
    return Attempt(
        delivery_id=claimed.pk,
        number=number,
        transport_id=result.transport_id,
        started_at=result.started_at,
        duration_ms=round(result.seconds * 1000),
        step=result.step,
        outcome=result.outcome,
        code=result.code,
        enhanced_code=result.enhanced_code,
        reply=result.reply,
    )


def _settlement(result: Result, now: datetime) -> tuple[DeliveryStatus, dict[str, object]]:
    uncertain = result.outcome == Outcome.UNCERTAIN
    tries = F("tries") + 1
    match result.decision:
        case retry.Done():
            return D.SENT, {"finished_at": now, "next_attempt_at": None, "tries": tries}
        case retry.Retry(at, charged):
            changes: dict[str, object] = {"next_attempt_at": at}
            return D.UNCERTAIN if uncertain else D.DEFERRED, (
                changes | ({"tries": tries} if charged else {})
            )
        case retry.PauseMailing():
            return D.DEFERRED, {"next_attempt_at": now}
        case _:
            return D.UNCERTAIN if uncertain else D.FAILED, {
                "finished_at": now, "next_attempt_at": None, "tries": tries,
            }  # fmt: skip


# ---------------------------------------------------------------- give back, rescue


@transaction.atomic
def release(worker: UUID, now: datetime) -> int:
    """Give back what the worker has claimed and not handed over; return how many."""
    tally = Tally()
    count = _give_back(worker, now, tally)
    tally.write()
    return count


def _give_back(worker: UUID, now: datetime, tally: Tally, *, ids: set[int] | None = None) -> int:
    """Return the lease's deliveries to where they were claimed from, due at once."""
    rows = Delivery.objects.filter(lease_owner=worker).with_status(D.SENDING)
    if ids is not None:
        rows = rows.filter(pk__in=ids)
    last = Attempt.objects.filter(delivery=OuterRef("pk"), number=OuterRef("attempt_count"))
    held = rows.annotate(last=Subquery(last.values("outcome"))).values_list("pk", "run_id", "last")
    total = 0
    for pk, run_id, outcome in list(held):
        status = _before(outcome)
        moved = Delivery.objects.filter(pk=pk, lease_owner=worker).move(
            status,
            among=[D.SENDING],
            lease_owner=None,
            lease_until=None,
            next_attempt_at=None if status == D.PENDING else now,
        )
        tally.move(run_id, D.SENDING, status, moved)
        total += moved
    return total


def _before(last_outcome: str | None) -> DeliveryStatus:
    if last_outcome is None:
        return D.PENDING
    return D.UNCERTAIN if last_outcome in (Outcome.UNCERTAIN, Outcome.LOST) else D.DEFERRED


def rescue_expired(now: datetime) -> int:
    """Take over from workers that are gone or silent; return how many deliveries that freed."""
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
    tally = Tally()
    handed_over = Delivery.objects.filter(pk__in=dead.in_flight, lease_owner=dead.pk)
    lost = list(handed_over.with_status(D.SENDING))
    for row in lost:
        _lose(row, dead, now, tally)
    freed = len(lost) + _give_back(dead.pk, now, tally)
    tally.write()
    lease.end(dead.pk)
    if freed:
        log.warning(
            "worker_rescued", extra={"worker": dead.pk, "uncertain": len(lost), "freed": freed}
        )
        for at in (now, now + _uncertain_wait()):
            transaction.on_commit(partial(deliveries_ready.send_robust, Delivery, at=at))
    return freed


def _lose(row: Delivery, worker: WorkerLease, now: datetime, tally: Tally) -> None:
    """Its worker died while handing it over: nobody knows whether it was accepted."""
    changes: dict[str, object] = {"next_attempt_at": None, "finished_at": now}
    status = D.UNCERTAIN
    if row.lease_losses + 1 >= LEASE_LOSSES_MOST:
        status = D.FAILED
        log.error("delivery_is_poison", extra={"delivery_id": row.pk})
    elif row.uncertain_resends < settings.UNCERTAIN_RESENDS:
        changes = {"next_attempt_at": now + _uncertain_wait()}
    moved = Delivery.objects.filter(pk=row.pk, lease_owner=worker.pk).move(
        status,
        among=[D.SENDING],
        attempt_count=F("attempt_count") + 1,
        lease_losses=F("lease_losses") + 1,
        tries=F("tries") + 1,
        lease_owner=None,
        lease_until=None,
        **changes,
    )
    tally.move(row.run_id, D.SENDING, status, moved)
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


def has_due(now: datetime, *, mailing_id: int | None = None) -> bool:
    """Return whether a claim may find something (another worker may be quicker)."""
    return fairness.has_due(now, mailing_id=mailing_id)


def count_due(now: datetime, *, mailing_id: int | None = None) -> int:
    return fairness.count_due(now, mailing_id=mailing_id)


def next_due(now: datetime) -> datetime | None:
    """Return when the next delivery that waits for another try becomes due."""
    waiting = Delivery.objects.with_status(D.DEFERRED, D.UNCERTAIN).filter(next_attempt_at__gt=now)
    soonest: datetime | None = waiting.aggregate(at=Min("next_attempt_at"))["at"]
    return soonest
