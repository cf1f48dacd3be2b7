"""A stranger's mail as parts, headers and text, with the standard library and within bounds.

The bytes are cut before they are parsed, so that none of them – nesting, boundaries, headers,
blank lines – can make the parser work for long. What is inside an attached message is its own
affair: `parts` never goes into one.
"""

import base64
import binascii
import codecs
import email
import html
import quopri
import re
from collections.abc import Iterator
from contextlib import suppress
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from itertools import islice

from mailings.spreadsheets.encodings import decoded_alone

MAX_BYTES = 1 << 20
"""A report stands before what it returns, and is seldom longer than some kilobytes."""
MAX_LINES = 20_000
MAX_BOUNDARIES = 500  # lines that begin with "--"
MAX_CONTAINERS = 60  # times that "multipart/" or "message/" is said: bounds nesting
MAX_CONTENT_TYPE = 2_000  # bytes; parsing parameters takes the square of their number
MAX_PARTS = 100
MAX_FIELDS = 500  # header fields of a message
MAX_FIELD = 8_000  # characters of one
MAX_TEXT = 1 << 16  # bytes of a text part

Fields = list[tuple[str, str]]
"""Header fields in their order, names in lower case, values as they stand but on one line."""

_CONTENT_TYPE = re.compile(rb"^content-type:[^\n]*(?:\n[ \t][^\n]*)*", re.M | re.I)
_LIMITED = re.compile(rb"^--|(multipart|message)/", re.M | re.I)
_HEADER_TYPES = frozenset(
    {
        "message/global-headers",
        "message/rfc822-headers",
        "text/rfc822-headers",
        "text/rfc822-header",
    }
)
_NOT_TEXT = frozenset({"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"})
"""Codecs of Python's that no mail is in, some of them slow."""
_TAG = re.compile(r"<[^<>]{0,500}>")
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/h\d|/li|/pre)\b[^<>]{0,100}>", re.I)


def read(raw: bytes) -> Message:
    """Return the mail, as much of it as is looked at."""
    return email.message_from_bytes(bounded(raw))


def bounded(raw: bytes) -> bytes:
    """Return the beginning of a mail that can be parsed in little time, with plain line ends."""
    raw = raw[:MAX_BYTES].replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    raw = b"\n".join(raw.split(b"\n", MAX_LINES)[:MAX_LINES])
    raw = _CONTENT_TYPE.sub(lambda found: found[0][:MAX_CONTENT_TYPE], raw)
    boundaries = containers = 0
    for found in _LIMITED.finditer(raw):
        if found[1]:
            containers += 1
        else:
            boundaries += 1
        if containers > MAX_CONTAINERS or boundaries > MAX_BOUNDARIES:
            return raw[: found.start()]
    return raw


def parts(message: Message) -> Iterator[Message]:
    """Yield what a mail consists of, in order; an attached message is one part."""
    waiting: list[Message] = [message]
    for _ in range(MAX_PARTS):
        if not waiting:
            return
        part = waiting.pop()
        inside = _inside(part)
        if part.get_content_maintype() == "multipart" and inside:
            waiting += reversed(inside)
        else:
            yield part


def _inside(part: Message) -> list[Message]:
    """Return the parts of a container, or the message that one holds."""
    inside = part.get_payload() if part.is_multipart() else []
    return [piece for piece in inside if isinstance(piece, Message)]


# ---------------------------------------------------------------- headers


def fields_of(message: Message) -> Fields:
    """Return the header fields of a message or a block of fields."""
    return [
        (name.lower(), _value(value)) for name, value in islice(message.raw_items(), MAX_FIELDS)
    ]


def fields_in(text: str) -> Fields:
    """Return the header fields that a text begins with."""
    return fields_of(email.message_from_string(text.lstrip()[:MAX_TEXT]))


def _value(raw: object) -> str:
    """Return a header's value on one line; bytes above ASCII are taken for what they look like."""
    value = " ".join(str(raw)[:MAX_FIELD].split())
    if value.isascii():
        return value
    try:
        return decoded_alone(value.encode("utf-8", "surrogateescape"))
    except UnicodeError:  # half a sign of UTF-16
        return value.encode("utf-8", "replace").decode()


