"""Variables in what an owner writes: `{{ name }}` and `{{ name|default:"…" }}`, nothing else.

A text is split once into literals and holes. A hole knows how its value must be written at its
place: as it is in plain text, escaped in HTML, checked or percent-encoded in an address.
"""

import re
from collections.abc import Callable, Iterator
from html import escape, unescape
from typing import NamedTuple
from urllib.parse import quote

_SPACE = r"(?:\s|&nbsp;)*"
_DEFAULT = r'(?:"(?P<plain>[^"{}]*)"|&quot;(?P<quoted>(?:(?!&quot;)[^"{}])*)&quot;)'
VARIABLE = re.compile(
    rf"\{{\{{{_SPACE}(?P<name>[^\W\d]\w{{0,63}}){_SPACE}"
    rf"(?:\|{_SPACE}default{_SPACE}:{_SPACE}{_DEFAULT}{_SPACE})?\}}\}}"
)

_TO_ESCAPE = re.compile(r"[&<>\"']").search

# A whole address that comes from a client's data may lead to these only.
PLAIN_URL = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._~/:-]*").fullmatch
_URL = re.compile(r"(?:https?://[^\s/\\]|tg://|mailto:|tel:|sms:)", re.I).match
# Behind this a value of plain text is part of an address, too; or of a number.
_IN_URL = re.compile(r"https?://|\btg://|\bmailto:|\b(?:tel|sms):[^?]*\?", re.I).search
_IN_NUMBER = re.compile(r"\b(?:tel|sms):[^?]*$", re.I).search


class Variable(NamedTuple):
    """A place in a text: `{{ name|default:"…" }}`."""

    name: str
    default: str = ""


class Hole(NamedTuple):
    """A place for a value; `write` makes the value safe for that place."""

    name: str
    default: str
    write: Callable[[str], str]


Segment = str | Hole


def variables_in(text: str) -> list[Variable]:
    """Return the variables of a text or of HTML, each once, in order of appearance."""
    found = (
        Variable(match["name"], _default(match, unescape)) for match in VARIABLE.finditer(text)
    )
    return list(dict.fromkeys(found))


def _default(match: re.Match[str], read: Callable[[str], str]) -> str:
    return read(match["plain"] or match["quoted"] or "")


# ------------------------------------------------------------------- how a value is written
def as_text(value: str) -> str:
    """Return the value as it stands."""
    return value


def as_html(value: str) -> str:
    """Return the value so that HTML shows it and obeys nothing in it."""
    return escape(value) if _TO_ESCAPE(value) else value


def as_url(value: str) -> str:
    """A value that is a whole address: only http, https and mailto may be followed."""
    if PLAIN_URL(value):
        return value
    value = value.strip()
    is_one_word = len(value.split(None, 1)) == 1
    return escape(value) if is_one_word and _URL(value) else "#"


def as_url_part(value: str) -> str:
    """A value inside an address: it cannot leave its place, whatever it holds."""
    return quote(value, safe="@", errors="replace")


def as_number(value: str) -> str:
    """A phone number without the spaces that people put into it."""
    return quote("".join(value.split()), safe="+*()", errors="replace")


def writer_behind(text: str) -> Callable[[str], str] | None:
    """Return how a value is written behind `text`, if that is the beginning of an address."""
    if _IN_URL(text):
        return as_url_part
    return as_number if _IN_NUMBER(text) else None


# ------------------------------------------------------------------- plain text
def text_segments(text: str) -> list[Segment]:
    """Split plain text; inside an address a value is percent-encoded, else it stays as it is."""
    segments: list[Segment] = []
    end = 0
    run = ""  # what stands before the value without white space between
    for match in VARIABLE.finditer(text):
        literal = text[end : match.start()]
        run = re.split(r"\s", run + literal)[-1]
        write = writer_behind(run) or as_text
        segments += [literal, Hole(match["name"], _default(match, str), write)]
        end = match.end()
        run += "…"
    return _tidy([*segments, text[end:]])


# ------------------------------------------------------------------- HTML
_MARKUP = re.compile(
    r"<!--.*?-->"
    r"|<(style|script|textarea|xmp)\b.*?</\1\s*>"
    r"|<[a-z/!](?:\"[^\"]*\"|'[^']*'|[^'\"<>])*>",
    re.I | re.S,
)
_ATTRIBUTE = re.compile(r"([^\s\"'<>/=]+)(\s*=\s*)(?:\"([^\"]*)\"|'([^']*)')")
_URL_ATTRIBUTES = frozenset({"href", "src", "background", "cite", "action", "formaction"})
_CODE_ATTRIBUTES = ("on", "style", "src", "http", "content", "xlink")  # by how they begin


def html_segments(html: str) -> list[Segment]:
    """Split HTML. Styles, scripts, comments and attributes that hold code have no variables."""
    segments: list[Segment] = []
    end = 0
    for markup in _MARKUP.finditer(html):
        segments += _values(html[end : markup.start()], as_html)
        segments += _tag(markup[0])
        end = markup.end()
    return _tidy([*segments, *_values(html[end:], as_html)])


def _tag(markup: str) -> Iterator[Segment]:
    if markup.startswith("<!") or "{{" not in markup or markup[1:6].lower() in {"style", "scrip"}:
        yield markup
        return
    end = 0
    for attribute in _ATTRIBUTE.finditer(markup):
        group = 3 if attribute[3] is not None else 4
        yield markup[end : attribute.start(group)]
        yield from _attribute(attribute[1].lower(), attribute[group])
        end = attribute.end(group)
    yield markup[end:]


def _attribute(name: str, value: str) -> list[Segment]:
    if name in _URL_ATTRIBUTES:
        # Only at the very start could a value choose the scheme.
        value = value.lstrip()
        if _IN_NUMBER(value.partition("{{")[0]):
            number, mark, rest = value.partition("?")
            return [*_values(number, as_number), mark, *_values(rest, as_url_part)]
        return _values(value, as_url_part, first=as_url)
    if name.startswith(_CODE_ATTRIBUTES):
        return [value]
    return _values(value, as_html)


def _values(
    text: str, write: Callable[[str], str], first: Callable[[str], str] | None = None
) -> list[Segment]:
    """Split a run of text; `first` writes a value that stands before everything else."""
    if "{{" not in text:
        return [text]
    segments: list[Segment] = []
    end = 0
    for match in VARIABLE.finditer(text):
        how = first if first and match.start() == 0 else write
        segments += [text[end : match.start()], Hole(match["name"], _default(match, unescape), how)]
        end = match.end()
    return [*segments, text[end:]]


def _tidy(segments: list[Segment]) -> list[Segment]:
    """Join neighbouring literals and drop empty ones."""
    tidy: list[Segment] = []
    for segment in segments:
        if isinstance(segment, str) and tidy and isinstance(tidy[-1], str):
            tidy[-1] += segment
        elif segment != "":
            tidy.append(segment)
    return tidy
