"""A worker's session: claim a batch, render each mail just in time, hand it over, record.

One mail is in hand at a time, and it stands in the worker's lease, committed, before it goes on
the wire: `kill -9` at any line loses nothing and leaves at most that one uncertain.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError

from mailings.delivery import clock, closing, composing, holding, lease, queue, rendering, retry
from mailings.delivery.queue import Claimed, Result
from mailings.delivery.throttle import Breaker, default_transport
from mailings.delivery.transports import open_transport
from mailings.delivery.transports.base import Envelope
from mailings.models import Run
from mailings.signals import deliveries_ready
from mailings.states import Outcome

log = logging.getLogger(__name__)

BATCH = 50
"""Deliveries claimed at once. Few, so that a pause finds little in hand and owners take turns."""
RUNS_KEPT = 100
"""Runs whose content a session keeps compiled."""
RECORD_PAUSES = (0.1, 0.5, 1, 2, 5, 10, 20, 20)
"""Seconds between attempts to write while the database is away. Nothing is sent meanwhile."""

Answer = TypeVar("Answer")

_busy = threading.Lock()
_rung = threading.Event()


def deliver(*, stopping: Callable[[], bool]) -> Counter[Outcome]:
    """Send what is due. One session per process: a second call rings at the first one's door."""
    total: Counter[Outcome] = Counter()
    _rung.set()
    # Looked at again after the release: somebody may have rung in between.
    while _rung.is_set() and not stopping() and _busy.acquire(blocking=False):
        try:
            _rung.clear()
            total += Session(stopping=stopping).run()
        finally:
            _busy.release()
    return total


def nobody(result: Result) -> None:
    """Listen to results and do nothing."""


class Session:
    """One worker from its enlisting to its retiring, on one connection to the mail service."""

    def __init__(
        self,
        *,
        stopping: Callable[[], bool],
        mailing_id: int | None = None,
        tell: Callable[[Result], None] = nobody,
    ) -> None:
        self.stopping, self.mailing_id, self.tell = stopping, mailing_id, tell
        transport = default_transport()
        self.transport_id = transport.pk
        self.transport = open_transport(
            transport.url or settings.EMAIL_URL, local_name=composing.sender_domain()
        )
        self.breaker = Breaker(transport.pk)
        self.outcomes: Counter[Outcome] = Counter()
        self._runs: dict[int, Run] = {}
        self._compiled: dict[int, rendering.Compiled] = {}
        self._skew = timedelta(0)

    def run(self) -> Counter[Outcome]:
        """Work until nothing is due, the service must rest, or the process is to stop."""
        if not queue.has_due(self._look_at_the_clock(), mailing_id=self.mailing_id):
            return self.outcomes
        self.worker = queue.enlist(self._look_at_the_clock())
        try:
            while not self.stopping() and (batch := self._claim()):
                self._work_through(batch)
        except lease.LeaseLost:
            log.warning("lease_lost", extra={"worker": self.worker})
        finally:
            self.transport.close()
            self._retire()
        closing.sweep(self.now())
        soonest = queue.next_due(self.now())
        if soonest is not None:
            deliveries_ready.send_robust(Run, at=soonest)
        return self.outcomes

    def now(self) -> datetime:
        """Return the database's time without asking it for every mail."""
        return datetime.now(UTC) + self._skew

    def _look_at_the_clock(self) -> datetime:
        now = clock.now()
        self._skew = now - datetime.now(UTC)
        return now

    def _claim(self) -> list[Claimed]:
        now = self._look_at_the_clock()
        permitted = self.breaker.permit(BATCH, now)
        if not permitted:
            return []
        batch = self._insist(
            lambda: queue.claim(permitted, self.worker, now, mailing_id=self.mailing_id)
        )
        if not batch:
            self.breaker.give_back(now)
        return batch

    def _work_through(self, batch: list[Claimed]) -> None:
        results: list[Result] = []
        for claimed in batch:
            if self.stopping():
                break
            going = self._record(results, in_hand=[claimed])
            results = []
            if not going:
                continue
            result, may_go_on = self._try(claimed)
            results = [result]
            if not may_go_on:
                break
        self._record(results)
        self._insist(lambda: queue.release(self.worker, self.now()))
        if len(self._runs) > RUNS_KEPT:
            self._runs.clear()
            self._compiled.clear()
        if closing.finish_runs(self.now()):
            closing.complete_mailings(self.now())

    def _record(self, results: list[Result], in_hand: list[Claimed] | None = None) -> list[Claimed]:
        going = self._insist(
            lambda: queue.record(self.worker, results, self.now(), in_hand=in_hand or [])
        )
        for result in results:
            self.outcomes[result.outcome] += 1
            if result.outcome == Outcome.PERMANENT and result.step in holding.CONTENT_STEPS:
                holding.pause_for_content(result.claimed.run_id, result.reply)
            self.tell(result)
        return going

    def _try(self, claimed: Claimed) -> tuple[Result, bool]:
        """Hand one mail over; return its result and whether the service may go on being used."""
        began = self.now()
        run = self._run(claimed.run_id)
        try:
            message = composing.render(self._compiled_of(run), claimed, began)
            envelope = Envelope(run.sender_email, claimed.address)
        except Exception as error:  # whatever one client's values do, the others are sent
            log.exception("delivery_not_rendered", extra={"delivery_id": claimed.pk})
            return self._unrendered(claimed, began, error), True
        outcome = self.transport.send(envelope, message)
        now = self.now()
        decision = retry.decide(
            outcome,
            claimed.history,
            now,
            uncertain_wait=timedelta(seconds=settings.UNCERTAIN_WAIT),
        )
        may_go_on = self._insist(lambda: self.breaker.report(outcome, now))
        if isinstance(decision, retry.PauseMailing):
            reply = decision.reply
            self._insist(lambda: holding.pause_for_sender(claimed.mailing_id, reply))
        return Result.of(claimed, outcome, decision, self.transport_id), may_go_on

    def _run(self, run_id: int) -> Run:
        if run_id not in self._runs:
            self._runs[run_id] = self._insist(lambda: Run.objects.get(pk=run_id))
        return self._runs[run_id]

    def _compiled_of(self, run: Run) -> rendering.Compiled:
        if run.pk not in self._compiled:
            self._compiled[run.pk] = composing.compile_run(run)
        return self._compiled[run.pk]

    def _unrendered(self, claimed: Claimed, began: datetime, error: Exception) -> Result:
        return Result(
            claimed, Outcome.RENDER, retry.GiveUp(), began,
            step="render", reply=f"{type(error).__name__}: {error}"[:500],
        )  # fmt: skip

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        """Repeat `action` until the database is back; nothing of it happens twice."""
        for pause in RECORD_PAUSES:
            try:
                return action()
            except (OperationalError, InterfaceError) as error:
                log.warning("database_away", extra={"worker": self.worker, "error": error})
                time.sleep(pause)
                lease.reconnect(self.worker)
        return action()

    def _retire(self) -> None:
        try:
            queue.retire(self.worker, self.now())
        except DatabaseError:
            # The lease's row stays; without the lock the next rescue takes it for dead.
            log.exception("worker_not_retired", extra={"worker": self.worker})
            lease.abandon(self.worker)
