"""How text becomes bytes of a mail: quoted-printable bodies (RFC 2045), header words (RFC 2047).

Whatever the text holds, no function here lets it start a new header or a new line of its own:
control characters go, line breaks in headers become spaces, and what only looks like an encoded
word is encoded.
"""

import re
from binascii import b2a_base64, b2a_qp

CRLF = b"\r\n"
FOLD = b"\r\n "
HEADER_LINE = 76  # characters; RFC 2047 2 for lines that hold encoded words
QP_LINE = 75  # characters; RFC 2045 6.7 allows 76 with the "=" of a soft break
WORD_OVERHEAD = len("=?utf-8?b??=")
ADDRESS_LENGTH = 320  # characters, RFC 3696 3: 64 + 1 + 255
EQUALS, DOT = b"=."
CONTINUATION = 0b10  # the two highest bits of every byte but the first of a UTF-8 character
WORD_BYTES = 45  # bytes of text in an encoded word: 60 in base64, 72 with its frame (limit 75)

_HEADER_BREAKS = re.compile(r"[\t\n\r \x80-\x9f\u2028\u2029]+")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+").fullmatch
_ADDRESS_LIKE = re.compile(rb"[!-<>-~]+").fullmatch  # one word: no space, no "=", nothing to encode
_LINES = re.compile(rb".{1,%d}" % QP_LINE).findall
_LITERAL = frozenset(b"\t" + bytes(range(0x20, 0x7F))) - {EQUALS}
_QP_BYTE = [b"%c" % byte if byte in _LITERAL else b"=%02X" % byte for byte in range(256)]


# ------------------------------------------------------------------------------- bodies
def clean_body(text: str) -> str:
    """Return the text with "\\n" as the only line end, without other control characters."""
    if text.isprintable():
        return text
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def eight_bit(text: str) -> bytes:
    """Return the text as UTF-8 with CRLF line ends, for servers with 8BITMIME (RFC 6152)."""
    return clean_body(text).encode("utf-8", "replace").replace(b"\n", CRLF)


def quoted_printable(text: str) -> bytes:
    """Return the text encoded as a block that begins at column 0 and ends without a line break.

    No line is longer than 75 characters (a soft break fits behind the last one too), none ends
    in white space, starts with "." (SMTP would have to double it) or with "From " (mailboxes
    would quote it).
    """
    data = text.encode("utf-8", "replace")
    if len(data) > QP_LINE and _ADDRESS_LIKE(data):
        code = b"=\r\n".join(_LINES(data))  # a long link, twice in every letter
        if data[0] != DOT and b"\n." not in code:
            return code
    code = b2a_qp(data, False, False)  # noqa: FBT003 - not text mode
    if len(code) <= QP_LINE and b"=0" not in code and code[:1] not in {b".", b"F"}:
        return code  # most values: one short line without control characters, made in C
    lines = clean_body(text).encode("utf-8", "replace").split(b"\n")
    return CRLF.join([_quoted_printable_line(line) for line in lines])


def _quoted_printable_line(line: bytes) -> bytes:
    code = b"".join([_QP_BYTE[byte] for byte in line])
    if code[-1:] in {b" ", b"\t"}:
        code = code[:-1] + b"=%02X" % code[-1]
    if len(code) <= QP_LINE and code[:1] not in {b".", b"F"}:
        return code
    pieces = []
    start = 0
    while start < len(code):
        head = b""
        if code[start] == DOT or code.startswith(b"From ", start):
            head = b"=%02X" % code[start]
            start += 1
        end = _whole_codes(code, start + QP_LINE - len(head))
        pieces.append(head + code[start:end])
        start = end
    return b"=\r\n".join(pieces)


def _whole_codes(code: bytes, end: int) -> int:
    """Return `end` moved back so that it cuts no "=XX" in two."""
    if end >= len(code):
        return len(code)
    if code[end - 1] == EQUALS:
        return end - 1
    if code[end - 2] == EQUALS:
        return end - 2
    return end


# ------------------------------------------------------------------------------- headers
def one_line(text: str) -> str:
    """Return the text fit for a header: one line, single spaces, no control characters."""
    if text.isprintable() and "  " not in text and text == text.strip(" "):
        return text
    return _HEADER_BREAKS.sub(" ", _CONTROLS.sub("", text)).strip(" ")


def header_text(text: str, used: int) -> bytes:
    """Encode free text (a subject) behind `used` characters of its line, folded."""
    text = one_line(text)
    if text.isascii() and "=?" not in text:
        if len(text) <= HEADER_LINE - used:
            return text.encode()
        words = text.split(" ")
        if max(map(len, words)) < HEADER_LINE - used:
            return _fold(words, used)
    return encoded_words(text, used)


def _fold(words: list[str], used: int) -> bytes:
    lines = [""]
    for word in words:
        room = HEADER_LINE - (used if len(lines) == 1 else 1)
        if lines[-1] and len(lines[-1]) + 1 + len(word) > room:
            lines.append(word)
        else:
            lines[-1] = f"{lines[-1]} {word}" if lines[-1] else word
    return "\r\n ".join(lines).encode()


def encoded_words(text: str, used: int) -> bytes:
    """Encode text as RFC 2047 words of at most 75 characters that never split a character."""
    data = text.encode("utf-8", "replace")
    size = min((HEADER_LINE - used - WORD_OVERHEAD) // 4 * 3, WORD_BYTES)
    words = []
    start = 0
    while start < len(data):
        end = min(start + size, len(data))
        while end < len(data) and data[end] >> 6 == CONTINUATION:
            end -= 1
        words.append(b"=?utf-8?b?" + b2a_base64(data[start:end], newline=False) + b"?=")
        start, size = end, WORD_BYTES
    return FOLD.join(words)


def mailbox(name: str, address: str, used: int) -> bytes:
    """Return `name <address>`; the address is one that `is_address` has accepted."""
    code = address.encode()
    name = one_line(name)
    if not name:
        return code
    phrase = _phrase(name, used)
    column = len(phrase) - phrase.rfind(b"\n") - 1
    if column == len(phrase):
        column += used
    fits = column + len(code) + len(" <>") <= HEADER_LINE
    return phrase + (b" <" if fits else b"\r\n <") + code + b">"


def _phrase(name: str, used: int) -> bytes:
    if not name.isascii() or "=?" in name or len(name) > HEADER_LINE - used - 2:
        return encoded_words(name, used)
    if _ATOMS(name):
        return name.encode()
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    if len(quoted) > HEADER_LINE - used - 2:
        return encoded_words(name, used)
    return b'"' + quoted.encode() + b'"'


_ATOM = r"[^\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\"(),.:;<>@\[\]\\]+"
_ADDRESS = re.compile(
    rf'(?:{_ATOM}(?:\.{_ATOM})*|"(?:[!#-\[\]-~]|\\[!-~])+")@(?:[A-Za-z0-9.-]+|\[[0-9A-Za-z.:]+\])'
).fullmatch


def is_address(text: str) -> bool:
    """Is this exactly one address, fit for a header and an envelope as it stands?"""
    return len(text) <= ADDRESS_LENGTH and _ADDRESS(text) is not None
