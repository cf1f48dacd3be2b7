"""What a server said, taken apart: SMTP code, enhanced code, words, and what they mean together."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from mailings.feedback.notices import DIAGNOSTIC_LIMIT
from mailings.refusals import Refusal, RefusalKind, classify

_TYPE = re.compile(r"\s*[A-Za-z][\w.-]{0,40};\s*")
"""What kind of text a Diagnostic-Code is: `smtp;`, `x-unix;` (RFC 3464 2.3.6)."""
_CODE = re.compile(
    r"(?:^[ \t]{0,16}|[:;'\"#(<>=]\s{0,2}|\b(?:said|returned|error|reply|code)\s{1,2})"
    r"([45]\d\d)(?=:?[ -]\s?(?:[45]\.\d|[^\W\d]|[<('\"*#]))|^\s*([45]\d\d)[\s.]*$",
    re.I | re.M,
)
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_EXPIRED = re.compile(
    r"[45]\.4\.7(?!\d)|\bexpired\b|retry time(?:out)? exceeded|too long (?:on|in) the queue"
    r"|unable to deliver in \d+ (?:minutes|hours|days)",
    re.I,
)
"""A queue's time is over: nobody has said that there is no such mailbox, whatever the status is."""
_GENERIC = re.compile(r"[245]\.0\.0$")

_OF_A_MAILBOX = frozenset({".1.1", ".1.6", ".1.10", ".2.1"})
_STEP = re.compile(
    r"(?:in reply to|after|response to|in response to) (?:pipelined |sending )?(?:"
    r"(?P<sender>MAIL FROM|MAIL\b|EHLO|HELO|STARTTLS|AUTH|initial connection|connect)"
    r"|(?P<recipient>RCPT)"
    r"|(?P<letter>end of (?:DATA|data)|DATA|final dot|message))"
    r"|>>> (?P<sender__>MAIL From)"
    r"|did not like our (?:(?P<sender_>MAIL FROM|EHLO|HELO)|(?P<recipient_>RCPT)|(?P<letter_>DATA))"
)
"""In the words of Postfix, Exim, sendmail and the DragonFly Mail Agent."""


@dataclass(frozen=True, slots=True)
class Saying:
    """What a server said of one recipient, and how it is understood."""

    code: int | None
    enhanced_code: str
    words: str
    is_permanent: bool
    refusal: Refusal


class Step(StrEnum):
    """What a server refused, where the report tells: only an answer to RCPT is about a mailbox."""

    SENDER = "sender"
    """The session or MAIL FROM."""
    RECIPIENT = "recipient"
    LETTER = "letter"
    """The end of DATA: an answer about the content, in the words of a mailbox now and then."""
    UNKNOWN = "unknown"


def read(
    said: str,
    *,
    status: str = "",
    domain: str = "",
    is_final: bool = False,
    step: Step = Step.UNKNOWN,
) -> Saying:
    """Return what is meant by a server's words and by the report's own `status` (RFC 3463).

    `is_final`: the form of the report calls it permanent, in case no code tells. A code in the
    words is the receiver's own and counts more than a status that says nothing but «failed»: Exim
    reports 5.0.0 for whatever happened.
    """
    typed = _TYPE.match(said)
    words = without_codes_of_lines(said[typed.end() :] if typed else said)
    code = code_in(words)
    words = " ".join(words.split())
    theirs = enhanced_in(words, code)
    ours = enhanced_in(status, None)
    enhanced = theirs if theirs and (not ours or _GENERIC.search(ours)) else ours
    if _GENERIC.search(enhanced) and code and int(enhanced[0]) != code // 100:
        enhanced = ""
    level = int(enhanced[0]) if enhanced else code // 100 if code else 5 if is_final else 0
    is_permanent = level == 5 and not _EXPIRED.search(f"{enhanced} {words}")  # noqa: PLR2004
    known = classify(code, enhanced, words, domain)
    refusal = _at(step, replace(known, is_permanent=is_permanent), enhanced)
    return Saying(code, enhanced, words[:DIAGNOSTIC_LIMIT], is_permanent, refusal)


def _at(step: Step, refusal: Refusal, enhanced_code: str) -> Refusal:
    """Return what can be meant at this step: in doubt nobody is taken for dead."""
    if refusal.is_dead_mailbox and step is Step.SENDER:
        return replace(refusal, kind=RefusalKind.SENDER)
    is_told = enhanced_code[1:] in _OF_A_MAILBOX
    if refusal.is_dead_mailbox and step is Step.LETTER and not is_told:
        return replace(refusal, kind=RefusalKind.UNKNOWN)
    return refusal


def step_in(context: str) -> Step:
    """Return which command a report in words says that the refusal was the answer to."""
    found = _STEP.search(context[: 2 * DIAGNOSTIC_LIMIT])
    return Step((found.lastgroup or "unknown").rstrip("_")) if found else Step.UNKNOWN


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
