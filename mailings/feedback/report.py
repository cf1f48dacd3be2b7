"""A mail that came back, parsed, with what every look at it asks: who wrote it, to whom, about
which letter; and the notice that all of them begin with."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import cached_property

from mailings.feedback import mime, our_letter
from mailings.feedback.notices import (
    EVIDENCE_LIMIT,
    KEPT_HEADERS,
    KEPT_MOST,
    Notice,
    NoticeKind,
)

MAX_NOTICES = 100
"""Recipients of one report that are looked at: a letter of ours has one."""

ADDRESS = r"[^\s<>()\[\]{}\"',;:@\\]{1,64}@[^\s<>()\[\]{}\"',;:@\\]{1,253}"
_ADDRESS = re.compile(ADDRESS)
_TO = (
    "x-original-to",
    "delivered-to",
    "envelope-to",
    "x-envelope-to",
    "x-delivered-to",
    "to",
    "apparently-to",
)
"""Where the address stands that a report was sent to, the surest first."""

_DAEMONS = re.compile(
    r"(?:mailer[-_.]?daemon|mail[-_.]?daemon|mdaemon|postmaster|mailer|mmdf)(?:[+-].*)?", re.I
)
_DAEMON_NAMES = re.compile(
    r"mail(?:er)?[- ]?(?:delivery|daemon)|delivery (?:sub)?system|system ?administrator"
    r"|mail ?administrator|postmaster|системный администратор",
    re.I,
)
_ABOUT_DELIVERY = re.compile(
    r"undeliver|not? deliver|non[- ]?deliver|deliver\w* (?:status|fail|report|error|problem|delay)"
    r"|delivery has failed|mail (?:delivery|failure|could not)|fail(?:ure|ed) (?:notice|delivery)"
    r"|fail\w* to deliver|returned (?:mail|to sender)|could ?n.t be delivered|message status"
    r"|not be delivered|delivery delayed|warning: (?:message|could not|e-?mail)"
    r"|unzustellbar|nicht zugestellt|zustell|bermittlungsfehler|rückläufer"
    r"|не ?доставл|невозможно доставить|не удалось доставить|сбой доставки|ошибка доставки"
    r"|недоставк|возвращен[оа]? отправител",
    re.I,
)
_REPLY = re.compile(r"(?:re|aw|antw|fwd?|wg|отв|ответ|пер|переслано)(?:\[\d+\])?:", re.I)

_ID = re.compile(r"^[ \t>]{0,8}Message-ID:[ \t]{0,4}<([^<>\s]{1,990})>", re.I | re.M)


@dataclass(frozen=True)
class Report:
    """A mail that came back. `sent_to` is the envelope's recipient, if it is known."""

    message: Message
    sent_to: str = ""

    @cached_property
    def fields(self) -> mime.Fields:
        return mime.fields_of(self.message)

    @cached_property
    def parts(self) -> list[Message]:
        return list(mime.parts(self.message))

    @cached_property
    def text(self) -> str:
        return mime.main_text(self.message)

    @cached_property
    def subject(self) -> str:
        return mime.words(self.header("subject")).strip()

    @cached_property
    def letter(self) -> mime.Fields:
        """The header of our letter, as far as it came back."""
        return mime.returned_fields(self.message) or our_letter.header_in(self.text)

    def header(self, *names: str) -> str:
        return mime.first(self.fields, *names)

    @cached_property
    def envelope_to(self) -> str:
        """The address that the report was sent to; among several that differ, one with a `+`."""
        if self.sent_to:
            return address_in(self.sent_to)
        found = [
            address for name in _TO for known, value in self.fields if known == name
            for address in [address_in(value)] if address
        ]  # fmt: skip
        return next((address for address in found if "+" in address), found[0] if found else "")

    @cached_property
    def has_null_sender(self) -> bool:
        """Whether it must not be answered (RFC 5321 4.5.5), which only machines write."""
        return any(
            name in {"return-path", "from"} and value.replace(" ", "") in {"", "<>"}
            for name, value in self.fields
        )

    @cached_property
    def is_automatic(self) -> bool:
        """Whether a machine wrote it and says so (RFC 3834)."""
        submitted = self.header("auto-submitted").partition(";")[0].strip().lower()
        return self.has_null_sender or submitted not in {"", "no"}

    @cached_property
    def is_from_mail_system(self) -> bool:
        """Whether a mail server wrote it, and not a person who asks about what a server wrote."""
        if _REPLY.match(self.subject) and not self.has_null_sender:
            return False
        sender = mime.words(self.header("from", "sender"))
        local = address_in(sender).partition("@")[0] or sender.strip("<> ")
        return bool(
            _DAEMONS.fullmatch(local)
            or _DAEMON_NAMES.search(sender)
            or self.header("x-failed-recipients")
            or (self.is_automatic and _ABOUT_DELIVERY.search(self.subject))
        )

    def notice(self, kind: NoticeKind) -> Notice:
        """Return what is known of any notice of this report."""
        return Notice(
            kind=kind,
            envelope_to=self.envelope_to,
            report_id=bare_id(self.header("message-id")),
            message_id=bare_id(mime.first(self.letter, "message-id")) or self._id_in_text(),
            original_headers=kept(self.letter),
            evidence=self.evidence,
        )

    def _id_in_text(self) -> str:
        found = _ID.search(self.text) if self.is_from_mail_system else None
        return found[1] if found else ""

    @cached_property
    def evidence(self) -> str:
        """The beginning of the report as a person would look at it."""
        head = [
            f"{name.title()}: {mime.words(value)[:500]}"
            for name in ("from", "to", "date", "subject", "message-id", "auto-submitted")
            if (value := self.header(name))
        ]
        told = [
            "\n".join(f"{name.title()}: {value}" for name, value in block)
            for part in self.parts
            if part.get_content_type() in REPORT_TYPES
            for block in mime.blocks(part)
        ]
        text = self.text[: EVIDENCE_LIMIT // (2 if told else 1)]
        return "\n\n".join(filter(None, ["\n".join(head), text, *told]))


REPORT_TYPES = frozenset(
    {
        "message/delivery-status",
        "message/global-delivery-status",
        "message/feedback-report",
        "message/disposition-notification",
        "message/global-disposition-notification",
    }
)


# ---------------------------------------------------------------- small readings


def address_in(text: str) -> str:
    """Return the first address in the text, its domain in lower case; empty: there is none."""
    found = _ADDRESS.search(text[:2_000])
    if not found:
        return ""
    local, _at, domain = found[0].strip(".").rpartition("@")
    return f"{local}@{domain.lower()}" if domain else ""


def bare_id(text: str) -> str:
    """Return a Message-ID without its angle brackets."""
    found = re.search(r"<([^<>\s]{1,990})>", text)
    return found[1] if found else text.strip("<> \t").partition(" ")[0]


def moment(text: str) -> datetime | None:
    """Return a date of RFC 5322, with its zone; None: it is none."""
    try:
        at = parsedate_to_datetime(text[:100])
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        at.astimezone(UTC)  # the year 1 and the year 9999 have hours that no other zone has
    except (TypeError, ValueError, OverflowError):
        return None
    return at


def kept(fields: mime.Fields) -> dict[str, str]:
    """Return the few headers of our letter that are worth keeping, the first of each name."""
    found: dict[str, str] = {}
    for name, value in sorted(fields, key=lambda field: field[0] not in KEPT_HEADERS):
        if (name in KEPT_HEADERS or name.startswith("x-")) and len(found) < KEPT_MOST:
            found.setdefault(name, value)
    return found
