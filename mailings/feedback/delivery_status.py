"""Reports of delivery by RFC 3464, with the addresses of RFC 6533: what a mail server says in
fields that are made for programs."""

import re
from collections.abc import Iterable
from dataclasses import replace

from mailings.feedback import mime, refusal_texts, texts
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.report import MAX_NOTICES, Report, address_in, moment

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})

_RECIPIENT = frozenset({"final-recipient", "original-recipient", "x-actual-recipient"})
_ABOUT_RECIPIENT = _RECIPIENT | {"action", "status", "diagnostic-code", "remote-mta"}
_ACTIONS = {
    "failed": NoticeKind.BOUNCE,
    "failure": NoticeKind.BOUNCE,
    "delayed": NoticeKind.DELAY,
    "deferred": NoticeKind.DELAY,
    "delivered": NoticeKind.AUTO_REPLY,
    "relayed": NoticeKind.AUTO_REPLY,
    "expanded": NoticeKind.AUTO_REPLY,
}
_INLINE = re.compile(r"^Final-Recipient:\s", re.M | re.I)
_UTF8_SIGN = re.compile(r"\\x\{([0-9A-Fa-f]{2,6})\}")


def read(report: Report) -> list[Notice]:
    """Return a notice for each recipient of a delivery report; nothing: it is none.

    Whoever passes a report on has its parts in an attached message, which nobody looks into; parts
    of its own in another kind of mail are believed if a mail server wrote that.
    """
    is_report = report.message.get_content_type() == "multipart/report"
    if not (is_report or report.is_from_mail_system or report.is_automatic):
        return []
    blocks = [
        block
        for part in report.parts
        if part.get_content_type() in STATUS_TYPES
        for block in mime.blocks(part)
    ]
    if not blocks and report.is_from_mail_system and (inline := _INLINE.search(report.text)):
        # A gateway has made text of it.
        before = report.text[: inline.start()].rpartition("\n\n")[2]
        lines = before + report.text[inline.start() :]
        blocks = [mime.fields_in(block) for block in lines.split("\n\n", 5)[:5]]
    return _notices(report, blocks)


def _notices(report: Report, blocks: Iterable[mime.Fields]) -> list[Notice]:
    about_letter, recipients = _sorted(blocks)
    base = replace(
        report.notice(NoticeKind.UNKNOWN),
        reporting_mta=_value_of(mime.first(about_letter, "reporting-mta")),
        arrived_at=moment(mime.first(about_letter, "arrival-date")),
    )
    if not base.message_id:
        known = mime.first(about_letter, "x-original-message-id", "original-message-id")
        base = replace(base, message_id=known.strip("<> "))
    notices = [_notice(report, base, fields) for fields in recipients[:MAX_NOTICES]]
    if len(notices) == 1 and not notices[0].recipient:
        # Only people are told who it is: the fields name a file or a program.
        told = {notice.recipient: notice.diagnostic for notice in texts.read(report)}
        if len(told) == 1:
            [(recipient, said)] = told.items()
            others = [field for field in recipients[0] if field[0] not in _RECIPIENT]
            fields = [("final-recipient", recipient), *others, ("diagnostic-code", said)]
            notices = [_notice(report, base, fields)]
    return notices


def _sorted(blocks: Iterable[mime.Fields]) -> tuple[mime.Fields, list[mime.Fields]]:
    """Return the fields about the letter, and those about each recipient.

    The first are a block and each recipient's are one. Some servers write no blank line between
    them, others one too many.
    """
    about_letter: mime.Fields = []
    recipients: list[mime.Fields] = []
    for block in blocks:
        current: mime.Fields = recipients[-1] if recipients else []
        if any(name in _RECIPIENT for name, _ in block):
            current = []
            recipients.append(current)
        for name, value in block:
            if name == "final-recipient" and any(known == name for known, _ in current):
                current = []
                recipients.append(current)
            where = current if current or name in _ABOUT_RECIPIENT else about_letter
            where.append((name, value))
    return about_letter, recipients


def _notice(report: Report, base: Notice, fields: mime.Fields) -> Notice:
    final = _address(mime.first(fields, "final-recipient"))
    recipient = _address(mime.first(fields, "original-recipient")) or final
    actual = _address(mime.first(fields, "x-actual-recipient")) or final or recipient
    recipient = recipient or actual
    context = texts.said_of(actual, report.text) or texts.said_of(recipient, report.text)
    saying = refusal_texts.read(
        mime.first(fields, "diagnostic-code") or texts.reason_in(context),
        status=mime.first(fields, "status", "x-supplementary-info"),
        domain=actual.rpartition("@")[2],
        step=refusal_texts.step_in(context),
    )
    kind = _kind(mime.first(fields, "action"), saying)
    is_bounce = kind is NoticeKind.BOUNCE
    return replace(
        base,
        kind=kind,
        recipient=recipient,
        final_recipient=actual if actual.lower() != recipient.lower() else "",
        is_permanent=is_bounce and saying.is_permanent,
        refusal=saying.refusal if is_bounce or kind is NoticeKind.DELAY else base.refusal,
        code=saying.code,
        enhanced_code=saying.enhanced_code,
        diagnostic=saying.words.strip(),
    )


def _kind(action: str, saying: refusal_texts.Saying) -> NoticeKind:
    word = action.split(" ", 1)[0].strip("();,").lower()
    if word in _ACTIONS:
        return _ACTIONS[word]
    # Cut off, or not said: the codes tell whether anything failed.
    if saying.enhanced_code.startswith("2"):
        return NoticeKind.AUTO_REPLY
    told = saying.code is not None or saying.enhanced_code
    return NoticeKind.BOUNCE if told and saying.is_permanent else NoticeKind.UNKNOWN


def _value_of(field: str) -> str:
    """Return a field of the form `type; value` without its type."""
    return field.partition(";")[2].strip() or field.strip()


def _address(field: str) -> str:
    """Return the address in a field of the form `type; address`.

    Type `utf-8` spells what is not ASCII as `\\x{444}` when it had to pass through ASCII (RFC 6533
    3).
    """
    kind, _, value = field.partition(";")
    if kind.strip().lower() == "utf-8":
        value = _UTF8_SIGN.sub(_sign, value)
    return address_in(value or field)


def _sign(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0x110000 and not 0xD800 <= number < 0xE000 else found[0]  # noqa: PLR2004
