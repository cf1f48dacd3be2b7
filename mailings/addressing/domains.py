"""Names of mail domains: in ASCII by IDNA 2008 (RFC 5891, mapped by UTS 46), and whether one is
written in several alphabets."""

import re
import unicodedata
from functools import lru_cache

import idna

LONGEST = 253  # RFC 1035 2.3.4, as text without the last dot
_PREFIX = "xn--"
_NAME = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])", re.A
).fullmatch
_HERE = {"localhost", "localdomain", "local", "invalid", "arpa"}
"""No mail leaves for names that end so (RFC 6761, RFC 6762)."""

_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"}
"""Alphabets with letters that are drawn like those of another one."""


@lru_cache(maxsize=4096)
def to_ascii(domain: str) -> str:
    """Return the domain in lower case and ASCII: `faß.example` is not `fass.example`.

    Raises `UnicodeError`. What is in ASCII already is only lower-cased.
    """
    if domain.isascii():
        return domain.lower()
    return idna.encode(domain, uts46=True).decode("ascii").lower()


@lru_cache(maxsize=4096)
def as_in_2003(domain: str) -> str:
    """Return what IDNA 2003 made of the name whose ASCII form this is; nothing: the same."""
    if _PREFIX not in domain:
        return ""
    try:
        older = readable(domain).lower().encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    return older if older != domain else ""


def readable(domain: str) -> str:
    """Return the name with the letters that stand behind its ASCII form. Raises `UnicodeError`."""
    return ".".join(
        label[len(_PREFIX) :].encode("ascii").decode("punycode")
        if label.startswith(_PREFIX)
        else label
        for label in domain.split(".")
    )


def is_name(domain: str) -> bool:
    """Whether mail may leave for the domain, given in ASCII: no host of this network, no number."""
    if len(domain) > LONGEST or not _NAME(domain):
        return False
    last = domain.rpartition(".")[2]
    return not last.isdecimal() and last not in _HERE


def mixed(domain: str) -> tuple[str, str] | None:
    """Return a label, given with its letters, that is written in several alphabets which look
    alike, and the letter that does not belong there; None: there is none such."""
    for label in domain.split("."):
        if label.isascii():
            continue
        alphabets: dict[str, list[str]] = {}
        for letter in label:
            if (alphabet := alphabet_of(letter)) in _ALIKE:
                alphabets.setdefault(alphabet, []).append(letter)
        if len(alphabets) > 1:
            # Of as many of each it is not the Latin ones that are strange.
            fewest = min(alphabets, key=lambda name: (len(alphabets[name]), name == "LATIN"))
            return label, alphabets[fewest][0]
    return None


def alphabet_of(letter: str) -> str:
    """Return LATIN, CYRILLIC …; nothing for what is no letter."""
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""
