"""The group commit: what became of a batch of tries, and what is handed over next, in one
transaction, a few statements however large the batch.

A result moves its delivery only if that is still waiting for just this attempt, so a batch that is
written twice (the connection broke while it was committed) changes nothing the second time.

Beside `StatefulQuerySet.move` this and the modules of the two databases are the only code that
writes a delivery's status: moving rows one by one costs forty times as much. The table of
transitions binds it as well.
"""

import logging
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from mailings.delivery import retry
from mailings.delivery.queue import chunks, claiming, lease
from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.delivery.queue.counters import CounterChanges, lock_runs
from mailings.delivery.runs import holding
from mailings.delivery.session import recording_postgresql, recording_sqlite
from mailings.delivery.session.batches import Batch, Verdict, by_kind
from mailings.models import Delivery, Run
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus, MailingStatus, Outcome, RunStatus, SkipReason
from mailings.suppression import stop_list

log = logging.getLogger(__name__)

D = DeliveryStatus

__all__ = ["Batch", "Verdict", "record"]


def record(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """Write the batch; return what of it may not be handed over. Raises `LeaseLost`."""
    if not _fits_one_trip(batch):
        return _record_with_all(worker, batch, now)
    # One message, which the server makes one transaction: a commit of few mails waits mostly for
    # its trips.
    verdict, has_unwanted = recording_postgresql.record(worker, batch, now)
    if verdict.held_runs or has_unwanted:
        return _take_back_later(worker, batch, now)
    return verdict


@transaction.atomic
def _record_with_all(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    if connection.vendor == "postgresql" and not _have_consequences(batch.results):
        verdict = _record_at_once(worker, batch, now)
    else:
        verdict = _record_in_steps(worker, batch, now)
    _return_claims(worker, batch, now)
    return verdict


def _have_consequences(results: Sequence[AttemptResult]) -> bool:
    """Whether they may stop an address or a mailing, which must show before anything goes on."""
    others = [result for result in results if result.outcome is not Outcome.ACCEPTED]
    return bool(others) and (
        any(isinstance(result.decision, _CONSEQUENCES) for result in others)
        or bool(_refused_runs(results))
    )


_CONSEQUENCES = (retry.Suppress, retry.PauseMailing)


def _refused_runs(results: Sequence[AttemptResult]) -> dict[int, str]:
    """Return the runs of which mails were refused and none was taken, with the server's words:
    where one was taken, not all are refused."""
    refused = {
        result.claimed.run_id: result.reply
        for result in results
        if result.outcome is Outcome.PERMANENT and not isinstance(result.decision, _CONSEQUENCES)
    }
    if refused:
        for result in results:
            if result.outcome is Outcome.ACCEPTED:
                refused.pop(result.claimed.run_id, None)
    return refused


def _record_in_steps(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    lease.lock_row(worker)
    counters = CounterChanges()
    _write_results(batch.results, now, counters)
    _suppress(batch.results)
    _pause_refused(batch.results)
    verdict = _judge(batch, now, counters)
    counters.write()
    going = [claimed for claimed in batch.to_send if verdict.allows(claimed)]
    _count_resends(going)
    lease.renew(worker, now, [*batch.unanswered, *(claimed.pk for claimed in going)])
    return verdict


def _suppress(results: Iterable[AttemptResult]) -> None:
    stop_list.suppress_all(
        stop_list.Entry(
            result.claimed.address,
            SuppressionReason.BOUNCED,
            result.claimed.owner_id,
            result.reply,
        )
        for result in results
        if isinstance(result.decision, retry.Suppress)
    )


def _pause_refused(results: Sequence[AttemptResult]) -> None:
    """Pause mailings whose sender or content is refused, or all of whose recipients are, before
    more of them is handed over."""
    for result in results:
        if isinstance(result.decision, retry.PauseMailing):
            pause = (
                holding.pause_for_size if result.decision.is_of_letter else holding.pause_for_sender
            )
            pause(result.claimed.mailing_id, result.decision.reply)
    for run_id, reply in _refused_runs(results).items():
        holding.pause_for_refusals(run_id, reply)


def _judge(batch: Batch, now: datetime, counters: CounterChanges) -> Verdict:
    """Ask again, behind the runs' locks, what may have changed since the claim."""
    # Of what is refused ahead of its body nothing is to be sent, and yet it may be held by now.
    runs = {claimed.run_id for claimed in batch.to_send} | set(_refused_runs(batch.results))
    lock_runs(runs)
    # By the database's clock as it is behind the lock: who settled a run just before saw its end.
    instant: Any = Now() if connection.vendor == "postgresql" else now
    sending = Run.objects.filter(
        Q(mailing__end_at=None) | Q(mailing__end_at__gt=instant),
        pk__in=runs,
        status=RunStatus.SENDING,
        mailing__status=MailingStatus.RUNNING,
        mailing__owner__is_active=True,
    )
    held = runs.difference(sending.values_list("pk", flat=True))
    unwanted = claiming.unwanted_among([c for c in batch.stale if c.run_id not in held])
    for claimed in batch.stale:
        if (reason := unwanted.get(claimed.pk)) is not None:
            _skip_claimed(claimed, reason, now, counters)
    return Verdict(held, unwanted)


def _skip_claimed(
    claimed: Claimed, reason: SkipReason, now: datetime, counters: CounterChanges
) -> None:
    before = D.PENDING if claimed.before == D.PENDING else D.SENDING
    moved = Delivery.objects.filter(pk=claimed.pk).move(
        D.SKIPPED,
        among=[before],
        reason=reason,
        next_attempt_at=None,
        finished_at=now,
        lease_owner=None,
    )
    counters.move(claimed.run_id, before, D.SKIPPED, moved)


def _count_resends(going: Iterable[Claimed]) -> None:
    again = [claimed.pk for claimed in going if claimed.before == D.UNCERTAIN]
    if again:
        rows = Delivery.objects.filter(pk__in=again)
        rows.update(uncertain_resends=F("uncertain_resends") + 1)


def _return_claims(worker: UUID, batch: Batch, now: datetime) -> None:
    """Give back the claims that the session has ended – only those: what is held it still has,
    and what is given back twice may be somebody's who claimed it in between."""
    if batch.postponed:
        claiming.postpone(worker, batch.postponed)
    if batch.released_deliveries:
        claiming.release_deliveries(worker, now, batch.released_deliveries)
    if batch.finished_chunks:
        chunks.finish(batch.finished_chunks, worker)
    if batch.released_chunks:
        chunks.release(worker, batch.released_chunks)


def _write_results(
    results: Sequence[AttemptResult], now: datetime, counters: CounterChanges
) -> None:
    database = recording_postgresql if connection.vendor == "postgresql" else recording_sqlite
    for kind, alike in by_kind(results).items():
        moved = database.write_results(kind, alike, now)
        for run_id, number in moved.items():
            # From pending or from sending: neither has a counter.
            counters.move(run_id, D.SENDING, kind.status, number)
        late = len(alike) - sum(moved.values())
        if late:
            log.warning("results_came_too_late", extra={"count": late})


# ---------------------------------------------------------------- PostgreSQL, in one go


def _fits_one_trip(batch: Batch) -> bool:
    """Whether the batch needs nothing but what goes in one message, as most do."""
    return (
        connection.vendor == "postgresql"
        and not connection.in_atomic_block
        and not (batch.finished_chunks or batch.released_chunks or batch.released_deliveries)
        and not batch.postponed
        and not any(claimed.before == D.UNCERTAIN for claimed in batch.to_send)
        and not _have_consequences(batch.results)
    )


@transaction.atomic
def _take_back_later(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """What may not go stands in `in_flight` until this is written, and nothing has left yet."""
    lease.lock_row(worker)
    return _take_back(worker, batch, now)


def _record_at_once(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """The same as in steps, by one statement of many: it spends less on fifty mails than on
    eight statements."""
    verdict, has_unwanted = recording_postgresql.record(worker, batch, now)
    if has_unwanted or verdict.held_runs:
        verdict = _take_back(worker, batch, now)
    _count_resends(claimed for claimed in batch.to_send if verdict.allows(claimed))
    return verdict


def _take_back(worker: UUID, batch: Batch, now: datetime) -> Verdict:
    """Some of what was to be handed over may not be: find out which, and write it down."""
    counters = CounterChanges()
    verdict = _judge(batch, now, counters)
    counters.write()
    going = [claimed.pk for claimed in batch.to_send if verdict.allows(claimed)]
    lease.renew(worker, now, [*batch.unanswered, *going])
    return verdict
