"""A mail service that keeps what it is given: for tests and for trying things out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailings.delivery.transports.base import Accepted, Envelope, Outcome, Step

outbox: list[tuple[Envelope, bytes]] = []
"""What every memory transport of this process was given and took, oldest first."""


def accept(envelope: Envelope, message: bytes) -> Outcome:
    return Accepted(
        step=Step.DOT, started_at=datetime.now(UTC), code=250, enhanced_code="2.0.0",
        reply="2.0.0 Kept in memory",
    )  # fmt: skip


@dataclass
class MemoryTransport:
    answer: Callable[[Envelope, bytes], Outcome] = accept
    taken: list[tuple[Envelope, bytes]] = field(default_factory=lambda: outbox)

    def send(self, envelope: Envelope, message: bytes) -> Outcome:
        outcome = self.answer(envelope, message)
        if isinstance(outcome, Accepted):
            self.taken.append((envelope, message))
        return outcome

    def close(self) -> None:
        """Nothing is open."""
