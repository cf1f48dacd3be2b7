"""Turns the bytes of a mail that came back into notices. No Django, no database.

The looks at it stand in the order of how much they can be believed: fields that are made for
programs (RFC 3464, RFC 5965), then words, of which each form is known, then what a library of old
forms guesses, and last whether a machine answered. Why so: decision 0065.
"""

import logging
from collections.abc import Callable

from mailings.feedback import (
    answers,
    complaints,
    delivery_status,
    mime,
    second_look,
    texts,
)
from mailings.feedback.notices import EVIDENCE_LIMIT, Notice, NoticeKind, safe
from mailings.feedback.report import Report

log = logging.getLogger(__name__)

LOOKS: tuple[Callable[[Report], list[Notice]], ...] = (
    delivery_status.read,
    complaints.read,
    texts.read,
    second_look.read,
    answers.read,
)


def understand(raw: bytes, *, envelope_to: str = "") -> list[Notice]:
    """Return what a mail that came back says, a notice for each recipient it speaks of, at least
    one. Never raises, whatever the bytes.

    `envelope_to` is the address it was sent to, when the way it came tells (a pipe, LMTP); else it
    is read from the headers.
    """
    try:
        return [safe(notice) for notice in _understood(Report(mime.read(raw), envelope_to))]
    except Exception as error:  # noqa: BLE001 - a stranger's bytes must not stop the intake
        log.warning("report_not_read", extra={"error": type(error).__name__})
        evidence = raw[:EVIDENCE_LIMIT].decode("utf-8", "replace")
        return [safe(Notice(kind=NoticeKind.UNKNOWN, envelope_to=envelope_to, evidence=evidence))]


def _understood(report: Report) -> list[Notice]:
    for look in LOOKS:
        if notices := look(report):
            return notices
    return [report.notice(NoticeKind.UNKNOWN)]
