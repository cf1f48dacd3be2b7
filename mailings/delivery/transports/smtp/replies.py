"""What an SMTP server answered. Knows no connection and no mail; `base.classify` says what an
answer means, here it is only read.

An answer that is missing or cannot be understood has no code: nothing a client makes up may ever
look like a server's own 5xx.
"""

from enum import StrEnum
from typing import NamedTuple

from mailings.delivery.transports.base import (
    SendResult,
    Step,
    classify,
    enhanced_code,
    printable,
)

REPLY_LIMIT = 64 * 1024
"""Bytes of one reply, all its lines: a longer one is an attack or a fault, not an answer."""


class Between(StrEnum):
    """What a connection may wait for between two mails. No result of a mail has such a step."""

    RSET = "rset"
    QUIT = "quit"
    NOTHING = "nothing"


class Fault(StrEnum):
    """Why there is no answer to act on."""

    DROPPED = "The connection was lost."
    SILENT = "No complete answer came in time."
    UNREADABLE = "The answer cannot be understood:"
    OUT_OF_STEP = "The answers are out of step with the commands:"
    TOO_LONG = "The answer is longer than 64 KB."
    ABANDONED = "The sender gave up waiting."


class Reply(NamedTuple):
    """A complete answer: its code, and its lines as they came."""

    code: int
    raw: bytes

    def outcome(self, step: Step) -> type[SendResult]:
        """Return what it means as the answer at `step`."""
        text = reply_text(self.raw)
        return classify(step, self.code, enhanced_code(self.code, text), text)


class SessionError(Exception):
    """No session could be opened: at which step, and what was answered or happened instead."""

    def __init__(self, step: Step, text: str = "", *, reply: Reply | None = None) -> None:
        super().__init__(step, text, reply)
        self.step = step
        self.text = printable(text)
        self.reply = reply


_CODES = range(200, 600)
FINAL = {b"%d%b" % (code, mark): code for code in _CODES for mark in (b" ", b"\r", b"")}
"""The first four bytes of a reply's last line → its code. Anything else is not an answer."""

CONTINUED = frozenset(b"%d-" % code for code in _CODES)
"""The same for the lines before the last one."""


def reply_text(raw: bytes) -> str:
    """Return the text of an answer without the codes at the lines' heads, safe to log and show."""
    if b"\n" in raw:
        return printable(b"\n".join(line[4:].strip() for line in raw.split(b"\n")))
    return printable(raw[4:].strip())


_ACCEPTING = frozenset(range(200, 300)) - {211, 214, 220, 221, 235}
"""2xx without those that only ever answer HELP, a connection, STARTTLS, QUIT or AUTH: where another
command is answered, they show that the dialogue is out of step."""


def is_accepting(code: int) -> bool:
    """Return whether the code says yes to a command of a mail."""
    return code in _ACCEPTING


def is_refusing(code: int) -> bool:
    """Return whether the code says no, for now or for good."""
    return code >= 400  # noqa: PLR2004 - 4xx, 5xx


def is_go_ahead(code: int) -> bool:
    """Return whether the code asks for the body (RFC 5321 4.1.1.4)."""
    return code == 354  # noqa: PLR2004 - the only one: 334 is AUTH's


NOT_UNDERSTOOD = frozenset({500, 502, 503})
"""Every server knows MAIL, and takes it behind another mail."""
