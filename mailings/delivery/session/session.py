"""A worker's session: one event loop between the feeder, which reads, the recorder, which writes,
and the connection pools, which send.

    feeder → buffer → pool → connection → result → batch → recorder → the body that waited

What is in flight when the process dies stands in the worker's lease, committed, and nothing else
is in flight.
"""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings

from mailings.delivery import event_loop, retry
from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.delivery.queue.lease import LeaseLost
from mailings.delivery.session.alike_refusals import AlikeRefusals
from mailings.delivery.session.buffer import Buffer
from mailings.delivery.session.circuit_breaker import CircuitBreaker
from mailings.delivery.session.connection_pool import ConnectionPool, PoolConfig, Slot
from mailings.delivery.session.feeder import Feeder, Prefetched
from mailings.delivery.session.group_commit import GroupCommit
from mailings.delivery.session.idle_workers import IdleWorkers
from mailings.delivery.session.receivers import Receivers, Whose
from mailings.delivery.session.recorder import GaveUpError, Recorded, Recorder
from mailings.delivery.session.recording import Batch
from mailings.delivery.single_flight import never
from mailings.delivery.transports.base import (
    CLOSING,
    Accepted,
    Permanent,
    SendResult,
    Unavailable,
)
from mailings.delivery.transports.mail import Mail
from mailings.states import Outcome
from mailings.timing import steady

log = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between looks at the clock: the lateness of every wait of a session."""
SESSION_LASTS = 600.0
"""Seconds after which a session ends and another one begins, with the settings of then."""
SHUTDOWN_GRACE = 60.0
"""Seconds in which what was handed over may still be answered when the process is to end."""
READ_MORE_BELOW = 500
"""Deliveries in memory."""
LINE_MOST, LINE_LASTS = 100, 5.0
"""Deliveries of one slow receiver that wait in memory, and seconds until the next of them."""
LINE_APART = 0.01  # seconds at least between two of them
POSTPONED_LEAST = 1.0  # seconds
SECOND = timedelta(seconds=1)

_DONE = retry.Done()


class Session:
    """Made inside a running event loop and used by its thread only; `run` ends it."""

    def __init__(
        self,
        configs: Iterable[PoolConfig],
        *,
        stopping: Callable[[], bool],
        more_comes: Callable[[], bool] = never,
        mailing_id: int | None = None,
        receivers: Receivers | None = None,
        on_result: Callable[[AttemptResult], None],
    ) -> None:
        """`more_comes` tells whether to stay although nothing is due. `receivers`: what earlier
        sessions heard of them."""
        configs = list(configs)
        self.outcomes: Counter[Outcome] = Counter()
        self.worker: UUID | None = None
        self._loop = asyncio.get_running_loop()
        self._stopping, self._more_comes = stopping, more_comes
        self._mailing_id = mailing_id
        self._signs = not all(config.signs_itself for config in configs)
        self._buffer = Buffer()
        self._pools = {config.transport_id: ConnectionPool(self, config) for config in configs}
        self._clock = steady.now()
        self._began_at = monotonic()
        self._ending_at: float | None = None
        self._retiring = False
        self.has_failed = False  # by a fault of our own
        self._idle_workers = IdleWorkers()
        self._alike = AlikeRefusals()
        self._receivers = receivers if receivers is not None else Receivers()
        self._lines: dict[str, deque[Claimed]] = {}  # by receiver: who is sent as it allows
        self._is_over: asyncio.Future[None] = self._loop.create_future()
        self._feeder: Feeder | None = None
        self._recorder = Recorder(
            breakers={pk: CircuitBreaker(pk) for pk in self._pools},
            begun=lambda worker: self._call(self._begin, worker),
            recorded=lambda done: self._call(self._committed, done),
            ended=lambda error: self._call(self._recorder_ended, error),
            on_result=on_result,
        )
        self._commits = GroupCommit(
            self._pools.values(),
            self._buffer,
            put=self._recorder.put,
            may_commit=self._may_commit,
        )

    async def run(self) -> Counter[Outcome]:
        """Work until nothing is due, no service may be used, or the process is to stop."""
        self._loop.set_exception_handler(self._crash)
        self._recorder.start()
        ticking = self._loop.create_task(self._tick())
        ticking.add_done_callback(self._ticked)
        try:
            await self._is_over
        finally:
            # Whatever ended it, first of all: who has not retired by now must not any more.
            self._recorder.leave()
            ticking.cancel()
            self._disconnect()
            if self._feeder is not None:
                self._feeder.end()
            for thread in (self._feeder, self._recorder):
                if thread is not None:
                    await self._loop.run_in_executor(None, thread.join)
        return self.outcomes

    def _disconnect(self) -> None:
        for pool in self._pools.values():
            try:
                pool.disconnect()
            except Exception:  # after a crash anything may be askew; the others are closed as well
                log.exception("connections_not_closed", extra={"transport_id": pool.transport_id})

    def look(self) -> None:
        """There is more to send; may be called from any thread."""
        feeder = self._feeder
        if feeder is not None:
            feeder.look()

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call from another thread. A loop that is closed has nothing to hear any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    # What comes from the feeder

    def _begin(self, worker: UUID) -> None:
        if self._is_over.done():
            return
        self.worker = worker
        self._feeder = Feeder(
            worker=worker,
            mailing_id=self._mailing_id,
            signs=self._signs,
            waiting=self._buffer.waiting,
            signed_bytes=lambda: self._buffer.signed_bytes,
            found=lambda prefetched: self._call(self._buffer_prefetched, prefetched),
            nothing_due=lambda: self._call(self._nothing_due),
            shares=lambda workers: self._call(self._share, workers),
            top_up=self._top_up,
            more_than_ours=self._idle_workers.call,
            failed=lambda error: self._call(self._fail, error),
        )
        self._feeder.start()

    def _buffer_prefetched(self, prefetched: Prefetched) -> None:
        self._buffer.add(prefetched)
        if self._ending_at is not None:
            self._release_all_claims()
        else:
            self._wake_pools()

    def _top_up(self) -> None:
        """In the feeder's thread: see to it that there is something of the day to take."""
        for pool in self._pools.values():
            if pool.meter is not None:
                pool.meter.top_up()

    def _leave_used_up(self) -> None:
        """Leave services whose day is used up, when what it held is answered and written; the rest
        of the mail waits in the database."""
        for pool in self._pools.values():
            if pool.meter is None or pool.is_out_of_use or pool.holds_mail:
                continue
            if pool.meter.is_used_up:
                log.info("day_used_up", extra={"transport_id": pool.transport_id})
                pool.put_out_of_use()
                self.pool_changed()

    def _share(self, workers: int) -> None:
        for pool in self._pools.values():
            pool.limits.share_with(workers)

    def _nothing_due(self) -> None:
        if self._ending_at is None and self._is_idle() and not self._more_comes():
            self._end()

    def _is_idle(self) -> bool:
        return (
            self._buffer.is_empty
            and self._commits.is_empty
            and not self._commits.is_committing
            and not any(pool.holds_mail for pool in self._pools.values())
        )

    # What the pools ask and tell

    def has_waiting(self) -> bool:
        return self._buffer.size > 0 and self._dispatches

    @property
    def _dispatches(self) -> bool:
        # While the database is away nothing could be committed as in flight: nothing is taken up.
        return self._ending_at is None and not self._recorder.is_away

    def next_mail(self, pool: ConnectionPool) -> Mail | None:
        meter = pool.meter
        if meter is None:
            return self._next_mail(pool)
        if not meter.take():
            self.look()  # the feeder takes more of the day, or finds it used up
            return None
        mail = self._next_mail(pool)
        if mail is None:
            meter.refund()
        return mail

    def _next_mail(self, pool: ConnectionPool) -> Mail | None:
        buffer, limits = self._buffer, pool.limits
        while self._dispatches and (claimed := buffer.take()) is not None:
            if buffer.size < READ_MORE_BELOW:
                self.look()
            if buffer.unwanted and claimed in buffer.unwanted:
                buffer.unwanted.discard(claimed)
                self._commits.end_claim(claimed, is_settled=True)
            elif self._receivers.slow and self._holds_back(claimed):
                continue
            elif not limits.is_unlimited and (wait := limits.take(claimed.domain, monotonic())):
                if limits.waits(monotonic()):
                    # Nothing may go at all: whoever is next stays next.
                    buffer.requeue(claimed)
                    self._loop.call_later(wait, self._wake_pools)
                    return None
                buffer.throttle(claimed)
                self._loop.call_later(wait, self._unthrottle, claimed)
            elif mail := self._mail(claimed):
                if self._receivers.slow:
                    self._receivers.sent(claimed.domain, monotonic())
                return mail
        return None

    def _holds_back(self, claimed: Claimed) -> bool:
        """Whether its receiver wants fewer mails: then it waits here for a moment if few do, else
        in the database, where it is in nobody's way and whoever works then has it."""
        now, domain = monotonic(), claimed.domain
        wait = self._receivers.wait(domain, now)
        if not wait:
            return False
        group = self._receivers.group_of(domain)
        line = self._lines.get(group)
        if wait > LINE_LASTS or (line is not None and len(line) >= LINE_MOST):
            self._postpone(claimed, len(line or ()))
            return True
        self._buffer.throttle(claimed)
        if line is None:
            self._lines[group] = deque([claimed])
            self._loop.call_later(wait, self._advance, group)
        else:
            line.append(claimed)
        return True

    def _postpone(self, claimed: Claimed, ahead: int = 0) -> None:
        wait = self._receivers.line_up(claimed.domain, monotonic(), ahead)
        wait = max(wait, POSTPONED_LEAST)
        at = (self._instant() + timedelta(seconds=wait)).replace(microsecond=0) + SECOND
        self._buffer.forget(claimed)
        self._commits.postpone(claimed, at)
        self._commits.request()

    def _advance(self, group: str) -> None:
        """Let as many of the line go as the receiver takes now."""
        line = self._lines.get(group)
        if self._ending_at is not None or line is None:
            return
        wait = 0.0
        while line:
            wait = self._receivers.wait(line[0].domain, monotonic())
            if wait > LINE_LASTS:
                claimed = line.popleft()
                if self._buffer.is_throttled(claimed):
                    self._postpone(claimed)
            elif wait:
                break
            elif self._buffer.unthrottle(line.popleft()):
                break  # it takes its turn first
        if line:
            self._loop.call_later(max(wait, LINE_APART), self._advance, group)
        else:
            del self._lines[group]
        self._wake_pools()

    def _unthrottle(self, claimed: Claimed) -> None:
        if self._buffer.unthrottle(claimed):
            self._wake_pools()

    def _mail(self, claimed: Claimed) -> Mail | None:
        """Return its mail; None when none can be made, and the log says so."""
        try:
            return self._buffer.mail(claimed, self._clock)
        except Exception as error:  # whatever one client's values do, the others are sent
            log.exception("delivery_not_rendered", extra={"delivery_id": claimed.pk})
            words = f"{type(error).__name__}: {error}"[:500]
            self._commits.add(
                AttemptResult(
                    claimed, Outcome.RENDER, retry.GiveUp(), self._instant(),
                    step="render", reply=words,
                )
            )  # fmt: skip
            return None

    def requeue(self, pool: ConnectionPool, mail: Mail) -> None:
        claimed: Claimed = mail.key  # type: ignore[assignment]
        if pool.meter is not None:
            pool.meter.refund()
        if self._ending_at is not None:
            self._commits.end_claim(claimed, is_settled=False)
            self.request_commit()
        else:
            self._buffer.requeue(claimed, mail)

    def take_result(
        self, pool: ConnectionPool, slot: Slot | None, mail: Mail, result: SendResult
    ) -> None:
        claimed: Claimed = mail.key  # type: ignore[assignment]
        decision: retry.Decision = _DONE
        if result.__class__ is not Accepted:
            decision = self._decide(pool, claimed, result)
            if pool.meter is not None and result.__class__ is Unavailable:
                pool.meter.refund()
        elif self._receivers.slow:
            self._receivers.accepted(claimed.domain, monotonic())
        self._commits.add(
            AttemptResult.of(claimed, result, decision, pool.transport_id, self._recorder.skew)
        )
        if isinstance(decision, retry.PauseMailing):
            # The commit pauses it; nothing more of it is begun meanwhile.
            self._commits.release(self._buffer.drop(claimed.run_id))
        if slot is not None:
            self._commits.note_answered(pool, slot)

    def _decide(self, pool: ConnectionPool, claimed: Claimed, result: SendResult) -> retry.Decision:
        is_permanent = result.__class__ is Permanent
        whose = self._receivers.heed(claimed.domain, result, monotonic())
        if whose is Whose.SERVICE:
            pool.slow_down()
        rest = 0.0
        if whose is Whose.SERVICE and result.code == CLOSING:
            rest = retry.OUTAGE_WAIT.total_seconds()
        elif whose is Whose.RECEIVER:
            rest = max(self._receivers.line_up(claimed.domain, monotonic()), POSTPONED_LEAST)
        return retry.decide(
            result,
            claimed.history,
            self._instant(),
            alike=self._count_alike(claimed.run_id, result) if is_permanent else 0,
            rest=rest,
            is_working=pool.worked_lately or self.outcomes[Outcome.ACCEPTED] > 0,
            uncertain_wait=timedelta(seconds=settings.UNCERTAIN_WAIT),
        )

    def _count_alike(self, run_id: int, result: SendResult) -> int:
        if self._alike and self._commits.holds_acceptance(run_id):
            self._alike.forget([run_id])
        return self._alike.note(run_id, result)

    def request_commit(self) -> None:
        self._commits.request()

    def pool_changed(self) -> None:
        """A pool lost a connection, or may open some again."""
        if self._ending_at is not None:
            self._retire_if_done()
        elif all(pool.is_out_of_use for pool in self._pools.values()):
            self._end()
        else:
            self._wake_pools()

    def _wake_pools(self) -> None:
        for pool in self._pools.values():
            pool.wake_up()

    def _instant(self) -> datetime:
        """Return now by the database's clock."""
        return steady.now() + self._recorder.skew

    # Commits

    def _may_commit(self) -> bool:
        # After a crash a commit might forget what is in flight.
        return self.worker is not None and not self._retiring and not self._is_over.done()

    def _committed(self, done: Recorded) -> None:
        if self._is_over.done():
            return  # what it allowed stays where it is
        results = done.batch.results
        for result in results:
            self.outcomes[result.outcome] += 1
        if self._alike:
            accepted = (r.claimed.run_id for r in results if r.outcome is Outcome.ACCEPTED)
            self._alike.forget(accepted)
        if self._feeder is not None and (done.verdict.held_runs or _may_hold(done.batch)):
            self._feeder.invalidate_due()
        committed = self._commits.apply(done)
        if self._stopping():
            self._end()  # not before: it takes the envelopes back that the verdict is about
        self._commits.send_cleared(committed, done)
        self._apply_breakers(done)
        self._go_on()

    def _apply_breakers(self, done: Recorded) -> None:
        for transport_id in done.faulty:
            self._pools[transport_id].apply_breaker(has_opened=transport_id in done.opened)
        if done.opened:
            self.pool_changed()

    def _go_on(self) -> None:
        if self._ending_at is not None:
            self._retire_if_done()
        else:
            self._wake_pools()
            if not self._buffer.size:
                self.look()
        self._commits.request_if_any()

    # The end

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self._clock = self._instant()
            now = monotonic()
            if self._ending_at is not None:
                if now - self._ending_at > SHUTDOWN_GRACE:
                    self._recorder.give_up()
                    for pool in self._pools.values():
                        pool.abort()
                continue
            if self._stopping() or (
                self._mailing_id is None and now - self._began_at > SESSION_LASTS
            ):
                self._end()
                continue
            if self._commits.pacing.heartbeat_is_due(now):
                self._commits.request()
            self._leave_used_up()
            self._wake_pools()

    def _end(self) -> None:
        """Take up nothing more; retire when all that was handed over is answered and written."""
        if self._ending_at is not None:
            return
        self._ending_at = monotonic()
        if self._feeder is not None:
            self._feeder.end()
        self._release_all_claims()
        for pool in self._pools.values():
            pool.stop()
        self._retire_if_done()

    def _release_all_claims(self) -> None:
        self._commits.release(self._buffer.drop_all())

    def _retire_if_done(self) -> None:
        if (
            self._retiring
            or self._is_over.done()
            or any(pool.is_open for pool in self._pools.values())
        ):
            return
        if self._commits.is_committing:
            return
        if not self._commits.is_empty:
            self._commits.request()
            return
        self._retiring = True
        if self.has_failed:
            self._recorder.leave()
        else:
            self._recorder.end()

    def _recorder_ended(self, error: BaseException | None) -> None:
        """The worker is retired, or was taken for dead: then nothing may be handed over."""
        if error is not None:
            log.warning("session_ends", extra={"worker": self.worker, "error": error})
            self.has_failed |= not isinstance(error, LeaseLost | GaveUpError)
        if not self._is_over.done():
            self._is_over.set_result(None)

    def _fail(self, error: BaseException) -> None:
        """Nothing more is read: what is in flight is still answered and written. What the feeder
        had claimed when it failed is a chunk with which a worker ended badly."""
        self.has_failed |= not isinstance(error, LeaseLost)
        self._end()

    def _ticked(self, ticking: "asyncio.Task[None]") -> None:
        """Nobody waits for the clock: its fault would show when the task is thrown away."""
        if not ticking.cancelled() and (error := ticking.exception()) is not None:
            self._crash(self._loop, {"message": "The session's clock failed.", "exception": error})

    def _crash(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A fault of our own in a callback: end at once, as a killed process would."""
        error = context.get("exception")
        if event_loop.is_lost_handshake(context):
            log.info("tls_lost_before_handshake", extra={"error": error})
            return
        log.error("session_crashed", extra={"message_": context["message"]}, exc_info=error)
        self.has_failed = True
        if not self._is_over.done():
            self._is_over.set_exception(RuntimeError(context["message"]))


def _may_hold(batch: Batch) -> bool:
    """Whether a result may have stopped its mailing."""
    return any(result.outcome is Outcome.PERMANENT for result in batch.results)
