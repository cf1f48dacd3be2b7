"""A connection to an HTTP API: one request at a time, each within one deadline as a whole."""

import asyncio
import logging
from typing import TYPE_CHECKING

from mailings.delivery.transports.base import SendResult, Step, Unavailable, printable
from mailings.delivery.transports.http import answers
from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.mail import Mail, Source
from mailings.delivery.transports.one_by_one import OneByOne
from mailings.timing import steady

if TYPE_CHECKING:
    from mailings.delivery.transports.http.client import ApiClient

log = logging.getLogger(__name__)

GRACE = 1.0
"""Seconds after the deadline for the thread to notice that its connection was cut. One that is
still looking up a name cannot be cut: it is left behind."""


class HttpConnection(OneByOne):
    """A link to an HTTP API, with a thread of its own."""

    step = Step.HTTP

    def __init__(self, config: ApiConfig, source: Source) -> None:
        super().__init__(source)
        self._config = config
        self._client: ApiClient | None = None
        self._left = config.mails_per_connection
        self._is_cut = False
        self._deadline: asyncio.TimerHandle | None = None

    def hand_over(self, mail: Mail) -> None:
        super().hand_over(mail)
        self._left -= 1
        if not self._left:
            self._is_stopping = True
        self._deadline = self._loop.call_later(self._config.deadline, self._too_late, mail)

    def ask(self, mail: Mail) -> SendResult:
        if self._client is None:
            # Here, and not above: requests and anymail are only for those who use them.
            from mailings.delivery.transports.http.client import ApiClient

            try:
                self._client = ApiClient(self._config)
            except Exception as error:
                log.exception("api_cannot_be_used", extra={"api": self._config.name})
                return Unavailable(
                    step=Step.CONNECT, started_at=steady.now(), reply=printable(str(error))
                )
        if self._is_cut:
            self._client.cut()
        return self._client.send(mail)

    def clean_up(self) -> None:
        if self._client is not None:
            self._client.close()

    def take(self, result: SendResult) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if result.code == answers.TOO_MANY and self._body is not None:
            # No try of this mail: it comes again when the service has rested.
            self._next, self._body = self._body, None
            self.finish(result)
        else:
            super().take(result)

    def abort(self) -> None:
        self._cut()
        super().abort()

    def _too_late(self, mail: Mail) -> None:
        self._cut()
        self._deadline = self._loop.call_later(GRACE, self._leave_behind, mail)

    def _cut(self) -> None:
        """Have the thread give up; nothing leaves after this. Its answer ends the connection."""
        self._is_cut = self._is_stopping = True
        if self._client is not None:
            self._client.cut()

    def _leave_behind(self, mail: Mail) -> None:
        if mail is not self._body:
            return
        words = self._config.too_late
        if self._client is not None and self._client.has_left:
            self.take(self.abandoned(words))
        else:
            now = steady.now()
            self.take(Unavailable(step=Step.CONNECT, started_at=now, reply=words))
