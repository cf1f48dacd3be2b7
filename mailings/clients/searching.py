"""Clients are looked for as people look: parts of a name in any order, «е» for «ё», letter case
aside, an address in either form of its domain, and a word typed in the wrong keyboard layout."""

import re
from typing import Any

from django.db import connection
from django.db.models import F, Q, Value
from django.db.models.functions import Lower, Replace
from django.db.models.lookups import Contains, IRegex

from mailings.clients.segments import compiling
from mailings.web.filters import holds, holds_address

MAX_WORDS = 8
SHORTEST = 3
"""Letters of a word that is tried in the other layout: shorter ones are found everywhere."""

_LATIN = "`qwertyuiop[]asdfghjkl;'zxcvbnm,."
_CYRILLIC = "ёйцукенгшщзхъфывапролджэячсмитьбю"
_TO_CYRILLIC = str.maketrans(_LATIN, _CYRILLIC)
_TO_LATIN = str.maketrans(_CYRILLIC, _LATIN)
_HAS_CYRILLIC = re.compile(r"[а-яё]").search


def found_by(text: str) -> Q:
    """Return the condition on a client that the text finds them."""
    named = Q()
    for word in text.split()[:MAX_WORDS]:
        one = Q()
        for spelling in {word.lower(), other_layout(word)} - {""}:
            one |= Q(_named(spelling.replace("ё", "е")))
        named &= one
    found = named | holds_address(text, "email_normalised", "email")
    if "." in text or "xn--" in text.lower():  # a domain, in the form that was not typed
        found |= holds("email_normalised", compiling.in_ascii(text))
    if meant := other_layout(text):
        found |= holds_address(meant, "email_normalised", "email")
    return found


def other_layout(text: str) -> str:
    """Return what the same keys give in the other layout; nothing for a short text."""
    low = text.strip().lower()
    if len(low) < SHORTEST:
        return ""
    return low.translate(_TO_LATIN if _HAS_CYRILLIC(low) else _TO_CYRILLIC)


def _named(word: str) -> Any:
    if connection.vendor == "sqlite":  # whose LOWER and LIKE know ASCII only
        return IRegex(F("full_name"), re.escape(word).replace("е", "[её]"))
    return Contains(Replace(Lower("full_name"), Value("ё"), Value("е")), word)