def first(fields: Fields, *names: str) -> str:
    """Return the first value there is under the first of `names` that has one."""
    for name in names:
        for known, value in fields:
            if known == name and value:
                return value
    return ""


def words(value: str) -> str:
    """Return a header's words (RFC 2047) as text."""
    if "=?" not in value:
        return value
    try:
        pieces = decode_header(value[:2_000])
    except (HeaderParseError, ValueError):
        return value
    return "".join(
        piece if isinstance(piece, str) else _decoded(piece, charset or "")
        for piece, charset in pieces
    )


# ---------------------------------------------------------------- text


def text_of(part: Message) -> str:
    """Return the text of a part, in whatever encoding it is, declared or not."""
    content = _content(part)
    text = _decoded(content[:MAX_TEXT], part.get_content_charset() or "")
    return plain(text) if part.get_content_subtype() == "html" else text


def _content(part: Message) -> bytes:
    """Return the bytes of a part that is no container."""
    try:
        content = part.get_payload(decode=True)
    except ValueError:  # the name of its encoding cannot be one
        part.del_param("charset")
        content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def plain(markup: str) -> str:
    """Return HTML's text, a line for each paragraph."""
    lines = html.unescape(_TAG.sub("", _BREAK.sub("\n", markup))).splitlines()
    return "\n".join(line.strip() for line in lines)


def _decoded(content: bytes, charset: str) -> str:
    try:
        codec = codecs.lookup(charset)
        if codec.name.replace("_", "-") not in _NOT_TEXT:
            return content.decode(charset)
    except (LookupError, ValueError):  # unknown, or a lie
        pass
    return decoded_alone(content)


def main_text(message: Message) -> str:
    """Return what a person would read first: the first plain text, else the first HTML.

    Where the boundary is not the one that the header tells of, all parts are one text.
    """
    kinds = {"text/plain": "", "text/html": ""}
    for part in parts(message):
        kind = part.get_content_type()
        if part.get_content_maintype() == "multipart":
            kind = "text/plain"
        if not kinds.get(kind, "found"):
            kinds[kind] = text_of(part).strip()
    return kinds["text/plain"] or kinds["text/html"]


# ---------------------------------------------------------------- parts that hold fields


def blocks(part: Message) -> list[Fields]:
    """Return the blocks of fields of a `message/…-status` or `message/…-report` part, in order.

    The standard library reads some of these types as blocks, others as a message whose body holds
    all but the first one; neither when a gateway has encoded them.
    """
    if not part.is_multipart():
        return [fields_in(block) for block in _split(text_of(part))]
    found: list[Fields] = []
    for piece in _inside(part):
        found.append(fields_of(piece))
        if (rest := _content(piece)).strip():
            text = _unwrapped(rest, str(part.get("content-transfer-encoding", "")))
            found += [fields_in(block) for block in _split(text)]
    return [block for block in found if block]


def _split(text: str) -> list[str]:
    return re.split(r"\n[ \t]*\n", text[:MAX_TEXT].strip(), maxsplit=MAX_PARTS)


def _unwrapped(content: bytes, encoding: str) -> str:
    """Return what an encoded text says; the parser looks into messages without decoding them."""
    match encoding.strip().lower():
        case "base64":
            with suppress(binascii.Error):
                content = base64.b64decode(content)
        case "quoted-printable":
            content = quopri.decodestring(content)
    return decoded_alone(content.replace(b"\r\n", b"\n"))


def returned_fields(message: Message) -> Fields:
    """Return the header of the letter that a report returns, when it does so in a part."""
    for part in parts(message):
        kind = part.get_content_type()
        if kind in {"message/rfc822", "message/global"} or kind in _HEADER_TYPES:
            for letter in _inside(part)[:1]:
                if fields := fields_of(letter):
                    return fields
            if found := blocks(part):  # encoded, or a text
                return found[0]
    return []
