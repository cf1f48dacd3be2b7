"""One renderer for the real mail, the test mail and the preview: content is compiled once a run,
then each recipient's values are encoded and spliced into finished bytes. No Django.

What an owner writes is data throughout: it is cut into literals and holes (`variables`), never
evaluated. A value from a client cannot start a header, a tag or another address.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from hashlib import blake2b
from itertools import groupby, pairwise
from operator import itemgetter
from typing import Literal, NamedTuple

from mailings.delivery.encoding import (
    HEADER_LINE,
    QP_LINE,
    clean_body,
    eight_bit,
    header_text,
    is_address,
    mailbox,
    one_line,
    quoted_printable,
)
from mailings.delivery.variables import (
    Hole,
    Segment,
    as_url,
    html_segments,
    text_segments,
    variables_in,
)

__all__ = ["Compiled", "Content", "Preview", "Recipient", "RenderError"]
__all__ += ["compile_content", "needs_smtputf8", "variables_in"]

TransferEncoding = Literal["quoted-printable", "8bit"]
LONGEST_LINE = 998  # bytes, RFC 5321 4.5.3.1.6

_OPTIONAL_HTML = re.compile(r"<!--unsubscribe-->(.*?)<!--/unsubscribe-->", re.S)
_MESSAGE_ID = re.compile(r"<?([!-;=?A-~]{1,200}@[!-;=?A-~]{1,200})>?").fullmatch
_LIST_URL = re.compile(r"(https?://[!#-;=?-~]+|mailto:[!#-;=?-~]+)").fullmatch
_LIST_ID = re.compile(r"[A-Za-z0-9._-]{1,255}").fullmatch
_PATRONYMIC = re.compile(r"\w+(?:вич|вна|ична|ьич|оглы|кызы)", re.I).fullmatch


class RenderError(ValueError):
    """This mail cannot be made: a message id or an address unfit for a header."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a run sends, frozen. `html` is the finished document, the preheader already in it."""

    subject: str
    preheader: str
    html: str
    text: str
    sender_name: str
    sender_email: str
    reply_to: str = ""
    list_id: str = ""
    feedback_id: str = ""


class Recipient(NamedTuple):
    address: str
    full_name: str
    variables: Mapping[str, object]  # JSON: numbers and null may come
    message_id: str
    unsubscribe_url: str = ""


class Preview(NamedTuple):
    subject: str
    html: str
    text: str
    preheader: str = ""


def needs_smtputf8(address: str) -> bool:
    """Domains are stored in ASCII; a local part that is not makes the mail need RFC 6531."""
    return not address.isascii()


def first_name_of(full_name: str) -> str:
    """Return the given name: the word before a patronymic, else the first word."""
    words = full_name.split()
    for before, word in pairwise(words):
        if words[2:] and _PATRONYMIC(word):
            return before
    return words[0] if words else ""


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
        return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        return address


class Compiled:
    """A run's content, ready for `render`; safe to share between threads."""

    def __init__(self, content: Content, transfer_encoding: TransferEncoding) -> None:
        self.content = content
        self.transfer_encoding = transfer_encoding
        self._subject = text_segments(content.subject)
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
        values = values_of(recipient)
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
        values = values_of(recipient)
        return Preview(
            subject=one_line(fill(self._subject, values)),
            html=fill(skeleton.html, values),
            text=fill(skeleton.text, values),
            preheader=one_line(fill(text_segments(self.content.preheader), values)),
        )

    def needs_smtputf8(self, recipient: Recipient) -> bool:
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
def values_of(recipient: Recipient) -> dict[str, object]:
    """Return the client's variables and those that every client has."""
    values = dict(recipient.variables)
    if recipient.full_name:
        values["full_name"] = recipient.full_name
    if not values.get("first_name"):
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


# ---------------------------------------------------------------------- the skeleton
Write = Callable[[str], str]

_PLAIN_WORD = re.compile(r"[A-EG-Za-z0-9][A-Za-z0-9_-]*").fullmatch
"""What no way of writing and no encoding changes: no first letter of "From ", nothing to escape."""


def _by_value(hole: Hole) -> tuple[str, str, str]:
    return (hole.name, hole.default, hole.write.__name__)


HEADER_HOLES = 5  # date, to, subject, message id, unsubscribing: the order of `splice`'s headers


