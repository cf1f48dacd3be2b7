"""vCards (2.1, RFC 2426, RFC 6350) → rows, as address books of telephones and mail programs
export them. Only what a client has is read; a card with several addresses is several rows.
"""

import codecs
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from mailings.spreadsheets.encodings import BAD, decoded_alone, mended
from mailings.spreadsheets.layout import (
    CUT,
    LETTERS,
    MAX_LINES,
    MAX_RECORD,
    Layout,
    Row,
    Unreadable,
    clean,
)

MAX_ADDRESSES = 50
"""Of one card; nobody has more."""
MAX_CARD_LINES = 100_000
"""A picture of five megabytes has some 70 000."""
_WIDE = ("utf-16", "utf-16-le", "utf-16-be", "utf-32")
_KEPT = {b"FN", b"N", b"EMAIL", b"NOTE", b"ORG", b"TEL", b"TITLE"}


def is_vcard(text: str) -> bool:
    return bool(re.match(r"\ufeff?\s*BEGIN:VCARD\b", text[:1000], re.I))


@dataclass(slots=True)
class _Card:
    number: int
    found: dict[str, list[str]] = field(default_factory=dict)
    length: int = 0
    is_cut: bool = False

    def add(self, name: str, value: str) -> None:
        self.length += len(value)
        values = self.found.setdefault(name, [])
        if self.length > MAX_RECORD or len(values) >= MAX_ADDRESSES:
            self.is_cut = True
        elif value:
            values.append(value)

    def rows(self, mend: str) -> Iterator[Row]:
        others = [self.name(), *(self.first(name) for name in ("NOTE", "ORG", "TEL", "TITLE"))]
        for address in self.found.get("EMAIL") or [""]:
            cells = [address, *others]
            if mend:
                cells = [mended(cell, mend) for cell in cells]
            cells = [clean(cell) for cell in cells]
            fault = CUT if self.is_cut else LETTERS if any(BAD in c for c in cells) else ""
            yield Row(self.number, cells, fault, len(cells))

    def first(self, name: str) -> str:
        return self.found.get(name, [""])[0] if self.found.get(name) else ""

    def name(self) -> str:
        if whole := self.first("FN"):
            return whole
        parts = (self.first("N").split("\x1f") + [""] * 3)[:3]
        return " ".join(part for part in (parts[1], parts[2], parts[0]) if part)


def rows(file: IO[bytes], layout: Layout) -> Iterator[Row]:
    """Yield a head of our own, and a row for each address of each card, by the card's line."""
    heads = [_("E-mail"), _("Full name"), _("Comment")]
    heads += [_("Organization"), _("Telephone"), pgettext("person", "Post")]
    yield Row(0, heads, "", len(heads))
    card: _Card | None = None
    depth = 0  # a card may hold another: that of an agent
    for number, name, parameters, value in _properties(file, layout.encoding):
        if card is not None and number - card.number > MAX_CARD_LINES:
            raise _endless()
        if name == b"BEGIN":
            depth = min(depth + 1, 2)
            card = card or _Card(number)
        elif name == b"END":
            depth -= 1
            if card is not None and depth <= 0:
                yield from card.rows(layout.mend)
                card, depth = None, 0
        elif card is not None and depth == 1 and name in _KEPT and not card.is_cut:
            text = _text(value, parameters, layout.encoding)
            card.add(name.decode(), _plain(name, text))
    if card is not None:
        yield from card.rows(layout.mend)


def _endless() -> Unreadable:
    return Unreadable(_("A contact in the file never ends. Export the contacts once more."))


Property = tuple[int, bytes, list[bytes], bytes]


def _properties(file: IO[bytes], encoding: str) -> Iterator[Property]:
    for number, line in _unfolded(file, encoding):
        head, colon, value = line.partition(b":")
        if not colon:
            continue
        name, *parameters = head.split(b";")[:20]
        yield number, name.rpartition(b".")[2].strip().upper(), parameters, value


def _unfolded(file: IO[bytes], encoding: str) -> Iterator[tuple[int, bytes]]:
    """Yield (number, line): lines that go on in the next are one."""
    parts: list[bytes] = []
    number = size = 0
    soft = False
    for at, line in enumerate(_lines(file, encoding), 1):
        if at > MAX_LINES or at - number > MAX_CARD_LINES:
            raise _endless()
        goes_on = bool(parts) and (soft or line[:1] in (b" ", b"\t"))
        if not goes_on:
            if parts:
                yield number, b"".join(parts)
            number, parts, size = at, [], 0
        size += len(line)
        piece = line if not goes_on or soft else line[1:]
        if soft and parts:
            parts[-1] = parts[-1][:-1]
        if size <= 4 * MAX_RECORD:  # a picture is longer, and not wanted
            parts.append(piece)
        soft = line.endswith(b"=") and _is_quoted_printable(parts[0])
    if parts:
        yield number, b"".join(parts)


def _is_quoted_printable(line: bytes) -> bool:
    return b"QUOTED-PRINTABLE" in line[:200].partition(b":")[0].upper()


def _lines(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Yield lines without their ends; of wide encodings as UTF-8."""
    file.seek(0)
    rest = b""
    if file.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        file.seek(0)
    if encoding in _WIDE:
        text = file.read().decode(encoding, "replace")
        yield from (line.encode() for line in text.splitlines())
        return
    while chunk := file.read(MAX_RECORD):
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from lines
        if len(rest) > 16 * MAX_RECORD:
            yield rest
            rest = b""
    if rest:
        yield rest


def _text(value: bytes, parameters: list[bytes], encoding: str) -> str:
    charset = ""
    is_quoted = False
    for parameter in parameters:
        key, _equals, said = parameter.strip().upper().partition(b"=")
        if key == b"CHARSET":
            charset = said.decode("ascii", "replace").strip('"')
        is_quoted = is_quoted or b"QUOTED-PRINTABLE" in (key, said)
    if is_quoted:
        return decoded_alone(quopri.decodestring(value), charset)
    if charset and encoding not in _WIDE:
        return decoded_alone(value, charset)
    return value.decode("utf-8" if encoding in _WIDE else encoding or "utf-8", "replace")


_ESCAPED = re.compile(r"\\(.)", re.S)


def _plain(name: bytes, text: str) -> str:
    """Undo the escaping; parts of a name stay apart by a sign that no text holds."""
    if name in (b"N", b"ORG"):
        parts = re.split(r"(?<!\\);", text)
        text = ("\x1f" if name == b"N" else ", ").join(p for p in parts if p or name == b"N")
    if name == b"EMAIL":
        text = re.sub(r"^mailto:", "", text.strip(), flags=re.I)
    text = _ESCAPED.sub(lambda m: "\n" if m[1] in "nN" else m[1], text)
    return text.replace("\r\n", "\n").strip(" \t\r\n")
