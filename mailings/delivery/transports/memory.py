"""A mail service that keeps what it is given: for tests and for trying things out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mailings.delivery.transports.base import Accepted, SendResult, Step
from mailings.delivery.transports.mail import Mail, Source
from mailings.delivery.transports.one_by_one import OneByOne
from mailings.timing import steady

Answer = Callable[[Mail], SendResult]


def accept(mail: Mail) -> SendResult:
    """Take every mail."""
    return Accepted(
        step=Step.DOT, started_at=steady.now(), code=250, enhanced_code="2.0.0",
        reply="2.0.0 Kept in memory",
    )  # fmt: skip


@dataclass
class MemoryService:
    """What every connection of this process talks to. `answer` decides about each mail."""

    answer: Answer = accept
    taken: list[Mail] = field(default_factory=list)
    connections: int = 0

    def take(self, mail: Mail) -> SendResult:
        """Answer for a mail, and keep it if it is taken."""
        result = self.answer(mail)
        if isinstance(result, Accepted):
            self.taken.append(mail)
        return result

    def reset(self) -> None:
        self.answer, self.connections = accept, 0
        self.taken.clear()


service = MemoryService()


class MemoryConnection(OneByOne):
    """A link to `MemoryService`, for tests and benchmarks."""

    def __init__(self, source: Source, to: MemoryService) -> None:
        super().__init__(source)
        self._service = to

    def start(self) -> None:
        self._service.connections += 1
        super().start()

    def ask(self, mail: Mail) -> SendResult:
        return self._service.take(mail)


def connect(source: Source) -> MemoryConnection:
    """Return a link to the service of this process."""
    return MemoryConnection(source, service)
