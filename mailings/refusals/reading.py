"""Reads a refusal: first its words, then its enhanced code, then its code.

The text is a stranger's. It is cut, addresses in it are left out (`spam@shop.example` is no word
of the server's), and it is searched for plain phrases: no pattern that a text could make slow.
"""

import re
from functools import lru_cache

from mailings.refusals.kinds import GONE, Refusal, RefusalKind
from mailings.refusals.receivers import receiver_of
from mailings.refusals.table import BY_CODE, BY_ENHANCED_CODE, FOR_NOW, GAP, ROWS, Row

PERMANENT, TEMPORARY = 5, 4  # classes of codes
OF_SENDER = frozenset({".1.7", ".1.8", ".7.27"})
"""RFC 3463, RFC 7505: a bad sender's address or domain, whatever the words say does not exist."""

MOST = 2_000  # characters that are looked at

_ADDRESS = re.compile(r"[^\s<>()\[\]\"',;:]{1,64}@[^\s<>()\[\]\"',;:]{0,253}")
_CODE_AT_LINE = re.compile(r"\n\s{0,4}(?:[245]\d\d[ -])?(?:[245]\.\d{1,3}\.\d{1,3}\s)?")
_ENHANCED = re.compile(r"(?<![\d.])([245])\.\d{1,3}\.\d{1,3}(?![\d.])")


@lru_cache(maxsize=64)  # the engine asks several times about one answer
def classify(code: int | None, enhanced_code: str, text: str, domain: str = "") -> Refusal:
    """Return what a refusal says.

    `code` is the SMTP code, None where there is none (a delivery report, RFC 3464); then the class
    of `enhanced_code`, or of one in the text, tells whether it is meant for good. `domain` is that
    of the recipient's address.
    """
    text = text[:MOST]
    if not enhanced_code:
        enhanced_code = _enhanced_code_in(code, text)
    words = words_of(text)
    level = code // 100 if code else int(enhanced_code[:1] or 0)
    receiver = receiver_of(words, domain)
    if enhanced_code[1:] in OF_SENDER:
        return Refusal(RefusalKind.SENDER, receiver, level == PERMANENT, in_words=False)
    told = _by_words(words, level, enhanced_code, receiver)
    kind = told or _by_codes(code, enhanced_code, level)
    if level == TEMPORARY and kind in GONE:
        kind = RefusalKind.TRANSIENT  # the server is not sure yet
    return Refusal(kind, receiver, level == PERMANENT, in_words=told is not None)


def words_of(text: str) -> str:
    """Return a reply's words in small letters: without addresses and the codes of its lines, and
    with one space between any two and at both ends."""
    text = _CODE_AT_LINE.sub(" ", text)
    return f" {' '.join(_ADDRESS.sub('@', text).lower().split())} "


def _enhanced_code_in(code: int | None, text: str) -> str:
    """Return the first enhanced code of the text that fits `code`: `(#5.1.1)` of qmail."""
    found = _ENHANCED.search(text)
    return found[0] if found and (code is None or code // 100 == int(found[1])) else ""


def _by_words(words: str, level: int, enhanced_code: str, receiver: str) -> RefusalKind | None:
    for row in ROWS:
        if (
            row.parts[0] in words  # nearly all end here
            and _holds(words, row.parts)
            and _fits(row, level, enhanced_code, receiver)
        ):
            return row.kind
    return None


def _fits(row: Row, level: int, enhanced_code: str, receiver: str) -> bool:
    return (
        (not row.receiver or row.receiver == receiver)
        and (not row.level or row.level == level)
        and (not row.enhanced or enhanced_code.endswith(row.enhanced))
    )


def _holds(words: str, parts: tuple[str, ...]) -> bool:
    """Whether the parts stand in `words` in this order, each at most `GAP` behind the last."""
    at = words.find(parts[0])
    while at >= 0:
        end = at + len(parts[0])
        for part in parts[1:]:
            found = words.find(part, end, end + GAP + len(part))
            if found < 0:
                break
            end = found + len(part)
        else:
            return True
        at = words.find(parts[0], at + 1)
    return False


def _by_codes(code: int | None, enhanced_code: str, level: int) -> RefusalKind:
    _, _, detail = enhanced_code.partition(".")  # the class is told by the code as well
    subject = detail.partition(".")[0] + "."
    kind = BY_ENHANCED_CODE.get(detail) or BY_ENHANCED_CODE.get(subject)
    if kind is None and code is not None:
        kind = BY_CODE.get(code)
    if level == TEMPORARY and kind not in FOR_NOW:
        return RefusalKind.TRANSIENT
    return kind or RefusalKind.UNKNOWN
