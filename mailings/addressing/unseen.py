"""Signs that nobody sees: they come with what is copied from letters, sites and office programs,
and make two spellings of what looks like one."""

import re

JOINERS = "\u200c\u200d"
"""They tell words of some languages apart, and make one picture of several."""

_ALWAYS = (
    "\u00ad\u034f\u061c\u070f\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\U0001d173-\U0001d17a"
)
_SELECTORS = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_TAGS = "\U000e0000-\U000e007f"
_HARD_SPACES = "\u00a0\u2007\u202f"
_FLAG = "\U0001f3f4"  # tags behind it say whose flag it is

_NOT_IN_ADDRESSES = re.compile(f"[{_ALWAYS}{_SELECTORS}{_TAGS}{_HARD_SPACES}{JOINERS}]")
_NOT_IN_DOMAINS = re.compile(f"[{_ALWAYS}{_SELECTORS}{_TAGS}{_HARD_SPACES}]")

# Where a joiner or a selector belongs: behind signs of those scripts, and pictures.
_JOINED = "[\u0590-\u1cff\u2190-\U0010ffff]"
_NOT_IN_TEXT = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_ALWAYS}]"
    f"|(?<!{_JOINED})[{JOINERS}]|[{JOINERS}](?!{_JOINED})"
    f"|(?<![0-9#*\u00a9\u00ae\u0590-\u1cff\u2010-\U0010ffff])[{_SELECTORS}]"
)
_TAGS_IN_TEXT = re.compile(f"[{_TAGS}]")
_HARD = re.compile(f"[{_HARD_SPACES}]")
_ANY = re.compile(
    f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_ALWAYS}{_SELECTORS}{_TAGS}{_HARD_SPACES}{JOINERS}]"
).search


def stands_in(text: str) -> bool:
    """Return whether there is anything in the text that `tidy` looks at."""
    return _ANY(text) is not None


def without(address: str, *, but_joiners: bool = False) -> str:
    """Return the text of an address without anything that cannot be seen; hard spaces are gone."""
    return (_NOT_IN_DOMAINS if but_joiners else _NOT_IN_ADDRESSES).sub("", address)


def tidy(text: str) -> str:
    """Return what somebody wrote without what cannot be seen, unless it is part of a letter or a
    picture; hard spaces become spaces, lines stay."""
    if not _ANY(text):
        return text
    text = _NOT_IN_TEXT.sub("", _HARD.sub(" ", text))
    return text if _FLAG in text else _TAGS_IN_TEXT.sub("", text)
