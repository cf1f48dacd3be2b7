"""What `flufl.bounce` – Mailman's collection of forms from twenty years – makes of a report that
nothing of ours understands. It tells whom a report is about, not what was said."""

import logging
from email.message import Message

from mailings.feedback import mime, texts
from mailings.feedback.notices import Notice, NoticeKind
from mailings.feedback.report import MAX_NOTICES, Report, address_in

# It logs each of its guesses, and each fault with a stranger's text.
logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)


def read(report: Report) -> list[Notice]:
    """Return a notice for each address that the library finds in a mail server's report."""
    if not report.is_from_mail_system:
        return []
    # Here: few reports come so far, and it is a collection of many modules.
    from flufl.bounce import all_failures

    try:
        temporary, permanent = all_failures(_without_letters(report))
    except Exception:  # noqa: BLE001 - a library's guesses over a stranger's bytes
        return []
    ours = {address_in(mime.first(report.letter, name)) for name in ("from", "return-path")}
    ours |= {report.notice(NoticeKind.BOUNCE).message_id, report.envelope_to}
    notices = []
    for kind, found in ((NoticeKind.BOUNCE, permanent), (NoticeKind.DELAY, temporary)):
        base = report.notice(kind)
        for raw in sorted(found)[:MAX_NOTICES]:
            address = address_in(raw.decode("utf-8", "replace"))
            if address and address not in ours:
                said = texts.said_of(address, report.text)
                notices.append(texts.noted(base, address, said, is_final=False))
    return notices


def _without_letters(report: Report) -> Message:
    """Return the report as one text: the library would look into the letter that it returns."""
    copy = Message()
    for name in ("From", "Subject", "Content-Type"):
        if value := report.header(name.lower()):
            copy[name] = value
    pieces = [mime.text_of(part) for part in report.parts if part.get_content_maintype() == "text"]
    if report.message.get_content_maintype() == "multipart":
        copy.replace_header("Content-Type", "text/plain")
    copy.set_payload("\n".join(pieces)[: mime.MAX_TEXT].encode("ascii", "replace").decode())
    return copy
