"""The thread that writes for a session: one batch at a time, until the database has it.

It holds the worker's life: its connection keeps the lock that proves the process is there. While
the database is away it tries again and again, nothing is handed over meanwhile, and no try of it
is written twice.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from django.db import InterfaceError, InternalError, OperationalError, connection

from mailings.delivery.queue import claiming as claims
from mailings.delivery.queue import lease
from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.session import recording
from mailings.delivery.session.circuit_breaker import CircuitBreaker
from mailings.delivery.session.recording import Batch, Verdict
from mailings.states import Outcome
from mailings.timing import clock, steady

log = logging.getLogger(__name__)

TROUBLES = (OperationalError, InterfaceError, InternalError)
"""What passes without our help. PostgreSQL calls a used-up quota an internal error, unlike a full
disk; ending the session over it would leave what was just accepted uncertain."""
PAUSES = (0.1, 0.5, 1, 2, 5)
"""Seconds between attempts to write while the database is away; then the last one again."""
CLOCK_EVERY = timedelta(seconds=30)  # how often the database is asked for its time

Answer = TypeVar("Answer")


@dataclass(slots=True)
class Recorded:
    """A batch that is committed: what may not go, and which mail services must rest."""

    batch: Batch
    verdict: Verdict
    begun_at: float  # `time.monotonic` before it: we may have slept at any point since
    faulty: set[int] = field(default_factory=set)  # transports that failed a try
    opened: set[int] = field(default_factory=set)  # … and whose breaker opened


class GaveUpError(Exception):
    """The session had to end before the database came back."""


class Recorder(threading.Thread):
    def __init__(
        self,
        *,
        breakers: dict[int, CircuitBreaker],
        begun: Callable[[UUID], None],
        recorded: Callable[[Recorded], None],
        ended: Callable[[BaseException | None], None],
        on_result: Callable[[AttemptResult], None],
    ) -> None:
        """`begun`, `recorded` and, once, `ended` are called from this thread."""
        super().__init__(name="recorder", daemon=True)
        self.worker: UUID | None = None
        self.is_away = False  # the database
        self._breakers = breakers
        self._begun, self._recorded, self._ended, self._on_result = (
            begun,
            recorded,
            ended,
            on_result,
        )
        self._batches: queue.SimpleQueue[Batch | None] = queue.SimpleQueue()
        self._must_end = threading.Event()
        self._leaves = False
        self.skew = timedelta(0)  # of this host's steady clock to the database's
        self._skew_until = datetime.min.replace(tzinfo=UTC)

    def put(self, batch: Batch) -> None:
        self._batches.put(batch)

    def end(self) -> None:
        """Let the thread retire the worker and end, when all batches are written."""
        self._batches.put(None)

    def leave(self) -> None:
        """Let the thread end without retiring the worker. Its lease is left to the rescue, and with
        it the list of what is in flight: only an orderly session may say that nothing is."""
        self._leaves = True
        self._must_end.set()
        self._batches.put(None)

    def give_up(self) -> None:
        """Wait for the database no longer."""
        self._must_end.set()

    def now(self) -> datetime:
        """Return the database's time without asking it every time."""
        here = steady.now()
        if here >= self._skew_until:
            instant = clock.now()
            # It was said somewhere between the question and the answer.
            self.skew = instant - (here + (steady.now() - here) / 2)
            self._skew_until = here + CLOCK_EVERY
        return steady.now() + self.skew

    def run(self) -> None:
        cause: BaseException | None = None
        try:
            self.worker = self._insist(lambda: claims.enlist(clock.now()))
            self._begun(self.worker)
            while (batch := self._batches.get()) is not None:
                self._write(batch)
            if not self._leaves:
                self._insist(self._retire)
        except BaseException as error:
            if not isinstance(error, lease.LeaseLost | GaveUpError):
                log.exception("recorder_failed", extra={"worker": self.worker})
            cause = error
        finally:
            self._close()
            self._ended(cause)

    def _close(self) -> None:
        try:
            # Without its lock the next rescue takes a worker that has not retired for dead.
            if self.worker is not None:
                lease.abandon(self.worker)
        except Exception:  # the session waits to hear of the end
            log.exception("lock_not_abandoned", extra={"worker": self.worker})
        finally:
            with suppress(Exception):
                connection.close()

    def _retire(self) -> None:
        assert self.worker is not None
        claims.retire(self.worker, self.now())

    def _write(self, batch: Batch) -> None:
        worker = self.worker
        assert worker is not None

        def record() -> tuple[Verdict, float]:
            begun_at = time.monotonic()
            return recording.record(worker, batch, self.now()), begun_at

        done = Recorded(batch, *self._insist(record))
        done.faulty = {
            result.transport_id
            for result in batch.results
            if result.outcome is Outcome.UNAVAILABLE and result.transport_id is not None
        }
        results = batch.results
        if not done.faulty:  # nearly always: one that answered speaks for all
            results = list({result.transport_id: result for result in results}.values())
        done.opened = self._insist(lambda: self._tell_breakers(results))
        for result in batch.results:
            self._on_result(result)
        self._recorded(done)

    def _tell_breakers(self, results: Iterable[AttemptResult]) -> set[int]:
        """Return the transports that must rest."""
        return {
            result.transport_id
            for result in results
            if result.transport_id in self._breakers and not self._report(result)
        }

    def _report(self, result: AttemptResult) -> bool:
        breaker = self._breakers[result.transport_id or 0]
        if result.outcome is Outcome.UNAVAILABLE:
            return breaker.record_failure(result.step, result.code, result.reply, self.now())
        if result.outcome is not Outcome.RENDER:
            breaker.record_success(result.started_at)
        return True

    def _insist(self, action: Callable[[], Answer]) -> Answer:
        """Repeat `action` until the database is back; nothing of it happens twice."""
        tries = 0
        while True:
            try:
                answer = action()
            except TROUBLES as error:
                self.is_away = True
                pause = PAUSES[min(tries, len(PAUSES) - 1)]
                log.warning("database_away", extra={"worker": self.worker, "error": error})
                if self._must_end.wait(pause):
                    raise GaveUpError from error
                tries += 1
                self._reconnect()
            else:
                self.is_away = False
                return answer

    def _reconnect(self) -> None:
        if self.worker is None:
            connection.close()
        else:
            lease.reconnect(self.worker)
