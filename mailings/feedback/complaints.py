"""Complaints by RFC 5965 (ARF), and those of receivers who send our letter back without a word for
programs."""

import re
from dataclasses import replace

from mailings.feedback import mime
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.report import MAX_NOTICES, Report, address_in, moment

REPORT_TYPE = "message/feedback-report"
NO_COMPLAINTS = frozenset({"auth-failure", "dkim", "not-spam"})
"""Types that tell of signatures (RFC 6591), or that somebody took our letter out of the junk."""

_SENDERS = re.compile(r"staff@hotmail\.com|@(?:[\w-]+\.)*email-abuse\.amazonses\.com", re.I)
_SUBJECT = re.compile(r"complaint about message from ", re.I)
_SENT_TO = (
    "x-hmxmroriginalrecipient",
    "x-original-rcpt-to",
    "x-apparently-to",
    "x-original-to",
    "delivered-to",
    "to",
)
"""Where the address stands in a letter that came back with a complaint, the surest first."""
_REDACTED = re.compile(r"redacted|undisclosed|unknown|xxx+|\*|hidden", re.I)


def read(report: Report) -> list[Notice]:
    """Return a notice for each recipient who complains; nothing: it is no complaint."""
    for part in report.parts:
        if part.get_content_type() == REPORT_TYPE:
            return _notices(report, [field for block in mime.blocks(part) for field in block])
    return _notices(report, []) if _is_letter_sent_back(report) else []


def _is_letter_sent_back(report: Report) -> bool:
    """Whether it is a complaint without a report: Microsoft's junk mail reporting, for one."""
    if not report.letter:
        return False
    sender = address_in(report.header("from"))
    return bool(
        mime.first(report.letter, "x-hmxmroriginalrecipient")
        or _SENDERS.search(sender)
        or (_SUBJECT.match(report.subject) and not report.is_from_mail_system)
    )


def _notices(report: Report, fields: mime.Fields) -> list[Notice]:
    kind_of_feedback = mime.first(fields, "feedback-type").lower()[:50] or "abuse"
    base = report.notice(NoticeKind.COMPLAINT)
    known = mime.first(fields, "original-message-id", "message-id")
    base = replace(
        base,
        kind=NoticeKind.AUTO_REPLY if kind_of_feedback in NO_COMPLAINTS else base.kind,
        feedback_type=kind_of_feedback,
        reporting_mta=mime.first(fields, "reporting-mta", "user-agent"),
        arrived_at=moment(mime.first(fields, "arrival-date", "received-date")),
        message_id=base.message_id or (known.strip("<> ")),
    )
    return [replace(base, recipient=to) for to in _recipients(report, fields)]


def _recipients(report: Report, fields: mime.Fields) -> list[str]:
    """Return who complains, an empty address when that is not told."""
    told = [
        address
        for name, value in fields
        if name in {"original-rcpt-to", "removal-recipient"} and (address := _address(value))
    ]
    if told:
        return list(dict.fromkeys(told))[:MAX_NOTICES]
    for name in _SENT_TO:
        value = mime.first(report.letter, name)
        if value.count("@") == 1 and (address := _address(value)):
            return [address]
    return [""]


def _address(value: str) -> str:
    address = address_in(value)
    return "" if _REDACTED.search(address.partition("@")[0]) else address
