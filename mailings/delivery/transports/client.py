"""An awaitable face of a mail service, for test sends and tests: `await client.send(mail)`.

Keeps one connection; where the service can, what is sent at the same time is pipelined. The engine
uses connections themselves, because it decides when each body may leave.
"""

import asyncio
from collections import deque
from typing import Self

from mailings.delivery.transports import Connect, Connection
from mailings.delivery.transports.base import SendResult, Unavailable
from mailings.delivery.transports.mail import Mail


class TransportClient:
    """Sends mails one after another through one persistent connection, opened when needed."""

    def __init__(self, connect: Connect) -> None:
        self._make = connect
        self._connection: Connection | None = None
        self._waiting: deque[Mail] = deque()
        self._results: dict[Mail, asyncio.Future[SendResult]] = {}
        self._has_closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def send(self, mail: Mail) -> SendResult:
        """Return what became of the mail. Never raises for what a server does."""
        result: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()
        self._results[mail] = result
        self._waiting.append(mail)
        if self._connection is None:
            self._connect()
        else:
            self._connection.wake()
        return await result

    async def close(self) -> None:
        while self._connection is not None:
            self._connection.stop()
            await self._has_closed.wait()

    def _connect(self) -> None:
        self._has_closed.clear()
        self._connection = self._make(self)
        self._connection.start()

    # As a source of the connection

    def next_mail(self, connection: Connection) -> Mail | None:
        return self._waiting.popleft() if self._waiting else None

    def may_send_body(self, connection: Connection, mail: Mail) -> bool:
        return True

    def done(self, connection: Connection, mail: Mail, result: SendResult) -> None:
        waiting = self._results.pop(mail)
        if not waiting.done():
            waiting.set_result(result)

    def closed(self, connection: Connection, unsent: Mail | None, cause: SendResult | None) -> None:
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


async def send(connect: Connect, mail: Mail) -> SendResult:
    """Send one mail through a connection of its own."""
    async with TransportClient(connect) as client:
        return await client.send(mail)


async def reach(connect: Connect) -> SendResult | None:
    """Open a session – greeting, TLS, log-in – and end it without a mail; return what was in the
    way, if anything."""
    attempt = _Reaching()
    attempt.connection = connect(attempt)
    attempt.connection.start()
    await attempt.is_over.wait()
    return None if attempt.is_reached else attempt.cause


class _Reaching:
    """A source that has no mail, and ends the session that asks for one."""

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.is_over = asyncio.Event()
        self.is_reached = False
        self.cause: SendResult | None = None

    def next_mail(self, connection: Connection) -> Mail | None:
        self.is_reached = True
        connection.stop()
        return None

    def may_send_body(self, connection: Connection, mail: Mail) -> bool:
        return False

    def done(self, connection: Connection, mail: Mail, result: SendResult) -> None:
        """No mail is ever given."""

    def closed(self, connection: Connection, unsent: Mail | None, cause: SendResult | None) -> None:
        self.cause = cause
        self.is_over.set()
