"""A mail service that keeps what it is given: for tests and for trying things out."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailings.delivery.transports.base import (
    Accepted,
    Outcome,
    Step,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.smtp_mail import Mail, Source

Answer = Callable[[Mail], Outcome]


def accept(mail: Mail) -> Outcome:
    return Accepted(
        step=Step.DOT, started_at=datetime.now(UTC), code=250, enhanced_code="2.0.0",
        reply="2.0.0 Kept in memory",
    )  # fmt: skip


@dataclass
class MemoryService:
    """What every connection of this process talks to. `answer` decides about each mail."""

    answer: Answer = accept
    taken: list[Mail] = field(default_factory=list)
    connections: int = 0

    def take(self, mail: Mail) -> Outcome:
        """Answer for a mail, and keep it if it is taken."""
        outcome = self.answer(mail)
        if isinstance(outcome, Accepted):
            self.taken.append(mail)
        return outcome

    def reset(self) -> None:
        self.answer, self.connections = accept, 0
        self.taken.clear()


service = MemoryService()


class MemoryConnection:
    """Behaves towards its source as an SMTP connection without PIPELINING does."""

    def __init__(self, source: Source, to: MemoryService) -> None:
        self.accepted = 0
        self.ended = False
        self._source = source
        self._service = to
        self._loop = asyncio.get_running_loop()
        self._next: Mail | None = None  # waits for its release
        self._body: Mail | None = None  # with the service
        self._is_stopping = False

    def start(self) -> None:
        self._service.connections += 1
        self._loop.call_soon(self._proceed)

    def wake(self) -> None:
        if not (self.ended or self._next or self._body):
            self._loop.call_soon(self._proceed)

    def release_body(self) -> None:
        if self._next is not None and not self.ended:
            self._send()

    def stop(self) -> None:
        self._is_stopping = True
        if self._body is None:
            self._finish(None)

    def abort(self) -> None:
        self._is_stopping = True
        if self._body is not None:
            self._take(_abandoned())
        self._finish(None)

    def _proceed(self) -> None:
        if self.ended or self._next or self._body:
            return
        if self._is_stopping:
            self._finish(None)
            return
        mail = self._next = self._source.next_mail(self)  # type: ignore[arg-type]
        if mail is not None and not self.ended and self._source.may_send_body(self, mail):  # type: ignore[arg-type]
            self._send()

    def _send(self) -> None:
        mail = self._body = self._next
        assert mail is not None
        self._next = None
        # The answer may take as long as it likes: it must not hold up the loop.
        self._loop.run_in_executor(None, self._ask, mail)

    def _ask(self, mail: Mail) -> None:
        outcome = self._service.take(mail)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._take, outcome)

    def _take(self, outcome: Outcome) -> None:
        mail, self._body = self._body, None
        if mail is None or self.ended:
            return
        self.accepted += isinstance(outcome, Accepted)
        self._source.done(self, mail, outcome)  # type: ignore[arg-type]
        if isinstance(outcome, Unavailable):
            self._finish(outcome)
        else:
            self._proceed()

    def _finish(self, cause: Outcome | None) -> None:
        if not self.ended:
            self.ended = True
            unsent, self._next = self._next, None
            self._source.closed(self, unsent, cause)  # type: ignore[arg-type]


def connect(source: Source) -> MemoryConnection:
    return MemoryConnection(source, service)


def _abandoned() -> Outcome:
    return Uncertain(
        step=Step.DOT, started_at=datetime.now(UTC), reply="The sender gave up waiting."
    )
