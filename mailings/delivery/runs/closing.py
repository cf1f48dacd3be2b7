"""How runs and mailings come to their end: what is still open is settled, then the run, then the
mailing. Every step is a conditional UPDATE, so it may be repeated and interrupted at will.

What a worker is handing over at that moment is left to it: the run stays open until it is done.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from mailings import audit
from mailings.delivery.queue.counters import CounterChanges, lock_runs
from mailings.models import Chunk, Delivery, Mailing, Run, WorkerLease
from mailings.models.stateful import StatefulQuerySet
from mailings.signals import figures_changed
from mailings.states import (
    FINAL,
    Actor,
    DeliveryStatus,
    MailingStatus,
    RunStatus,
    SkipReason,
)

OPEN_RUNS = (RunStatus.PREPARING, RunStatus.SENDING)
UNSENT = (DeliveryStatus.PENDING, DeliveryStatus.DEFERRED)

_ENDABLE = tuple(s for s in MailingStatus if s not in FINAL[MailingStatus] | {MailingStatus.DRAFT})


def sweep(now: datetime) -> None:
    """Settle whatever has come to its end: mailings past their end, cancelled ones, done runs."""
    for mailing in _ended(now) | _closed_with_open_runs():
        close(mailing, now)
    finish_runs(now)
    complete_mailings(now)


def close(mailing: Mailing, now: datetime) -> None:
    """Settle the runs of a mailing that is cancelled or past its end."""
    cancelled = mailing.status == MailingStatus.CANCELLED
    for run in mailing.runs.with_status(*OPEN_RUNS):
        if cancelled:
            settle(run, DeliveryStatus.CANCELLED, SkipReason.MAILING_CANCELLED, now)
        else:
            settle(run, DeliveryStatus.EXPIRED, _why_expired(mailing), now)
        _idle(Run.objects.filter(pk=run.pk, expired_count=0, cancelled_count=0)).move(
            RunStatus.DONE, finished_at=now
        )
        _idle(Run.objects.filter(pk=run.pk)).move(
            RunStatus.CANCELLED if cancelled else RunStatus.EXPIRED, finished_at=now
        )
    if not cancelled:
        _complete(mailing)


@transaction.atomic
def settle(run: Run, to: DeliveryStatus, reason: SkipReason, now: datetime) -> int:
    """Move the run's unsent deliveries to a final status; return how many there were.

    Workers take the run's lock before they hand anything over, and ask again behind it: what does
    not stand in a worker's `in_flight` now is not handed over any more.
    """
    lock_runs([run.pk])
    handed = [pk for ids in WorkerLease.objects.values_list("in_flight", flat=True) for pk in ids]
    counters, total = CounterChanges(), 0
    rows = Delivery.objects.filter(run=run).exclude(pk__in=handed)
    for status in UNSENT:
        moved = rows.move(to, among=[status], reason=reason, next_attempt_at=None, finished_at=now)
        counters.move(run.pk, status, to, moved)
        total += moved
    # Whether an uncertain one arrived stays unknown; it is only not sent again.
    rows.with_status(DeliveryStatus.UNCERTAIN).filter(next_attempt_at__isnull=False).update(
        next_attempt_at=None, finished_at=now
    )
    counters.write()
    Chunk.objects.filter(run=run).delete()
    return total


def finish_runs(now: datetime) -> int:
    """Move runs in which nothing is left to do to `done`; return how many."""
    return _idle(Run.objects.filter(deferred_count=0)).move(
        RunStatus.DONE, among=[RunStatus.SENDING], finished_at=now
    )


def complete_mailings(now: datetime, *, most: int | None = None) -> None:
    """Complete mailings – not more than `most` – that have no occurrence left and no run open."""
    rows = Mailing.objects.with_status(MailingStatus.CREATED, MailingStatus.RUNNING)
    for mailing in rows.filter(~_has_open_run(), next_run_at=None)[:most]:
        _complete(mailing)


def _idle(runs: StatefulQuerySet[Run]) -> StatefulQuerySet[Run]:
    """Narrow to runs none of whose deliveries is queued, in flight or waiting for another try."""
    counted = sum((F(f"{name}_count") for name in Run.COUNTED[1:]), F(f"{Run.COUNTED[0]}_count"))
    waiting = Delivery.objects.filter(
        run=OuterRef("pk"), status=DeliveryStatus.UNCERTAIN, next_attempt_at__isnull=False
    )
    return runs.filter(Q(uncertain_count=0) | ~Exists(waiting), targeted=counted, deferred_count=0)


def _ended(now: datetime) -> QuerySet[Mailing]:
    return Mailing.objects.with_status(*_ENDABLE).filter(end_at__lte=now)


def _closed_with_open_runs() -> QuerySet[Mailing]:
    return Mailing.objects.with_status(*FINAL[MailingStatus]).filter(_has_open_run())


def _has_open_run() -> Exists:
    return Exists(Run.objects.filter(mailing=OuterRef("pk")).with_status(*OPEN_RUNS))


def _why_expired(mailing: Mailing) -> SkipReason:
    if mailing.status == MailingStatus.STOPPED:
        return SkipReason.MAILING_STOPPED
    if not mailing.owner.is_active:
        return SkipReason.OWNER_BLOCKED
    return SkipReason.MAILING_ENDED


@transaction.atomic
def _complete(mailing: Mailing) -> None:
    moved = Mailing.objects.filter(~_has_open_run(), pk=mailing.pk).move(
        MailingStatus.COMPLETED,
        status_actor=Actor.SYSTEM,
        status_by=None,
        status_reason="",
        next_run_at=None,
    )
    if moved:
        audit.record(audit.Action.COMPLETE, mailing, None)
        transaction.on_commit(lambda: figures_changed.send_robust(Mailing))