class Skeleton:
    """Finished bytes with holes, for one transfer encoding, with or without unsubscribing."""

    def __init__(
        self, content: Content, transfer_encoding: TransferEncoding, *, unsubscribe: bool
    ) -> None:
        keep = r"\1" if unsubscribe else ""
        self.html = html_segments(clean_body(_OPTIONAL_HTML.sub(keep, content.html)))
        self.text = text_segments(_text_source(content.text, unsubscribe=unsubscribe))
        self._is_quoted = transfer_encoding == "quoted-printable"
        self._encode = quoted_printable if self._is_quoted else eight_bit
        self._boundary = boundary = _boundary(content)
        pieces: list[bytes | int | Hole] = [*_header_pieces(content, boundary)]
        for media_type, segments in (("plain", self.text), ("html", self.html)):
            pieces.append(
                b"--%b\r\nContent-Type: text/%b; charset=utf-8\r\n"
                b"Content-Transfer-Encoding: %b\r\n\r\n"
                % (boundary, media_type.encode(), transfer_encoding.encode())
            )
            pieces += [*self._encoded(segments), b"\r\n"]
        pieces.append(b"--" + boundary + b"--\r\n")
        self._arrange(pieces)

    def _encoded(self, segments: list[Segment]) -> Iterator[bytes | Hole]:
        """Encode the literals. In quoted-printable a soft break stands on both sides of a value,
        so that each piece begins at column 0 and can be encoded without its neighbours.
        """
        at_start = True
        for segment in segments:
            if isinstance(segment, str):
                if not at_start and not segment.startswith("\n"):
                    yield self._soft_break
                yield self._encode(segment)
                at_start = segment.endswith("\n")
            else:
                if not at_start:
                    yield self._soft_break
                yield segment
                at_start = False

    @property
    def _soft_break(self) -> bytes:
        return b"=\r\n" if self._is_quoted else b""

    def _arrange(self, pieces: list[bytes | int | Hole]) -> None:
        """Lay out the mail as literals and places, so that `splice` is one join.

        A hole that occurs often is encoded once; a place is an index into headers + values +
        literals.
        """
        holes = sorted({piece for piece in pieces if isinstance(piece, Hole)}, key=_by_value)
        self._groups = [
            (value, tuple(hole.write for hole in alike))
            for value, alike in groupby(holes, itemgetter(0, 1))
        ]
        place_of = {hole: HEADER_HOLES + n for n, hole in enumerate(holes)}
        literals: list[bytes] = []
        places: list[int] = []
        for is_literal, group in groupby(pieces, lambda piece: isinstance(piece, bytes)):
            if is_literal:
                places.append(HEADER_HOLES + len(holes) + len(literals))
                literals.append(b"".join(piece for piece in group if isinstance(piece, bytes)))
            else:
                places += [
                    p if isinstance(p, int) else place_of[p]
                    for p in group
                    if not isinstance(p, bytes)
                ]
        self._literals = tuple(literals)
        self._take = itemgetter(*places)
        whole = b"".join(literals)
        self._boundaries = whole.count(b"--" + self._boundary)
        self._room = len(whole) + LONGEST_LINE - max(map(len, whole.split(b"\r\n")))

    def splice(self, headers: tuple[bytes, ...], values: Mapping[str, object]) -> bytes:
        parts = [*headers]
        for (name, default), writes in self._groups:
            value = values.get(name)
            if value.__class__ is not str:
                value = "" if value is None else str(value)
            parts += self._codes(value or default, writes)
        parts += self._literals
        return b"".join(self._take(parts))

    def _codes(self, value: str, writes: tuple[Write, ...]) -> list[bytes]:
        """Encode one value as it must stand at each of its places; most are the same at all."""
        if len(value) <= QP_LINE and _PLAIN_WORD(value) and as_url not in writes:
            return [value.encode()] * len(writes)
        encode = self._encode
        value = clean_body(value)
        codes: dict[str, bytes] = {}
        found = []
        for write in writes:
            written = write(value)
            code = codes.get(written)
            if code is None:
                code = codes[written] = encode(written)
            found.append(code)
        return found

    def may_overflow(self, mail: bytes) -> bool:
        """Might a line be too long, or hold the boundary? Quoted-printable rules both out."""
        if self._is_quoted:
            return False
        boundaries = mail.count(b"--" + self._boundary)
        return len(mail) > self._room or boundaries != self._boundaries


def _boundary(content: Content) -> bytes:
    """Return what quoted-printable never holds ("=_"), the same wherever a run is compiled."""
    digest = blake2b(repr(content).encode("utf-8", "replace"), digest_size=15)
    return b"=_" + digest.hexdigest().encode()


def _text_source(text: str, *, unsubscribe: bool) -> str:
    lines = clean_body(text).split("\n")
    if not unsubscribe:
        lines = [
            line
            for line in lines
            if not any(variable.name == "unsubscribe_url" for variable in variables_in(line))
        ]
    return "\n".join(lines)


def _header_pieces(content: Content, boundary: bytes) -> Iterator[bytes | int]:
    """Return the headers; a number is a place that `splice`'s headers fill.

    Auto-Submitted (RFC 3834) and Precedence keep holiday notices from answering; List-ID
    (RFC 2919) lets people sort; Feedback-ID lets mailbox providers report by mailing.
    """
    yield from (b"Date: ", 0, b"\r\nFrom: ")
    yield mailbox(content.sender_name, content.sender_email, len("From: "))
    if content.reply_to:
        yield b"\r\nReply-To: " + content.reply_to.encode()
    yield from (b"\r\nTo: ", 1, b"\r\nSubject: ", 2, b"\r\nMessage-ID: ", 3, b"\r\n", 4)
    if content.list_id:
        yield b"List-ID: <" + content.list_id.encode() + b">\r\n"
    if content.feedback_id:
        feedback_id = header_text(content.feedback_id, len("Feedback-ID: "))
        yield b"Feedback-ID: " + feedback_id + b"\r\n"
    yield b"Precedence: bulk\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
    yield b'Content-Type: multipart/alternative;\r\n boundary="' + boundary + b'"\r\n\r\n'
