"""One renderer for the real mail, the test mail and the preview: content is compiled once a run,
then each recipient's values are encoded and spliced into finished bytes. No Django.

What an owner writes is data throughout: it is cut into literals and holes (`variables`), never
evaluated. A value from a client cannot start a header, a tag or another address.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from typing import NamedTuple

from mailings.addressing import domains
from mailings.rendering.encoding import (
    HEADER_LINE,
    clean_body,
    header_text,
    is_address,
    mailbox,
    one_line,
)
from mailings.rendering.names import first_name_of
from mailings.rendering.skeleton import Content, Skeleton, TransferEncoding
from mailings.rendering.variables import Hole, Segment, text_segments, variables_in

__all__ = ["Compiled", "Content", "Preview", "Recipient", "RenderError"]
__all__ += ["compile_content", "first_name_of", "needs_smtputf8", "variables_in"]

_MESSAGE_ID = re.compile(r"<?([!-;=?A-~]{1,200}@[!-;=?A-~]{1,200})>?").fullmatch
_LIST_URL = re.compile(r"(https?://[!#-;=?-~]+|mailto:[!#-;=?-~]+)").fullmatch
_LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,255}").fullmatch


class RenderError(ValueError):
    """This mail cannot be made: a message id or an address unfit for a header."""


class Recipient(NamedTuple):
    """Whom one letter is for, and what it is filled in with."""

    address: str
    full_name: str
    variables: Mapping[str, object]  # JSON: numbers and null may come
    message_id: str
    unsubscribe_url: str = ""


class Preview(NamedTuple):
    """What one recipient would read, before it is encoded."""

    subject: str
    html: str
    text: str
    preheader: str = ""


def needs_smtputf8(address: str) -> bool:
    """Domains are stored in ASCII; a local part that is not makes the mail need RFC 6531."""
    return not address.isascii()


def compile_content(
    content: Content, *, transfer_encoding: TransferEncoding = "quoted-printable"
) -> "Compiled":
    """Prepare a run's content for any number of recipients."""
    content = replace(
        content,
        sender_email=_ascii_domain(content.sender_email),
        reply_to=_ascii_domain(content.reply_to),
    )
    if not is_address(content.sender_email):
        raise RenderError(f"the sender is not an address: {content.sender_email!r}")
    if content.reply_to and not is_address(content.reply_to):
        raise RenderError(f"replies would not go to an address: {content.reply_to!r}")
    if content.list_id and not _LIST_ID(content.list_id):
        raise RenderError(f"not a list id: {content.list_id!r}")
    if transfer_encoding not in {"quoted-printable", "8bit"}:
        raise ValueError(f"unknown transfer encoding {transfer_encoding!r}")
    return Compiled(content, transfer_encoding)


def _ascii_domain(address: str) -> str:
    """Clients' addresses are stored so; an owner's own may be as it was typed."""
    local, _at, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        return f"{local}@{domains.to_ascii(domain)}"
    except UnicodeError:
        return address


