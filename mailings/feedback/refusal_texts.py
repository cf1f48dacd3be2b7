"""What a server said, taken apart: SMTP code, enhanced code, words, and what they mean together."""

import re
from dataclasses import dataclass

from mailings.feedback.notices import DIAGNOSTIC_LIMIT
from mailings.refusals import Refusal, classify

_TYPE = re.compile(r"\s*[A-Za-z][\w.-]{0,40};\s*")
"""What kind of text a Diagnostic-Code is: `smtp;`, `x-unix;` (RFC 3464 2.3.6)."""
_CODE = re.compile(r"(?:^|[:;'\"#(<>=]\s{0,2}|\b(?:said|returned|error|reply|code)\s{1,2})"
                   r"([45]\d\d)(?=[ -]\s?(?:[45]\.\d|[^\W\d]|[<('\"*#]))|^\s*([45]\d\d)[\s.]*$",
                   re.I | re.M)  # fmt: skip
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_EXPIRED = re.compile(r"[45]\.4\.7$")
_GENERIC = re.compile(r"[245]\.0\.0$")


@dataclass(frozen=True, slots=True)
class Saying:
    """What a server said of one recipient, and how it is understood."""

    code: int | None
    enhanced_code: str
    words: str
    is_permanent: bool
    refusal: Refusal


def read(said: str, *, status: str = "", domain: str = "", is_final: bool = False) -> Saying:
    """Return what is meant by a server's words and by the report's own `status` (RFC 3463).

    `is_final`: the form of the report calls it permanent, in case no code tells. A code in the
    words is the receiver's own and counts more than a status that says nothing but «failed»: Exim
    reports 5.0.0 for whatever happened.
    """
    words = without_codes_of_lines(_TYPE.sub("", said, count=1) if ";" in said[:50] else said)
    code = code_in(words)
    theirs = enhanced_in(words, code)
    ours = enhanced_in(status, None)
    enhanced = theirs if theirs and (not ours or _GENERIC.search(ours)) else ours
    if _GENERIC.search(enhanced) and code and int(enhanced[0]) != code // 100:
        enhanced = ""
    level = int(enhanced[0]) if enhanced else code // 100 if code else 5 if is_final else 0
    # A queue's time is over: nobody has said that there is no such mailbox.
    is_permanent = level == 5 and not _EXPIRED.search(enhanced)  # noqa: PLR2004
    known = classify(code, enhanced, words, domain)
    refusal = Refusal(known.kind, known.receiver, is_permanent)
    return Saying(code, enhanced, words[:DIAGNOSTIC_LIMIT], is_permanent, refusal)


def code_in(words: str) -> int | None:
    """Return the SMTP code of a refusal, the first there is."""
    found = _CODE.search(words[: 2 * DIAGNOSTIC_LIMIT])
    return int(found[1] or found[2]) if found else None


def enhanced_in(words: str, code: int | None) -> str:
    """Return the first enhanced code that fits `code`."""
    for found in _ENHANCED.finditer(words[: 2 * DIAGNOSTIC_LIMIT]):
        if code is None or int(found[1]) == code // 100:
            return found[0]
    return ""


def without_codes_of_lines(said: str) -> str:
    """Return an answer of several lines as one, its codes said once (RFC 5321 4.2.1)."""
    said = said[: 2 * DIAGNOSTIC_LIMIT]
    begun = re.search(r"\b([45]\d\d)-(?:([45]\.\d{1,3}\.\d{1,3})\s)?", said)
    if not begun:
        return said
    again = rf"\s+{begun[1]}[- ]" + (rf"(?:{re.escape(begun[2])}\s)?" if begun[2] else "")
    return said[: begun.end()] + re.sub(again, " ", said[begun.end() :])
