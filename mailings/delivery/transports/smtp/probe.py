"""Opens a session with a mail service and ends it again, to tell an operator how far it came.

No mail is spoken of. Deadlines are short: somebody waits for the answer.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace

from mailings.delivery import event_loop
from mailings.delivery.transports import Connection
from mailings.delivery.transports.base import SendResult
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection

POLICY = Policy(connect=8, banner=8, ehlo=8, tls=8, auth=8, rset=2, quit=2)
WHOLE = 25.0
"""Seconds for everything together."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found: the extensions of a session that opened, or the fault that prevented it."""

    seconds: float
    extensions: dict[str, str] = field(default_factory=dict)
    fault: SendResult | None = None
    is_too_slow: bool = False
    """It neither opened nor failed in the time there is."""

    @property
    def is_good(self) -> bool:
        return self.fault is None and not self.is_too_slow


def probe(config: SmtpConfig, *, policy: Policy = POLICY, whole: float = WHOLE) -> Finding:
    """Open a session and end it. Never raises for what a server does; never call it inside a
    transaction of the database, which would wait with it."""
    return event_loop.run(_probe(replace(config, policy=policy), whole))


async def _probe(config: SmtpConfig, whole: float) -> Finding:
    started = time.monotonic()
    visitor = _Visitor()
    connection = SmtpConnection(config, visitor)
    connection.start()
    try:
        async with asyncio.timeout(whole):
            await visitor.has_ended.wait()
    except TimeoutError:
        connection.abort()
    seconds = time.monotonic() - started
    if visitor.has_opened:
        return Finding(visitor.opened_at - started, dict(connection.extensions))
    return Finding(seconds, fault=visitor.fault, is_too_slow=visitor.fault is None)


class _Visitor:
    """A source without mails: it leaves as soon as it is asked for one."""

    def __init__(self) -> None:
        self.has_ended = asyncio.Event()
        self.has_opened = False
        self.opened_at = 0.0
        self.fault: SendResult | None = None

    def next_mail(self, connection: Connection) -> Mail | None:
        if not self.has_opened:
            self.has_opened, self.opened_at = True, time.monotonic()
            asyncio.get_running_loop().call_soon(connection.stop)
        return None

    def may_send_body(self, connection: Connection, mail: Mail) -> bool:
        return False

    def done(self, connection: Connection, mail: Mail, result: SendResult) -> None:
        """There is no mail."""

    def closed(self, connection: Connection, unsent: Mail | None, cause: SendResult | None) -> None:
        self.fault = cause
        self.has_ended.set()
