"""Where a link of a letter leads: kept as it was written, or refused with words – never changed
without a word, never lost on the way. The one rule for the editor, the form and what is sent.

A letter has no place of its own, so an address is whole: a page, a mailbox, a phone, a chat.
"""

import difflib
import re
from typing import NamedTuple
from urllib.parse import quote

from django.utils.translation import gettext as _

from mailings.rendering.variables import VARIABLE

SCHEMES = frozenset({"http", "https", "mailto", "tel", "sms", "tg"})
LONGEST = 2000  # characters; browsers and servers cut longer ones off

_HOST = r"(?:[\w-]+\.)*[\w-]+\.?|\[[0-9a-f:.]+\]"
_PAGE = re.compile(rf"https?://(?:{_HOST})(?::\d{{1,5}})?(?:[/?#].*)?", re.I | re.S).fullmatch
_SAFE_PAGE = re.compile(r"https?://[^\s/?#{}\\@]+(?:[/?#].*)?", re.I | re.S).fullmatch
_SAFE_OTHER = re.compile(r"(?:mailto|tel|sms):.*|tg://.*", re.I | re.S).fullmatch
_MAILBOX = re.compile(r"[^\s@/:?,;<>]+@[^\s@/:?,;<>]+").fullmatch
_MAIL = re.compile(r"mailto:([^\s?]*)(\?\S+)?", re.I).fullmatch
_PHONE = re.compile(r"(?:tel|sms):\+?[\d*#().V-]*[\dV][\d*#().V-]*(?:[;?]\S*)?", re.I).fullmatch
_CHAT = re.compile(r"tg://[\w-]+(?:[/?]\S*)?", re.I).fullmatch
_BARE_PHONE = re.compile(r"\+?[\d\s().-]{6,24}").fullmatch
_BARE_HOST = re.compile(
    r"(?:[\w-]+\.)+(?P<top>xn--[\w-]+|[^\W\d_]{2,})(?::\d{1,5})?(?:[/?#].*)?", re.I | re.S
).fullmatch
_FILES = frozenset(
    (
        *("aspx", "css", "doc", "docx", "gif", "htm", "html", "jpeg", "jpg", "js", "pdf", "php"),
        *("png", "txt", "webp", "xls", "xlsx", "xml"),
    )
)
"""Ends of names that are files, not sites."""
_SCHEME = re.compile(r"([a-z][a-z0-9+-]*):", re.I).match
_MISTYPED = re.compile(
    r"(?P<word>[a-zа-я]{3,8}) ?(?:[:;.,]{1,2} ?[/\\]{0,3}|[/\\]{1,3}) ?(?P<rest>[^\s].*)",
    re.I | re.S,
).fullmatch
_UNFIT = re.compile(r"[\s<>\"\\^`|]")


class Read(NamedTuple):
    """An address as it was typed: `href` is what the link gets, or `fault` says why it gets
    none; `instead` is what was meant, perhaps."""

    href: str
    fault: str = ""
    instead: str = ""


def is_safe(href: str) -> bool:
    """May this stand in a letter? Wider than `read`: what was let in once is not lost later."""
    href = href.strip()
    variable = VARIABLE.match(href)
    if variable:
        return variable.end() == len(href) or href[variable.end()] in "?#&/"
    return bool(_SAFE_PAGE(href) or _SAFE_OTHER(href))


def read(typed: str) -> Read:
    """Return what a link gets when this was typed as its address."""
    text = typed.strip()
    if not text:
        return Read("", _("Write where the link leads."))
    if len(text) > LONGEST:
        return Read("", _("The address is longer than %(most)d characters.") % {"most": LONGEST})
    # What a variable holds has its own rules: here it is one letter of a word.
    bare = VARIABLE.sub("V", text)
    if VARIABLE.match(text):
        if is_safe(text) and not _UNFIT.search(bare):
            return Read(text)
        return Read("", _variable())
    scheme = _SCHEME(bare)
    if scheme and scheme[1].lower() in SCHEMES:
        return _with_scheme(text, bare, scheme[1].lower())
    return _completed(text) if not scheme else _refused(text)


