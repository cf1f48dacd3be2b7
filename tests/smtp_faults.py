"""What the scripted SMTP server may do instead of answering well; see `tests.smtpd`."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.smtpd import Session


class Action:
    """One way to misbehave. `act` tells whether to answer well after all; it raises `GoneError`
    when the connection has ended."""

    def __str__(self) -> str:
        return repr(self)[:30]

    async def act(self, session: "Session") -> bool:
        raise NotImplementedError


class GoneError(Exception):
    """The connection is over."""


@dataclass
class Answer(Action):
    """A reply in plain words; lines are separated by `\\n`."""

    text: str

    async def act(self, session: "Session") -> bool:
        await session.send(reply_bytes(self.text))
        return False


@dataclass
class Raw(Action):
    """Bytes as they are: garbage, NULs, an empty line, a code out of range."""

    data: bytes

    async def act(self, session: "Session") -> bool:
        await session.send(self.data)
        return False


@dataclass
class Hang(Action):
    """Never answer, whatever comes."""

    async def act(self, session: "Session") -> bool:
        await session.until_lost()
        return False


@dataclass
class Deaf(Action):
    """Stop reading, keep the connection open."""

    seconds: float = 30.0

    async def act(self, session: "Session") -> bool:
        session.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(self.seconds)
        raise GoneError


@dataclass
class Drop(Action):
    """Close the connection in an orderly way (FIN)."""

    async def act(self, session: "Session") -> bool:
        session.close()
        raise GoneError


@dataclass
class Reset(Action):
    """Close the connection with a RST."""

    async def act(self, session: "Session") -> bool:
        session.reset()
        raise GoneError


@dataclass
class Endless(Action):
    """A multi-line reply without an end; `pause` seconds between the lines."""

    code: int = 250
    pause: float = 0.0

    async def act(self, session: "Session") -> bool:
        lines = b"%d-and so on, and so on, and so on\r\n" % self.code
        while True:
            await session.send(lines if self.pause else lines * 200)
            await asyncio.sleep(self.pause)


@dataclass
class LongLine(Action):
    """One line of `size` bytes."""

    start: bytes = b"250 "
    filler: bytes = b"x"
    size: int = 10 * 1024 * 1024

    async def act(self, session: "Session") -> bool:
        await session.send(self.start)
        for _ in range(self.size // 65536):
            await session.send(self.filler * 65536)
        await session.send(b"\r\n")
        return False


@dataclass
class Drip(Action):
    """A good reply, one byte each `pause` seconds."""

    text: str = "250 " + "drip " * 1000
    pause: float = 1.0

    async def act(self, session: "Session") -> bool:
        for byte in reply_bytes(self.text):
            await session.send(bytes([byte]))
            await asyncio.sleep(self.pause)
        return False


@dataclass
class Wait(Action):
    """Answer well, or do `then`, after some seconds: a slow relay."""

    seconds: float
    then: "Action | str | None" = None

    async def act(self, session: "Session") -> bool:
        await asyncio.sleep(self.seconds)
        if self.then is None:
            return True
        return await as_action(self.then).act(session)


@dataclass
class Accept(Action):
    """At `dot`: take the mail, then do this."""

    then: "Action | str"

    async def act(self, session: "Session") -> bool:
        session.accept()
        return await as_action(self.then).act(session)


def as_action(plan: "Action | str") -> Action:
    return Answer(plan) if isinstance(plan, str) else plan


def reply_bytes(text: str) -> bytes:
    """Return a reply's bytes; `250 one\\ntwo` becomes two lines with the code before each."""
    code, _, rest = text.partition(" ")
    *first, last = rest.split("\n")
    lines = [f"{code}-{line}\r\n" for line in first] + [f"{code} {last}\r\n"]
    return "".join(lines).encode()
