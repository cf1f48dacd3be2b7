"""What passes between the queue and a worker: a delivery in its hands, and what became of it."""

from dataclasses import dataclass
from datetime import datetime

from mailings.delivery import retry
from mailings.delivery.transports import base
from mailings.states import DeliveryStatus, Outcome


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery in this worker's hands."""

    pk: int
    run_id: int
    mailing_id: int
    owner_id: int
    address: str
    full_name: str
    variables: dict[str, object]
    before: DeliveryStatus
    history: retry.History


@dataclass(frozen=True, slots=True)
class Result:
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
        cls, claimed: Claimed, outcome: base.Outcome, decision: retry.Decision, transport_id: int
    ) -> "Result":
        return cls(
            claimed, Outcome(outcome.name), decision, outcome.started_at, outcome.seconds,
            outcome.step, outcome.code, outcome.enhanced_code, outcome.reply, transport_id,
        )  # fmt: skip