def _variable() -> str:
    return _("A variable may be the whole address or stand behind https://site/.")


def _meant(instead: str) -> Read:
    return Read("", _("Did you mean %(instead)s?") % {"instead": instead}, instead)


def _with_scheme(text: str, bare: str, scheme: str) -> Read:
    """Judge an address of a kind that letters may have."""
    if scheme in {"http", "https"}:
        return _page(text, bare)
    if scheme == "mailto":
        return Read(text) if _is_mail(bare) else Read("", _no_mailbox())
    if scheme == "tg":
        fault = _("Write it so: tg://resolve?domain=name.")
        return Read(text) if _CHAT(bare) else Read("", fault)
    if _PHONE(bare):
        return Read(text)
    digits = re.sub(r"[^\d+*#]", "", text[len(scheme) + 1 :])
    if _BARE_PHONE(text[len(scheme) + 1 :]):
        return _meant(f"{scheme}:{digits}")
    return Read("", _no_number(scheme))


def _is_mail(bare: str) -> bool:
    found = _MAIL(bare)
    if not found or not (found[1] or found[2]):
        return False
    return not found[1] or all(one == "V" or _MAILBOX(one) for one in found[1].split(","))


def _no_mailbox() -> str:
    return _("Write an address for mail: mailto:name@site.")


def _no_number(scheme: str) -> str:
    return _("Write the number in digits: %(example)s.") % {"example": f"{scheme}:+74951234567"}


def _page(text: str, bare: str) -> Read:
    if re.match(r"https?://[^/?#]*\{\{", text, re.I):
        return Read("", _variable())
    if not _PAGE(bare):
        guess = _guessed(text)
        return _meant(guess) if guess else Read("", _no_site())
    if not _UNFIT.search(bare):
        return Read(text)
    if fit := _fit_page(text):
        return _meant(fit)
    return Read("", _("An address has no spaces, quotes or angle brackets."))


def _fit_page(text: str) -> str:
    """Return the address of a page with what is unfit in it encoded; empty: it is none."""
    if "{{" in text or not _PAGE(text):
        return ""
    return _UNFIT.sub(lambda unfit: quote(unfit[0]), text)


def _completed(text: str) -> Read:
    """Return what has no scheme with the one that everybody leaves out, or say what is missing."""
    if _MAILBOX(text):
        return Read(f"mailto:{text}")
    bare = VARIABLE.sub("V", text)
    host = _BARE_HOST(bare)
    if host and "{{" not in re.split(r"[/?#]", text)[0] and host["top"].lower() not in _FILES:
        return _page(f"https://{text}", f"https://{bare}")
    return _refused(text)


def _refused(text: str) -> Read:
    """Say why an address is none, and what was meant if that can be guessed."""
    if text.startswith("#"):
        no_page = _("It names a place in a page, not the page. Write it whole: %(example)s.")
        return Read("", no_page % {"example": "https://site/page#place"})
    if guess := _guessed(text):
        return _meant(guess)
    if text[0] in "/.?":
        return Read("", _no_site())
    return Read("", _("A link begins with https://, mailto:, tel:, sms: or tg://."))


def _no_site() -> str:
    said = _("It does not name the site as it should. Write it whole: %(example)s.")
    return said % {"example": "https://site/page"}


def _guessed(text: str) -> str:
    if text.startswith("//"):
        return _fit_page(f"https:{text}")
    if _BARE_PHONE(text):
        return "tel:" + re.sub(r"[^\d+]", "", text)
    rest, scheme = text, ""
    # Twice: an address that was pasted behind “https://” has two of them.
    for _time in range(2):
        mistyped = _MISTYPED(rest)
        if mistyped and _is_nearly_http(mistyped["word"]):
            scheme = "http" if mistyped["word"].lower() == "http" else "https"
            rest = mistyped["rest"]
    return _fit_page(f"{scheme}://{rest}") if scheme and _BARE_HOST(rest) else ""


def _is_nearly_http(word: str) -> bool:
    return bool(difflib.get_close_matches(word.lower(), ["http", "https"], n=1, cutoff=0.7))
