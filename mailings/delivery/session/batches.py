"""What one commit writes: what became of a batch of tries, and what of a delivery that makes."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, assert_never

from mailings.delivery import retry
from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.states import DeliveryStatus, Outcome, sources

D = DeliveryStatus


@dataclass(slots=True)
class Batch:
    """What one commit writes."""

    results: list[AttemptResult] = field(default_factory=list)
    to_send: list[Claimed] = field(default_factory=list)
    """Deliveries that would be handed over after this commit."""
    unanswered: list[int] = field(default_factory=list)
    """Ids of those that were before and are not answered yet."""
    stale: list[Claimed] = field(default_factory=list)
    """Of `to_send`, those read too long ago to be believed: asked for again, one by one."""
    finished_chunks: list[int] = field(default_factory=list)
    released_chunks: list[int] = field(default_factory=list)
    released_deliveries: list[int] = field(default_factory=list)
    """Ids of deliveries that were claimed row by row and will not be sent now."""
    postponed: list[tuple[Claimed, datetime]] = field(default_factory=list)
    """Deliveries that were not tried, and when to: their receiver rests."""


@dataclass(slots=True)
class Verdict:
    """Which of `to_send` may not go: all of these runs, and these deliveries."""

    held_runs: Collection[int] = ()
    skipped: Collection[int] = ()

    def allows(self, claimed: Claimed) -> bool:
        return claimed.run_id not in self.held_runs and claimed.pk not in self.skipped


class ResultKind(NamedTuple):
    """What many results of a batch have in common; for each there is one statement."""

    status: DeliveryStatus
    outcome: Outcome
    step: str
    transport_id: int | None
    charged: int  # added to the recipient's tries
    is_settled: bool


def kind_of(result: AttemptResult) -> ResultKind:
    status, charged, is_settled = settlement(result)
    return ResultKind(status, result.outcome, result.step, result.transport_id, charged, is_settled)


def settlement(result: AttemptResult) -> tuple[DeliveryStatus, int, bool]:
    """Return a delivery's next status, what it costs its recipient in tries, and whether that
    is its end."""
    # A service that is away says nothing new of a mail that it may have taken before.
    uncertain = result.outcome is Outcome.UNCERTAIN or (
        result.outcome is Outcome.UNAVAILABLE and result.claimed.before is D.UNCERTAIN
    )
    match result.decision:
        case retry.Done():
            return D.SENT, 1, True
        case retry.Retry(_, charged):
            return D.UNCERTAIN if uncertain else D.DEFERRED, int(charged), False
        case retry.PauseMailing():
            return D.DEFERRED, 0, False
        case retry.GiveUp():
            return D.UNCERTAIN if uncertain else D.FAILED, 1, True
        case _:
            assert_never(result.decision)


def next_attempt(result: AttemptResult, now: datetime) -> datetime | None:
    match result.decision:
        case retry.Retry(at, _):
            return at
        case retry.PauseMailing():
            return now
        case retry.Done() | retry.GiveUp():
            return None
        case _:
            assert_never(result.decision)


def by_kind(results: Sequence[AttemptResult]) -> dict[ResultKind, list[AttemptResult]]:
    found: dict[ResultKind, list[AttemptResult]] = defaultdict(list)
    # Nearly all are acceptances at the final dot: their kind is made out once.
    accepted: dict[tuple[str, int | None], list[AttemptResult]] = {}
    for result in results:
        if result.outcome is Outcome.ACCEPTED:
            accepted.setdefault((result.step, result.transport_id), []).append(result)
        else:
            found[kind_of(result)].append(result)
    for alike in accepted.values():
        found[kind_of(alike[0])] += alike
    return found


def before(status: DeliveryStatus) -> list[str]:
    """Return from where a result may bring a delivery to `status`."""
    allowed = sources(status)
    return [status.value for status in (D.PENDING, D.SENDING) if status in allowed]
