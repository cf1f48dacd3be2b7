"""What passes between the queue and a worker: a claimed delivery, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from mailings.delivery import retry
from mailings.delivery.transports import base
from mailings.states import DeliveryStatus, Outcome


@dataclass(slots=True, eq=False)
class Claimed:
    """A delivery that this worker claimed: with a chunk it leased, or alone for another try."""

    pk: int
    run_id: int
    mailing_id: int
    owner_id: int
    address: str
    full_name: str
    variables: Mapping[str, object]
    read_at: float  # of the monotonic clock: how old what we know of it is
    until: datetime | None = None  # no retry from here on: the mailing's end or next occurrence
    chunk_id: int | None = None
    is_suspect: bool = False  # a worker died with its chunk
    before: DeliveryStatus = DeliveryStatus.PENDING
    tries: int = 0
    attempts: int = 0
    resends_left: int = 0
    first_refused_at: datetime | None = None

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]

    @property
    def history(self) -> retry.History:
        return retry.History(
            tries=self.tries,
            attempts=self.attempts,
            resends_left=self.resends_left,
            first_refused_at=self.first_refused_at,
            until=self.until,
        )


class AttemptResult(NamedTuple):
    """What became of a try, and what is to follow."""

    claimed: Claimed
    outcome: Outcome
    decision: retry.Decision
    started_at: datetime
    seconds: float = 0.0
    step: str = ""
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    transport_id: int | None = None

    @classmethod
    def of(
        cls,
        claimed: Claimed,
        result: base.SendResult,
        decision: retry.Decision,
        transport_id: int,
        skew: timedelta,
    ) -> "AttemptResult":
        """`skew`: of this host's steady clock to the database's, whose time the log has."""
        return cls(
            claimed, OUTCOMES[result.name], decision, result.started_at + skew, result.seconds,
            result.step, result.code, result.enhanced_code, result.reply, transport_id,
        )  # fmt: skip


OUTCOMES = {outcome.value: outcome for outcome in Outcome}
"""By name: asking the enumeration itself costs as much as writing the row."""
