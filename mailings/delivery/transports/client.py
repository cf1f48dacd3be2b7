"""An awaitable face of a mail service, for test sends and tests: `await client.send(mail)`.

Keeps one connection; where the service can, what is sent at the same time is pipelined. The engine
uses links themselves, because it decides when each body may leave.
"""

import asyncio
from collections import deque
from typing import Self

from mailings.delivery.transports import Connect, Link
from mailings.delivery.transports.base import Outcome, Unavailable
from mailings.delivery.transports.smtp.mail import Mail


class Client:
    """Sends mails one after another through one persistent connection, opened when needed."""

    def __init__(self, connect: Connect) -> None:
        self._make = connect
        self._connection: Link | None = None
        self._waiting: deque[Mail] = deque()
        self._outcomes: dict[Mail, asyncio.Future[Outcome]] = {}
        self._has_closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def send(self, mail: Mail) -> Outcome:
        """Return what became of the mail. Never raises for what a server does."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._outcomes[mail] = outcome
        self._waiting.append(mail)
        if self._connection is None:
            self._connect()
        else:
            self._connection.wake()
        return await outcome

    async def close(self) -> None:
        while self._connection is not None:
            self._connection.stop()
            await self._has_closed.wait()

    def _connect(self) -> None:
        self._has_closed.clear()
        self._connection = self._make(self)
        self._connection.start()

    # As a source of the connection

    def next_mail(self, connection: Link) -> Mail | None:
        return self._waiting.popleft() if self._waiting else None

    def may_send_body(self, connection: Link, mail: Mail) -> bool:
        return True

    def done(self, connection: Link, mail: Mail, outcome: Outcome) -> None:
        waiting = self._outcomes.pop(mail)
        if not waiting.done():
            waiting.set_result(outcome)

    def closed(self, connection: Link, unsent: Mail | None, cause: Outcome | None) -> None:
        self._connection = None
        self._has_closed.set()
        if unsent is not None:
            self._waiting.appendleft(unsent)
        if isinstance(cause, Unavailable):
            while self._waiting:
                self.done(connection, self._waiting.popleft(), cause)
        elif self._waiting:
            # Not endless: each time a mail is settled, or one is given back that cannot be again.
            self._connect()


async def send(connect: Connect, mail: Mail) -> Outcome:
    """Send one mail through a connection of its own."""
    async with Client(connect) as client:
        return await client.send(mail)
