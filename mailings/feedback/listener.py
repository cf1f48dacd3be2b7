"""A server that a mail server of one's own hands returned mail to: LMTP (RFC 2033) or SMTP, plain,
on a local address. What it answered with 250 is recorded; everything else is handed over again.

One recipient a mail: what comes of it is said of each by itself.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from weakref import WeakSet

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP

log = logging.getLogger(__name__)

MOST = 8 * 1024 * 1024
"""Bytes of a mail; a report says at its beginning why a letter came back."""
IDLE = 60.0
"""Seconds without a word after which a connection is closed."""
LAST_WORDS, TICK = 20.0, 0.05
"""Seconds in which what has come may still be answered at the end, and between two looks at it."""
HOSTNAME = "returns.localhost"
"""What it calls itself; asking DNS for the host's own name may take long."""

Take = Callable[[bytes, str], Awaitable[bool]]
"""Records a mail that came to an address; False: it is to be handed over again later."""


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str) -> "Address":
        """Return the address of `127.0.0.1:2400` or `[::1]:2400`. Raises `ValueError` for one that
        is none, and for one that the whole world may reach: nobody proves here who they are."""
        host, _colon, port = text.rpartition(":")
        if not port.isascii() or not port.isdecimal() or not 0 < int(port[:6]) < 1 << 16:
            raise ValueError("write an address and a port, like 127.0.0.1:2400")
        ip = ipaddress.ip_address(host.strip("[]"))
        if not ip.is_private or ip.is_unspecified:
            raise ValueError("listen on a local address: nobody signs in here")
        return cls(str(ip), int(port))


class _Handler:
    """What aiosmtpd asks of whoever takes mail in."""

    def __init__(self, take: Take, domain: str) -> None:
        self._take, self._domain = take, domain.lower()
        self.recording = 0

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._domain and address.rpartition("@")[2].lower() != self._domain:
            return "550 5.1.2 Only returned mail is taken here"
        if envelope.rcpt_tos:
            return "452 4.5.3 One recipient at a time"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.recording += 1
        try:
            is_taken = await self._take(envelope.content or b"", envelope.rcpt_tos[0])
        finally:
            self.recording -= 1
        return "250 2.0.0 Taken" if is_taken else "451 4.3.0 Not now, try again later"


async def serve(
    address: Address,
    *,
    take: Take,
    domain: str,
    is_lmtp: bool,
    ready: Callable[[int], None],
    stopped: asyncio.Event,
) -> None:
    """Take mail for a domain in (any, if it is empty) until `stopped` is set, and then answer what
    has come. `ready` is called with the port when it listens. Raises `OSError` where it cannot."""
    loop = asyncio.get_running_loop()
    handler = _Handler(take, domain)
    kind = LMTP if is_lmtp else SMTP
    sessions: WeakSet[SMTP] = WeakSet()

    def factory() -> SMTP:
        session: SMTP = kind(
            handler, data_size_limit=MOST, hostname=HOSTNAME, ident="returned mail",
            timeout=IDLE, enable_SMTPUTF8=True, loop=loop,
        )  # fmt: skip
        sessions.add(session)
        return session

    server = await loop.create_server(factory, address.host, address.port)
    try:
        ready(server.sockets[0].getsockname()[1])
        await stopped.wait()
    finally:
        server.close()
        # What is being recorded gets its answer; who is idle is sent away.
        deadline = loop.time() + LAST_WORDS
        while handler.recording and loop.time() < deadline:
            await asyncio.sleep(TICK)
        await asyncio.sleep(TICK)
        for session in sessions:
            if session.transport is not None:
                session.transport.close()
