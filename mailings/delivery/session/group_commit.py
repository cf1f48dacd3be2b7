"""The session's side of the group commit: what the next one writes, when it goes to the recorder,
and what its verdict means for the connections.

At most one batch is with the recorder; the next one grows meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.delivery.session.batches import Batch, Verdict
from mailings.delivery.session.buffer import Buffer
from mailings.delivery.session.commit_pacing import CommitPacing
from mailings.delivery.session.connection_pool import ConnectionPool, Slot
from mailings.delivery.session.recorder import Recorded
from mailings.delivery.transports.mail import Mail
from mailings.states import Outcome

STALE_AFTER = 1.0
"""Seconds after which what was read of a delivery is asked again when it is handed over."""
CLEARANCE_LASTS = 5.0
"""Seconds since a commit began in which what it allowed may leave. No lease is taken away sooner.
After a commit that took longer, what it allowed is asked for once more."""


@dataclass(slots=True)
class NextBatch:
    """What the next commit will write, and the connections on which it was answered."""

    batch: Batch = field(default_factory=Batch)
    answered: list[tuple[ConnectionPool, Slot]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        batch = self.batch
        return not (
            batch.results
            or batch.finished_chunks
            or batch.released_chunks
            or batch.released_deliveries
            or batch.postponed
        )


@dataclass(slots=True)
class Committed:
    """What the session remembers of a batch while it is with the recorder."""

    results: list[AttemptResult]
    answered: list[tuple[ConnectionPool, Slot]]
    undecided: list[tuple[ConnectionPool, Slot, Mail]]
    """Mails that may leave if the verdict allows it."""


class GroupCommit:
    """Used by the session's thread only."""

    def __init__(
        self,
        pools: Collection[ConnectionPool],
        buffer: Buffer,
        *,
        put: Callable[[Batch], None],
        may_commit: Callable[[], bool],
    ) -> None:
        """`put` takes a batch to the recorder, unless nothing may be committed any more."""
        self.pacing = CommitPacing()
        self._pools, self._buffer = pools, buffer
        self._put, self._may_commit = put, may_commit
        self._loop = asyncio.get_running_loop()
        self._next = NextBatch()
        self._committing: Committed | None = None
        self._timer: asyncio.Handle | None = None
        self._is_due = False  # the timer's time has come

    @property
    def is_committing(self) -> bool:
        return self._committing is not None

    @property
    def is_empty(self) -> bool:
        """Whether the next commit would write nothing but the lease."""
        return self._next.is_empty

    def holds_acceptance(self, run_id: int) -> bool:
        """Whether a mail of the run was taken and that is not committed yet."""
        pending = self._next.batch.results
        if self._committing is not None:
            pending = self._committing.results + pending
        return any(
            result.outcome is Outcome.ACCEPTED and result.claimed.run_id == run_id
            for result in pending
        )

    # What the next commit writes

    def add(self, result: AttemptResult) -> None:
        self._next.batch.results.append(result)
        self.end_claim(result.claimed, is_settled=True)
        self.request()

    def note_answered(self, pool: ConnectionPool, slot: Slot) -> None:
        """The connection's next body may leave when the result just added is committed."""
        self._next.answered.append((pool, slot))

    def end_claim(self, claimed: Claimed, *, is_settled: bool) -> None:
        self._buffer.end_claim(claimed, self._next.batch, is_settled=is_settled)

    def release(self, waiting: Iterable[Claimed]) -> None:
        """Leave these to other workers."""
        for claimed in waiting:
            self.end_claim(claimed, is_settled=False)

    def postpone(self, claimed: Claimed, at: datetime) -> None:
        """Leave one to whoever works then."""
        self._next.batch.postponed.append((claimed, at))
        self.end_claim(claimed, is_settled=True)

    # When it is written

    def request(self) -> None:
        """There is something to commit: as soon as the pacing allows it."""
        if self._committing is not None or self._is_due:
            return  # it comes when the recorder is free
        wait = self.pacing.wait(monotonic())
        is_urgent = wait <= 0 or not any(pool.bodies_in_flight for pool in self._pools)
        if is_urgent:
            if self._timer is not None:
                self._timer.cancel()
            self._is_due = True
            self._timer = self._loop.call_soon(self._commit)
        elif self._timer is None:
            self._timer = self._loop.call_later(wait, self._commit)

    def request_if_any(self) -> None:
        """Request a commit if there is anything to write or a connection waits for one."""
        if not self.is_empty or any(pool.awaits_commit for pool in self._pools):
            self.request()

    def _commit(self) -> None:
        self._timer, self._is_due = None, False
        if self._committing is not None or not self._may_commit():
            return
        filled, self._next = self._next, NextBatch()
        undecided = self._name_in_flight(filled.batch)
        self._committing = Committed(filled.batch.results, filled.answered, undecided)
        self.pacing.begun_at = monotonic()
        self._put(filled.batch)

    def _name_in_flight(self, batch: Batch) -> list[tuple[ConnectionPool, Slot, Mail]]:
        """Write into the batch what every connection holds; return what has not left yet."""
        undecided = []
        fresh_since = monotonic() - STALE_AFTER
        for pool in self._pools:
            for slot in pool.slots:
                if slot.body is not None:
                    batch.unanswered.append(slot.body.key.pk)  # type: ignore[attr-defined]
                elif slot.next is not None:
                    slot.committed = None  # it is judged again: until then it may not leave
                    undecided.append((pool, slot, slot.next))
                    claimed: Claimed = slot.next.key  # type: ignore[assignment]
                    batch.to_send.append(claimed)
                    if claimed.read_at < fresh_since:
                        batch.stale.append(claimed)
        return undecided

    # What the commit says

    def apply(self, done: Recorded) -> Committed:
        """Tell the connections what is committed; return what `send_cleared` needs."""
        committed, self._committing = self._committing, None
        self.pacing.free_since = monotonic()
        assert committed is not None
        for pool, slot in committed.answered:
            pool.recorded(slot)
        self._apply_verdict(committed, done)
        return committed

    def _apply_verdict(self, committed: Committed, done: Recorded) -> None:
        """Allow or take back each envelope that the commit named and that is still there."""
        verdict, until = done.verdict, done.begun_at + CLEARANCE_LASTS
        for run_id in verdict.held_runs:
            self.release(self._buffer.drop(run_id))
        for pool, slot, mail in committed.undecided:
            claimed: Claimed = mail.key  # type: ignore[assignment]
            if verdict.allows(claimed):
                pool.mark_committed(slot, mail, until)
            else:
                self._withdraw(pool, slot, mail, verdict)

    def _withdraw(self, pool: ConnectionPool, slot: Slot, mail: Mail, verdict: Verdict) -> None:
        claimed: Claimed = mail.key  # type: ignore[assignment]
        is_held = claimed.run_id in verdict.held_runs
        if pool.withdraw(slot, mail):
            self.end_claim(claimed, is_settled=not is_held)
        elif not is_held:
            # Its connection gave it back meanwhile. A held run's are dropped as one.
            self._buffer.unwanted.add(claimed)

    def send_cleared(self, committed: Committed, done: Recorded) -> None:
        """Let the bodies leave that the commit allowed and that are still there."""
        leaving = [slot for pool, slot, _ in committed.undecided if pool.clear_to_send(slot)]
        leaving += [slot for pool, slot in committed.answered if pool.clear_to_send(slot)]
        if self._has_much_to_commit():
            # The database works on what was answered meanwhile, while the bodies are sent.
            self._commit()
        self._release(leaving, done.begun_at + CLEARANCE_LASTS)

    def _has_much_to_commit(self) -> bool:
        connections = sum(pool.connections for pool in self._pools)
        return self.pacing.follows(len(self._next.batch.results), connections, monotonic())

    def _release(self, leaving: Iterable[Slot], until: float) -> None:
        for slot in leaving:
            if monotonic() < until:
                slot.connection.release_body()
            else:  # we were asleep: somebody else may have it by now
                slot.connection.stop()
