"""Sends mails through the SMTP client for tests, and a source that can be told what to allow."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mailings.delivery.transports import Connect
from mailings.delivery.transports.base import SendResult
from mailings.delivery.transports.client import TransportClient
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection
from tests.smtpd import SmtpServer

MESSAGE = "Message-ID: <{}>\r\nSubject: Привет\r\n\r\n.Hello, {}\r\n"


def mail_to(recipient: str, *, size: int = 0) -> Mail:
    body = MESSAGE.format(recipient, recipient)
    filler = "filler filler filler\r\n" * (size // 22)
    return Mail.of(f"bounce+{recipient}", recipient, (body + filler).encode(), key=recipient)


def config_of(server: SmtpServer, **limits: float) -> SmtpConfig:
    """The server's address, with some deadlines shortened."""
    return SmtpConfig.from_url(server.url, policy=Policy(**limits))


def connecting(config: SmtpConfig) -> Connect:
    return lambda source: SmtpConnection(config, source)


def send_all(config: SmtpConfig, *recipients: str) -> list[SendResult]:
    """Send to all at the same time through one client; return the outcomes in order."""

    async def run() -> list[SendResult]:
        async with TransportClient(connecting(config)) as client:
            return await asyncio.gather(*(client.send(mail_to(r)) for r in recipients))

    return asyncio.run(run())


def send_mails(config: SmtpConfig, *mails: Mail) -> list[SendResult]:
    async def run() -> list[SendResult]:
        async with TransportClient(connecting(config)) as client:
            return await asyncio.gather(*(client.send(mail) for mail in mails))

    return asyncio.run(run())


@dataclass
class Desk:
    """A `Source` that writes down everything, and allows bodies as it is told."""

    waiting: list[Mail]
    allows: Callable[[Mail], bool] = lambda mail: True
    given: list[Mail] = field(default_factory=list)
    results: dict[str, SendResult] = field(default_factory=dict)
    endings: list[tuple[Mail | None, SendResult | None]] = field(default_factory=list)

    def next_mail(self, connection: SmtpConnection) -> Mail | None:
        if not self.waiting:
            return None
        self.given.append(self.waiting.pop(0))
        return self.given[-1]

    def may_send_body(self, connection: SmtpConnection, mail: Mail) -> bool:
        return self.allows(mail)

    def done(self, connection: SmtpConnection, mail: Mail, result: SendResult) -> None:
        assert mail.recipient not in self.results, "told twice"
        self.results[mail.recipient] = result

    def closed(
        self, connection: SmtpConnection, unsent: Mail | None, cause: SendResult | None
    ) -> None:
        self.endings.append((unsent, cause))


async def until(claim: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.005)
