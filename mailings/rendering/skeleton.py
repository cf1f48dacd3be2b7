"""A run's mail as finished bytes with holes: what is the same for all is encoded once."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import Literal, NamedTuple

from mailings.rendering.encoding import (
    QP_LINE,
    clean_body,
    eight_bit,
    header_text,
    mailbox,
    quoted_printable,
)
from mailings.rendering.variables import (
    PLAIN_URL,
    Hole,
    Segment,
    as_number,
    as_url,
    as_url_part,
    html_segments,
    text_segments,
    variables_in,
)

TransferEncoding = Literal["quoted-printable", "8bit"]
LONGEST_LINE = 998  # bytes, RFC 5321 4.5.3.1.6

_OPTIONAL_HTML = re.compile(r"<!--unsubscribe-->(.*?)<!--/unsubscribe-->", re.S)


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
    message_id_tail: str = ""
    """What the Message-IDs of a run have in common, behind the number of the delivery."""
    is_tracked: bool = False
    """Each recipient's letter has addresses of its own that tell of its reader."""


Write = Callable[[str], str]

_PLAIN_WORD = re.compile(r"[A-EG-Za-z0-9][A-Za-z0-9_-]*").fullmatch
"""What no way of writing and no encoding changes: no first letter of "From ", nothing to escape."""
_PLAIN_WORDS = re.compile(r"[A-EG-Za-z0-9](?:[A-Za-z0-9 ,:!?()/@#%*+_-]*[A-Za-z0-9])?").fullmatch
"""The same but for addresses, which have no spaces and marks as they are."""


class _Group(NamedTuple):
    """A variable and the ways in which it is written; most values are the same in all of them."""

    name: str
    default: str
    writes: tuple[Write, ...]
    is_plain: Callable[[str], object]
    """Whether no way of writing changes a value."""


def _plain_for(writes: tuple[Write, ...]) -> Callable[[str], object]:
    in_address = as_url_part in writes or as_number in writes
    if as_url in writes:
        return _never if in_address else PLAIN_URL
    return _PLAIN_WORD if in_address else _PLAIN_WORDS


def _never(value: str) -> None:
    """Tell that a value must be looked at."""


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
        self._groups = []
        for (name, default), alike in groupby(holes, itemgetter(0, 1)):
            writes = tuple(hole.write for hole in alike)
            self._groups.append(_Group(name, default, writes, _plain_for(writes)))
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
        for name, default, writes, is_plain in self._groups:
            value = values.get(name)
            if value.__class__ is not str:
                value = "" if value is None else str(value)
            value = value or default
            if is_plain(value):
                code = value.encode() if len(value) <= QP_LINE else self._encode(value)
                parts += [code] * len(writes)
            else:
                parts += self._codes(value, writes)
        parts += self._literals
        return b"".join(self._take(parts))

    def _codes(self, value: str, writes: tuple[Write, ...]) -> list[bytes]:
        """Encode one value as it must stand at each of its places."""
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
