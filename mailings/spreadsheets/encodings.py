"""Which encoding bytes are in, by the letters they would be; and text that was read wrongly before.

A general detector guesses among a hundred encodings and needs long texts. A table of people holds
short words, all in upper case now and then, in one of a few encodings: so each is tried, and the
one counts whose letters stand beside each other as they do in Russian.
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from mailings.spreadsheets.layout import SAMPLE

EIGHT_BIT = ("cp1251", "cp1252", "cp866", "koi8-r", "mac-cyrillic")
BAD = "\N{REPLACEMENT CHARACTER}"
_PIECE = 1 << 20  # bytes

_ALPHABET = "абвгдежзийклмнопрстуфхцчшщъыьэюя"
_BESIDE = """
05867657567869078884451651000035 63000600603503705005002003053000 80054700804707705633024500065003
60005600500504806004000000000000 70400730702455737134000000033001 14967745067879548780543545000001
40005600303005300005000000000000 71405400502345602005000000033002 44556745378889457880464753000017
00004000001534300340003200000000 80400500800604907767001000003000 82030820806531800205000300038056
81000700801142830405000000043005 93007800906007900575304400065005 06977555467878169783652620000105
70000600702400847335000030040001 85564830806456930566333040056046 71401800707645863685001200167006
80703800706335857505000400057003 35455445046643046650340533000030 60000600600000605000000000003000
60000300400300603010000000000000 40300500300000500001000000030000 60000700603003000063000000000000
50000600604333500003000000000000 10000600200000000004000000000000 00000100000000000000000000000000
04333430054633001140040140000000 00440704304065000430003050000036 00003000030330000040000000000000
04004000004303004030000403000000 04302403006327005240001331000011
"""
"""How often a letter (row) is followed by another (column) in Russian words and names, 0 to 9; the
binary logarithm of their share, 5 being what chance would make of it."""

_SCORES = {
    first + second: int(digit) - 4
    for first, row in zip(_ALPHABET, _BESIDE.split(), strict=True)
    for second, digit in zip(_ALPHABET, row, strict=True)
}
_RARE = frozenset("ёіїєґўә")  # of Russian's neighbours, and the one that Russian leaves out
_ORDINARY = frozenset("\N{NO-BREAK SPACE}«»„“”‘’–—…№°©®™€§·•")
_ODD, _RAISED, _MIXED, _JOINED = -8, -6, -5, 3
_STRANGE_LETTERS = frozenset("ЂЃѓЉЊЌЋЏђљњќћџЈЅјѕ")


def score(text: str) -> int:
    """Return how much the text looks like words of people: Russian ones, or Western."""
    total = 0
    before = " "
    for character in text:
        if character > "\x7f":
            total += _beside(before, character)
        elif before > "\x7f" and character.isalpha() and before.isalpha():
            total += _MIXED if _is_cyrillic(before) else _JOINED
        before = character
    return total


def _beside(before: str, character: str) -> int:
    if not character.isalpha() or character in _STRANGE_LETTERS:
        return 0 if character in _ORDINARY else _ODD
    raised = _RAISED if character.isupper() and before.islower() else 0
    if _is_cyrillic(character):
        return _cyrillic_beside(before, character) + raised
    # A Western letter stands among ASCII ones; Cyrillic taken for Western makes words of them.
    if before > "\x7f" and before.isalpha():
        return -3 + raised
    return (4 if before.isalpha() else -1) + raised


def _cyrillic_beside(before: str, character: str) -> int:
    if before.isascii() and before.isalpha():
        return _MIXED
    small, earlier = character.casefold(), before.casefold()
    return 1 if small in _RARE or earlier in _RARE else _SCORES.get(earlier + small, 1)


def _is_cyrillic(character: str) -> bool:
    return "Ѐ" <= character <= "ӿ"


# ---------------------------------------------------------------- bytes


def encoding_of(content: bytes) -> str:
    """Return the name of the encoding that the content is most likely in."""
    marked = _marked(content)
    if marked:
        return marked
    good = bad = 0
    for piece in _decoded(content, "utf-8"):
        if not piece.isascii():
            wrong = piece.count(BAD)
            bad += wrong
            good += len(piece) - len(piece.encode("ascii", "ignore")) - wrong
    # Hardly any other text has whole letters of UTF-8 by chance; a few rows may be in another one.
    if bad == 0 or 2 * good > bad:
        return "utf-8"
    sample = telling(content)
    return max(EIGHT_BIT, key=lambda name: _likely(sample, name))


def _likely(sample: bytes, encoding: str) -> int:
    # Small letters are the same bytes in Windows' and the old Macs' encoding, which nobody has.
    return score(sample.decode(encoding, "replace")) - 5 * (encoding == "mac-cyrillic")


def _marked(content: bytes) -> str:
    """Return the encoding that the first bytes, or the zeroes among them, tell of."""
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF32_LE, "utf-32"),
        (codecs.BOM_UTF32_BE, "utf-32"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if content.startswith(mark):
            return name
    sample = content[:SAMPLE]
    for parity, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        high, low = sample[parity::2], sample[1 - parity :: 2]
        # The upper halves are 0 (Latin) or 4 (Cyrillic); the lower ones are anything but 0.
        upper = high.count(0) + high.count(4)
        if len(high) > 1 and high.count(0) and upper * 10 > len(high) * 9 and low.count(0) == 0:
            return name
    return ""


def _decoded(content: bytes, encoding: str) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    for start in range(0, len(content), _PIECE):
        yield decoder.decode(content[start : start + _PIECE])
    yield decoder.decode(b"", True)  # noqa: FBT003 - codecs' own


_HIGH = re.compile(rb"[\x80-\xff][^\r\n]{0,400}")
_BEFORE = 40  # bytes


def telling(content: bytes) -> bytes:
    """Return lines from the whole file that are not ASCII alone, as many as a sample holds."""
    found: list[bytes] = []
    size = end = 0
    for match in _HIGH.finditer(content):
        start = max(match.start() - _BEFORE, end)
        line = re.split(rb"[\r\n]", content[start : match.start()])[-1] + match[0]
        found.append(line)
        size, end = size + len(line) + 1, match.end()
        if size > SAMPLE:
            break
    return b"\n".join(found)


def decoded_alone(content: bytes, encoding: str = "") -> str:
    """Return a short piece, in its own encoding or in the one it looks like."""
    try:
        return content.decode(encoding or "utf-8")
    except (LookupError, UnicodeError):
        return content.decode(encoding_of(content), "replace")


# ---------------------------------------------------------------- text that was read wrongly


class Mend(NamedTuple):
    """What the text was read as, and what it is; `shown`: how a name then looks."""

    taken_for: str
    really: str
    shown: str


MENDS = {
    f"{wrong}>{right}": Mend(wrong, right, shown)
    for wrong, right, shown in (
        ("cp1251", "utf-8", "РђРЅРЅР° → Анна"),
        ("cp1252", "utf-8", "ÐÐ½Ð½Ð° → Анна"),
        ("cp866", "utf-8", "╨Р╨╜╨╜╨░ → Анна"),
        ("koi8-r", "utf-8", "п░п╫п╫п╟ → Анна"),
        ("cp1252", "cp1251", "Àííà → Анна"),
        ("cp866", "cp1251", "└ээр → Анна"),
        ("koi8-r", "cp1251", "юММЮ → Анна"),
        ("cp1251", "koi8-r", "бООБ → Анна"),
        ("cp1251", "cp866", "Ђ­­  → Анна"),
    )
}


def _own_byte(error: UnicodeError) -> tuple[bytes, int]:
    """Encode a character that stands for a byte without a letter as that byte."""
    if isinstance(error, UnicodeEncodeError):
        code = ord(error.object[error.start])
        if 0x80 <= code <= 0x9F:  # noqa: PLR2004 - where such characters lie
            return bytes([code]), error.start + 1
    raise error


codecs.register_error("own-byte", _own_byte)


def mended(text: str, name: str) -> str:
    """Return the text as it was meant; unchanged where it was not read wrongly."""
    if text.isascii():
        return text
    way = MENDS[name]
    try:
        raw = text.encode(way.taken_for, "own-byte")
        if way.really == "utf-8" and _UTF8.search(raw):
            raw = _LOST_I.sub(b"\xd0\x98", raw)
        return raw.decode(way.really)
    except UnicodeError:
        return text


_UTF8 = re.compile(rb"[\xd0\xd1][\x80-\xbf]")
_LOST_I = re.compile(rb"\xd0\??(?![\x80-\xbf])")
"""“И” in UTF-8 ends with a byte that Windows-1251 has no letter for: most programs drop it."""


_CELL = re.compile(r'[^;,\t|"\r\n]+')


def mend_for(text: str) -> str:
    """Return the name of the mend that makes words of the text; nothing if they are words."""
    cells = [cell for cell in _CELL.findall(text[:SAMPLE]) if not cell.isascii()][:500]
    wrong = [cell for cell in cells if not _are_words(cell)]
    if not wrong:
        return ""
    best, found = score("\n".join(wrong)), ""
    for name, way in MENDS.items():
        # Letters of UTF-8 are known for certain; others make new words of good ones as well.
        if way.really != "utf-8" and len(wrong) * 10 < len(cells) * 9:
            continue
        now = [mended(cell, name) for cell in wrong]
        changed = sum(a != b for a, b in zip(wrong, now, strict=True))
        if changed * 2 >= len(wrong) and (value := score("\n".join(now))) > max(best, 0):
            best, found = value, name
    return found


def _are_words(cell: str) -> bool:
    return score(cell) >= len(cell) - len(cell.encode("ascii", "ignore"))
