"""What people write where an address belongs: `Anna <anna@…>`, `mailto:…`, two at once.

What is no address stays, as a part of its own, to be refused with its reason: nothing is dropped
without a word.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

MAX_AT_ONCE = 1_000
"""Addresses; more in one text are a table that was read as one column."""


def mailboxes(text: str) -> list[tuple[str, str]]:
    """Return (name, address) of each mailbox in a text, in their order.

    A part that is no address is returned as it stands, to be refused.
    """
    if text.count("@") < 1 or text.count("@") > MAX_AT_ONCE:
        return [("", text)]
    found: list[tuple[str, str]] = []
    waiting = ""  # “Kim, Anna <…>”: a comma stands inside the name too
    for part in _parts(text):
        whole = f"{waiting}, {part}" if waiting and "<" in part else part
        if waiting and whole is part:
            found.append(("", waiting))
        waiting = ""
        if "@" in part:
            found.extend(_in_part(whole))
        else:
            waiting = part
    return [*found, ("", waiting)] if waiting else found


def _parts(text: str) -> Iterator[str]:
    """Divide at commas, semicolons and line ends outside of quotes."""
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        quoted.append(match[0])
        return "\x1f"

    hidden = _QUOTED.sub(keep, text)
    names = iter(quoted)
    for part in _BETWEEN.split(hidden):
        shown = re.sub("\x1f", lambda _m: next(names), part).strip()
        if shown.strip(_EDGES):
            yield shown


_QUOTED = re.compile(r'"[^"@\r\n]*"')
_BETWEEN = re.compile(r"[,;\r\n\t|]")
_EDGES = " \t\r\n.,;:<>()[]{}'\"“”„«»‘’`*•·"
_ANGLED = re.compile(r"<([^<>@]*@[^<>]*)>")
_COMMENT = re.compile(r"\(([^()@]*)\)")
_SCHEME = re.compile(r"(?:mailto|e-?mail|почта)[ ]?:[ ]?|\?(?:subject|body|cc|bcc)=\S*", re.I)


def _in_part(part: str) -> list[tuple[str, str]]:
    if "<" in part and (angled := list(_ANGLED.finditer(part))):
        names = [part[: angled[0].start()]]
        names += [part[a.end() : b.start()] for a, b in pairwise(angled)]
        rest = part[angled[-1].end() :].strip(_EDGES)
        found = [
            (_name(name), _address(match[1])) for name, match in zip(names, angled, strict=True)
        ]
        return [*found, *(_in_words(rest) if "@" in rest else [])]
    return _in_words(part)


def _in_words(part: str) -> list[tuple[str, str]]:
    """“a@x b@x”, “a@x (Anna)”, “a@x / b@x”, “a@x/b@x”."""
    comment = _COMMENT.search(part)
    bare = _SCHEME.sub(" ", _COMMENT.sub(" ", part)).strip()
    words = [word for word in bare.split() if word.strip(f"{_EDGES}/\\&+-–")]
    name = _name(comment[1]) if comment and comment[1][:1].isupper() else ""
    if len(words) == 1 and words[0].count("@") > 1:
        divided = [piece for piece in re.split(r"[/\\&]", words[0]) if piece]
        words = divided if all(piece.count("@") == 1 for piece in divided) else words
    if words and all("@" in word.strip("@") for word in words):
        return [(name, _address(word)) for word in words]
    return [(name, _address(bare))]  # a space inside: said to be one


def _address(text: str) -> str:
    text = _SCHEME.sub("", text.strip()).strip()
    if text.startswith('"') and '"@' in text:
        return text.rstrip(".,;:>")
    return text.lstrip("<([{'\"“„«‘`*•·").rstrip(_EDGES)


def _name(text: str) -> str:
    return " ".join(text.strip(" \t\r\n.,;:<>'\"“”„«»‘’`*•·-–").split())