class Compiled:
    """A run's content, ready for `render`; safe to share between threads."""

    def __init__(self, content: Content, transfer_encoding: TransferEncoding) -> None:
        self.content = content
        self.transfer_encoding = transfer_encoding
        self._subject = text_segments(content.subject)
        # Finding it costs as much as the rest of a mail.
        texts = (content.subject, content.preheader, content.html, content.text)
        self._greets = any("first_name" in text for text in texts)
        self._date: tuple[datetime | None, bytes] = (None, b"")

    # Letters with and without a way to unsubscribe differ in headers and footer.
    @cached_property
    def _with_unsubscribe(self) -> "Skeleton":
        return Skeleton(self.content, self.transfer_encoding, unsubscribe=True)

    @cached_property
    def _without_unsubscribe(self) -> "Skeleton":
        return Skeleton(self.content, self.transfer_encoding, unsubscribe=False)

    @cached_property
    def _quoted_printable(self) -> "Compiled":
        return Compiled(self.content, "quoted-printable")

    def _skeleton(self, recipient: Recipient) -> "Skeleton":
        return self._with_unsubscribe if recipient.unsubscribe_url else self._without_unsubscribe

    def render(self, recipient: Recipient, now: datetime) -> bytes:
        """Return the whole mail, lines ending in CRLF.

        In quoted-printable no line begins with a dot; in 8bit the transport has to double it.
        """
        skeleton = self._skeleton(recipient)
        values = values_of(recipient, greets=self._greets)
        headers = (
            self._date_header(now),
            _to_header(recipient),
            header_text(fill(self._subject, values), len("Subject: ")),
            _message_id(recipient.message_id),
            _unsubscribe_headers(recipient.unsubscribe_url),
        )
        mail = skeleton.splice(headers, values)
        if skeleton.may_overflow(mail):
            return self._quoted_printable.render(recipient, now)
        return mail

    def preview(self, recipient: Recipient) -> Preview:
        """Return what `render` sends, decoded."""
        skeleton = self._skeleton(recipient)
        values = values_of(recipient, greets=self._greets)
        return Preview(
            subject=one_line(fill(self._subject, values)),
            html=fill(skeleton.html, values),
            text=fill(skeleton.text, values),
            preheader=one_line(fill(text_segments(self.content.preheader), values)),
        )

    def needs_smtputf8(self, recipient: Recipient) -> bool:
        """Return whether an address of the mail needs a server that speaks SMTPUTF8 (RFC 6531)."""
        return any(
            map(
                needs_smtputf8,
                (recipient.address, self.content.sender_email, self.content.reply_to),
            )
        )

    def _date_header(self, now: datetime) -> bytes:
        when, code = self._date
        if when is not now:
            if now.tzinfo is None:
                raise ValueError("now must be aware")
            code = format_datetime(now).encode()
            self._date = (now, code)
        return code


# ---------------------------------------------------------------------- values of a recipient
def values_of(recipient: Recipient, *, greets: bool = True) -> dict[str, object]:
    """Return the client's variables and those that every client has; without the first name, which
    has to be guessed, where nobody `greets` with it."""
    values = dict(recipient.variables)
    if recipient.full_name:
        values["full_name"] = recipient.full_name
    if greets and not values.get("first_name"):
        values["first_name"] = first_name_of(str(values.get("full_name") or ""))
    values["email"] = recipient.address
    values["unsubscribe_url"] = recipient.unsubscribe_url
    return values


def value_at(hole: Hole, values: Mapping[str, object]) -> str:
    name, default, write = hole
    value = values.get(name)
    if value.__class__ is not str:
        value = "" if value is None else str(value)
    return write(clean_body(value or default))


def fill(segments: Sequence[Segment], values: Mapping[str, object]) -> str:
    return "".join(
        [segment if isinstance(segment, str) else value_at(segment, values) for segment in segments]
    )


# ---------------------------------------------------------------------- headers of a recipient
def _to_header(recipient: Recipient) -> bytes:
    if not is_address(recipient.address):
        raise RenderError("the recipient's address is not fit for a header")
    return mailbox(recipient.full_name, recipient.address, len("To: "))


def _message_id(message_id: str) -> bytes:
    match = _MESSAGE_ID(message_id)
    if not match:
        raise RenderError(f"not a message id: {message_id!r}")
    return b"<" + match[1].encode() + b">"


def _unsubscribe_headers(url: str) -> bytes:
    """RFC 2369; RFC 8058 allows one-click for https alone."""
    if not url:
        return b""
    if not _LIST_URL(url):
        raise RenderError("the unsubscribe address is not fit for a header")
    start = " " if len("List-Unsubscribe: <>") + len(url) <= HEADER_LINE else "\r\n "
    lines = f"List-Unsubscribe:{start}<{url}>\r\n"
    if url.startswith("https://"):
        lines += "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    return lines.encode()
