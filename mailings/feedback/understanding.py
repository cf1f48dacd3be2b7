"""Turns the bytes of a mail that came back into notices. No Django, no database."""

from mailings.feedback.notices import Notice, NoticeKind


def understand(raw: bytes, *, envelope_to: str = "") -> list[Notice]:
    """Return what a mail that came back says, a notice for each recipient it speaks of, at least
    one. Never raises, whatever the bytes.

    `envelope_to` is the address it was sent to, when the way it came tells (a pipe, LMTP); else it
    is read from the headers.
    """
    return [Notice(kind=NoticeKind.UNKNOWN, envelope_to=envelope_to)]
