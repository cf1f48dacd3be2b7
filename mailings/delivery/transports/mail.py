"""One mail as SMTP carries it – an envelope of one sender and one recipient, and the body's
bytes –, the `Source` it comes from and the `Connection` it goes by.

Nothing that could break out of a command or end a body early gets past here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mailings.addressing import domains
from mailings.delivery.transports.base import SendResult, Step

_PLAIN_PATH = re.compile(r"[!-;=?-~]+").fullmatch
"""Printable ASCII without spaces and angle brackets: all that most addresses are made of."""


class UnusableAddressError(ValueError):
    """The address cannot be put into a command for this server; the message says why."""

    def __init__(self, text: str, step: Step = Step.MAIL) -> None:
        super().__init__(text)
        self.step = step


@dataclass(slots=True, eq=False)
class Mail:
    """A mail on its way. `body` is in wire form: CRLF line ends, leading dots doubled, CRLF at the
    end. The compiled renderer makes it so; `Mail.of` does it for any other message.

    `key` is the caller's own (a delivery's id). `returned` counts how often a connection gave the
    mail back untried. `token` proves which delivery it is, where an HTTP API tells by webhook what
    became of it.
    """

    sender: str
    recipient: str
    body: bytes
    key: object = None
    returned: int = 0
    token: str = ""

    @classmethod
    def of(cls, sender: str, recipient: str, message: bytes, key: object = None) -> "Mail":
        return cls(sender, recipient, wire_form(message), key)


def wire_form(message: bytes) -> bytes:
    """Return the message with CRLF line ends only, leading dots doubled (RFC 5321 4.5.2).

    A bare LF or CR left in place could end the body early at a lax server ("SMTP smuggling").
    """
    body = re.sub(rb"\r\n|\r|\n", b"\r\n", message)
    if body.startswith(b"."):
        body = b"." + body
    body = body.replace(b"\r\n.", b"\r\n..")
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def path(address: str) -> tuple[bytes, bool]:
    """Return an address as a command takes it, and whether it needs SMTPUTF8 (RFC 6531)."""
    if _PLAIN_PATH(address):
        return address.encode("ascii"), False
    local, at, domain = address.rpartition("@")
    if not address:
        return b"", False  # the empty sender of notices that must not be answered
    if not at or not address.isprintable() or re.search(r"[\s<>]", address):
        raise UnusableAddressError("The address cannot be put into an SMTP command.")
    try:
        host = domains.to_ascii(domain).encode("idna")
    except UnicodeError:
        raise UnusableAddressError("The address has no valid domain.") from None
    return b"%b@%b" % (local.encode(), host), not local.isascii()


def envelope(mail: Mail, extensions: dict[str, str]) -> tuple[bytes, bytes]:
    """Return the commands MAIL and RCPT for a server with these extensions.

    Raises `UnusableAddressError`. A body with 8-bit bytes is sent as it is to a server without
    8BITMIME too: the renderer's default is ASCII, and servers that mangle such bytes are gone.
    """
    sender, sender_needs_utf8 = path(mail.sender)
    try:
        recipient, recipient_needs_utf8 = path(mail.recipient)
    except UnusableAddressError as error:
        error.step = Step.RCPT
        raise
    parameters = b""
    if "SIZE" in extensions:
        parameters = b" SIZE=%d" % len(mail.body)
    if "8BITMIME" in extensions and not mail.body.isascii():
        parameters += b" BODY=8BITMIME"
    if sender_needs_utf8 or recipient_needs_utf8:
        if "SMTPUTF8" not in extensions:
            raise UnusableAddressError(
                "The mail service offers no SMTPUTF8, which this address needs.",
                Step.RCPT if recipient_needs_utf8 else Step.MAIL,
            )
        parameters += b" SMTPUTF8"
    return b"MAIL FROM:<%b>%b\r\n" % (sender, parameters), b"RCPT TO:<%b>\r\n" % recipient


class Source(Protocol):
    """Gives mails to a connection and takes what became of them. Called in the event loop, never
    concurrently; must not block. May call the connection's methods from within."""

    def next_mail(self, connection: "Connection") -> Mail | None:
        """Return the mail whose envelope is to go out next. None: nothing now; the connection
        asks again after the answer to the body in flight, or when `wake` is called."""

    def may_send_body(self, connection: "Connection", mail: Mail) -> bool:
        """Tell whether the body may go now. False: not yet, `release_body` will say when."""

    def done(self, connection: "Connection", mail: Mail, result: SendResult) -> None:
        """Take the result of a try. Called once for each mail that was not given back."""

    def closed(
        self, connection: "Connection", unsent: Mail | None, cause: SendResult | None
    ) -> None:
        """Know that the connection has ended; called once, whatever happened.

        `unsent`: a mail that was not handed over, this is no try of it – send it first on the next
        connection. `cause`: what ended it, `Unavailable` where the mail service is at fault; None
        after a normal end (QUIT, an idle connection closed), so that a new one may follow at once.
        """


class Connection(Protocol):
    """A connection to a mail service that asks its source for mails; lives in an event loop.

    docs/adding_a_transport.md tells what is expected of one, and a test suite holds all to it.
    """

    accepted: int
    """Mails the service took from this connection."""

    def start(self) -> None:
        """Open the session, then ask the source for mails until told to stop."""

    def wake(self) -> None:
        """Ask the source again: it has mails now."""

    def release_body(self) -> None:
        """Send the body that waited for this."""

    def stop(self) -> None:
        """Take no new mail; end as soon as the body in flight is answered."""

    def abort(self) -> None:
        """End at once; a body in flight becomes uncertain."""


Connect = Callable[[Source], Connection]
"""Makes a connection for a source, in the running event loop."""
