"""What a mail that came back says, whoever wrote it and in whatever form. No Django, no database.

A notice is what somebody claims: anybody can send a mail that looks like a bounce. Whether it is
about a letter of ours is not known here; the address it came to (VERP) and the Message-ID decide.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from mailings.refusals import Refusal, RefusalKind

DIAGNOSTIC_LIMIT = 2_000  # characters of what the server said
VALUE_LIMIT = 990  # characters of every other text
HEADER_LIMIT = 500  # characters of a returned header
EVIDENCE_LIMIT = 4_096  # bytes, in UTF-8, of the report that are kept
KEPT_HEADERS = frozenset(
    {
        "date",
        "feedback-id",
        "from",
        "list-id",
        "list-unsubscribe",
        "message-id",
        "return-path",
        "to",
    }
)
"""Headers of our letter that are kept when they come back, beside those that begin with `X-`."""
KEPT_MOST = 30  # of them
NOT_TOLD = Refusal(RefusalKind.UNKNOWN)


class NoticeKind(StrEnum):
    """What a mail that came back is."""

    BOUNCE = "bounce"
    """The letter did not reach this recipient, and will not be tried again."""
    DELAY = "delay"
    """It has not reached them yet; the server goes on trying."""
    COMPLAINT = "complaint"
    """The recipient called it spam (RFC 5965)."""
    AUTO_REPLY = "auto-reply"
    """A machine answered: out of office, thanks for your letter, a receipt. Nothing follows."""
    UNKNOWN = "unknown"
    """None of these, or nothing that can be understood: for a person to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What one report says of one recipient. Every text is printable and of bounded length."""

    kind: NoticeKind
    recipient: str = ""
    """To whom we wrote, as the report says, the domain in lower case; empty: not told, or
    redacted."""
    final_recipient: str = ""
    """Where that server would have put it, when it says so and it is another address: a forwarding
    failed there, not at `recipient`."""
    is_permanent: bool = False
    """The server means it for good; only for `BOUNCE`. That alone does not say that the mailbox is
    dead: `refusal.is_dead_mailbox` does."""
    refusal: Refusal = NOT_TOLD
    code: int | None = None
    """The SMTP code."""
    enhanced_code: str = ""
    """The code of RFC 3463."""
    diagnostic: str = ""
    """What the server said, at most `DIAGNOSTIC_LIMIT` characters."""
    message_id: str = ""
    """Of our letter, without angle brackets."""
    envelope_to: str = ""
    """To whom the report was addressed: what VERP reads."""
    token: str = ""
    """Of the letter's delivery, as an HTTP API gives it back with its events."""
    report_id: str = ""
    """The Message-ID of the report itself, without angle brackets: the same one may come twice."""
    reporting_mta: str = ""
    arrived_at: datetime | None = None
    """When our letter came to the server that reports, if it says so; with a zone."""
    feedback_type: str = ""
    """Of a complaint: `abuse`, `fraud`, `not-spam` … (RFC 5965 7.3)."""
    original_headers: Mapping[str, str] = field(default_factory=dict)
    """`KEPT_HEADERS` and `X-…` that were returned of our letter, by their name in lower case, at
    most `KEPT_MOST` of `HEADER_LIMIT` characters."""
    evidence: str = ""
    """An excerpt of the report as text, at most `EVIDENCE_LIMIT` bytes."""


def safe(notice: Notice) -> Notice:
    """Return the notice with every text printable and of bounded length, whatever it was read
    from."""
    return replace(
        notice,
        recipient=_line(notice.recipient),
        final_recipient=_line(notice.final_recipient),
        enhanced_code=_line(notice.enhanced_code),
        diagnostic=_line(notice.diagnostic, DIAGNOSTIC_LIMIT),
        message_id=_line(notice.message_id),
        envelope_to=_line(notice.envelope_to),
        token=_line(notice.token),
        report_id=_line(notice.report_id),
        reporting_mta=_line(notice.reporting_mta),
        feedback_type=_line(notice.feedback_type),
        original_headers={
            _line(name, 100): _line(value, HEADER_LIMIT)
            for name, value in notice.original_headers.items()
        },
        evidence=_excerpt(notice.evidence),
    )


def _line(text: str, most: int = VALUE_LIMIT) -> str:
    text = text[:most]
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(sign: str) -> str:
    if sign.isprintable():
        return sign
    return " " if sign.isspace() else "\N{REPLACEMENT CHARACTER}"


def _excerpt(text: str) -> str:
    lines = (_line(line, EVIDENCE_LIMIT) for line in text[:EVIDENCE_LIMIT].split("\n"))
    content = "\n".join(lines).encode()
    return content[:EVIDENCE_LIMIT].decode("utf-8", "ignore")
