"""What every mail service answers with, whatever its protocol. No Django, no policy.

    SendResult
    ├── Accepted      the service took the message (not: it was delivered)
    ├── Temporary     not now, for this message: try again later
    ├── Permanent     never, for this recipient or content
    ├── Unavailable   the service itself is away: the message is not at fault
    └── Uncertain     handed over whole, no understood answer: it may have been accepted

`mailings.delivery.retry` decides what follows from a result; its `name` is the outcome
that is stored (`mailings.states.Outcome`).
"""

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from mailings import refusals
from mailings.refusals import RefusalKind

REPLY_LIMIT = 2_000  # characters of a reply that are kept

_ENHANCED = re.compile(r"([245])\.(\d{1,3})\.(\d{1,3})\b")


class Step(StrEnum):
    """Where in the dialogue the result arose. `DOT`: after the whole message was sent; `HTTP`: in
    the answer of an HTTP API, which is one step."""

    CONNECT = "connect"
    BANNER = "banner"
    EHLO = "ehlo"
    TLS = "tls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"
    HTTP = "http"


SESSION_STEPS = frozenset({Step.CONNECT, Step.BANNER, Step.EHLO, Step.TLS, Step.AUTH})
"""Steps that concern the service, before any message is spoken of."""


@dataclass(slots=True, kw_only=True)
class SendResult:
    """One try: `code` is the server's own, None when it gave none that can be understood.

    Not to be changed once made; not `frozen` either, which makes making it three times as dear.
    """

    name: ClassVar[str]

    step: Step
    started_at: datetime
    seconds: float = 0.0
    code: int | None = None
    enhanced_code: str = ""
    reply: str = ""
    wait: float = 0.0
    """Seconds for which the service asks to be left alone; 0: it did not ask."""


class Accepted(SendResult):
    """The service took the mail over."""

    name = "accepted"


class Temporary(SendResult):
    """This mail is not taken now; it may be later."""

    name = "temporary"


class Permanent(SendResult):
    """This mail will never be taken."""

    name = "permanent"


class Unavailable(SendResult):
    """The service itself is at fault: nothing is known about the mail."""

    name = "unavailable"


class Uncertain(SendResult):
    """The mail was handed over, and no answer came that can be understood."""

    name = "uncertain"


CLOSING = 421
"""The server is closing the connection, whatever was asked (RFC 5321, 3.8)."""

_SESSION_CODES = frozenset({CLOSING, 530, 535, 538})
"""The service ends the session or wants a log-in (RFC 4954), at whatever command it says so: we
are refused, not the message."""


_OF_RECIPIENT = frozenset({Step.RCPT, Step.DATA, Step.DOT})
"""Where a relay may pass on what the recipient's server said."""
_SLOW = frozenset({RefusalKind.RATE, RefusalKind.REPUTATION})


def _is_slow_receiver(code: int, enhanced_code: str, text: str) -> bool:
    """Whether a 421 is the word of a receiver that calls itself by name (Gmail's 421-4.7.28): it
    wants fewer mails, and the mail service that passes it on is well."""
    refusal = refusals.classify(code, enhanced_code, text)
    return bool(refusal.receiver) and refusal.kind in _SLOW


def classify(
    step: Step, code: int | None, enhanced_code: str = "", text: str = ""
) -> type[SendResult]:
    """Return what an SMTP reply means. `code` None: no reply, or one that cannot be understood."""
    if step is Step.DOT and code is not None and 200 <= code < 300:  # noqa: PLR2004
        return Accepted  # nearly always
    if code == CLOSING and step in _OF_RECIPIENT and _is_slow_receiver(code, enhanced_code, text):
        return Temporary
    if step in SESSION_STEPS or code in _SESSION_CODES:
        return Unavailable
    if code is None:
        return Uncertain if step is Step.DOT else Temporary
    if 400 <= code < 600:  # noqa: PLR2004
        return _classify_refusal(step, code, enhanced_code, text)
    # A reply of a class that cannot stand here: the dialogue is out of step.
    return Uncertain if step is Step.DOT else Temporary


def _classify_refusal(step: Step, code: int, enhanced_code: str, text: str) -> type[SendResult]:
    if refusals.classify(code, enhanced_code, text).kind in refusals.OF_SERVICE:
        # It knows us no longer, or our account has used up what it may send: whoever the mail is
        # for, nothing is passed on.
        return Unavailable
    if code < 500 or _mailbox_full(step, code, enhanced_code):  # noqa: PLR2004
        return Temporary
    return Permanent


def _mailbox_full(step: Step, code: int, enhanced_code: str) -> bool:
    """A full mailbox is emptied one day. RFC 5321 4.5.3.1.10: 552 to RCPT means 452."""
    if enhanced_code:
        return enhanced_code == "5.2.2"
    return step is Step.RCPT and code == 552  # noqa: PLR2004


def enhanced_code(code: int | None, text: str) -> str:
    """Return the RFC 3463 code at the head of a reply's text, if it fits the reply's class."""
    found = _ENHANCED.match(text)
    return found[0] if found and code and int(text[0]) == code // 100 else ""


def printable(text: bytes | str) -> str:
    """Return a reply as text of bounded length that cannot play tricks in a log or a terminal."""
    if isinstance(text, bytes):
        text = text[: 4 * REPLY_LIMIT].decode("utf-8", "backslashreplace")
    if text.isprintable():  # nearly always, and a join letter by letter costs as much as a mail
        return text[:REPLY_LIMIT]
    kept = "".join(
        c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode()
        for c in text[:REPLY_LIMIT]
    )
    return kept[:REPLY_LIMIT]
