"""A connection that hands over one mail at a time and asks the service in a thread of its own:
what every transport is whose library blocks. Towards its source it behaves as an SMTP connection
without PIPELINING does.
"""

import asyncio
import logging
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from queue import SimpleQueue

from mailings.delivery.transports.base import (
    Accepted,
    SendResult,
    Step,
    Unavailable,
    Uncertain,
    printable,
)
from mailings.delivery.transports.mail import Mail, Source
from mailings.timing import steady

log = logging.getLogger(__name__)


class OneByOne(ABC):
    """Subclasses answer for a mail in `ask`; everything else runs in the event loop."""

    step = Step.DOT
    """Where the result of a mail in flight arises."""

    def __init__(self, source: Source) -> None:
        self.accepted = 0
        self.ended = False
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._next: Mail | None = None  # waits for its release
        self._body: Mail | None = None  # with the service
        self._is_stopping = False
        self._handed_over: SimpleQueue[Mail | None] = SimpleQueue()

    @abstractmethod
    def ask(self, mail: Mail) -> SendResult:
        """Hand the mail over, return what became of it; blocks, in the connection's own thread."""

    def clean_up(self) -> None:  # noqa: B027 - most have nothing to close
        """Close what was open; called in the connection's own thread, as the last thing it does."""

    # What the engine says

    def start(self) -> None:
        # A daemon: a service that says nothing must not keep the process from ending.
        threading.Thread(target=self._work, name="connection", daemon=True).start()
        self._loop.call_soon(self._proceed)

    def wake(self) -> None:
        if not (self.ended or self._next or self._body):
            self._loop.call_soon(self._proceed)

    def release_body(self) -> None:
        if self._next is not None and not self.ended:
            self.hand_over(self._next)

    def stop(self) -> None:
        self._is_stopping = True
        if self._body is None:
            self.finish(None)

    def abort(self) -> None:
        self._is_stopping = True
        if self._body is not None:
            self.take(self.abandoned("The sender gave up waiting."))
        self.finish(None)

    # One mail after another

    def _proceed(self) -> None:
        if self.ended or self._next or self._body:
            return
        if self._is_stopping:
            self.finish(None)
            return
        mail = self._next = self._source.next_mail(self)
        if mail is not None and not self.ended and self._source.may_send_body(self, mail):
            self.hand_over(mail)

    def hand_over(self, mail: Mail) -> None:
        self._body, self._next = mail, None
        self._handed_over.put(mail)

    def _work(self) -> None:
        while (mail := self._handed_over.get()) is not None:
            try:
                result = self.ask(mail)
            except Exception as error:
                log.exception("connection_failed")
                result = self.abandoned(printable(f"{type(error).__name__}: {error}"))
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._answered, mail, result)
        self.clean_up()

    def _answered(self, mail: Mail, result: SendResult) -> None:
        if mail is self._body:  # else we have stopped waiting for it
            self.take(result)

    def take(self, result: SendResult) -> None:
        """The mail in flight is answered."""
        mail, self._body = self._body, None
        if mail is None or self.ended:
            return
        self.accepted += isinstance(result, Accepted)
        self._source.done(self, mail, result)
        if isinstance(result, Unavailable):
            self.finish(result)
        else:
            self._proceed()

    def finish(self, cause: SendResult | None) -> None:
        """End; a mail that was not handed over is given back."""
        if not self.ended:
            self.ended = True
            self._handed_over.put(None)
            unsent, self._next = self._next, None
            self._source.closed(self, unsent, cause)

    def abandoned(self, why: str) -> SendResult:
        return Uncertain(step=self.step, started_at=steady.now(), reply=why)
