"""Sanitised HTML as a row of blocks: what stands at its top level, each with its tag."""

import re
from typing import NamedTuple

TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:[^<>\"]|\"[^\"]*\")*)>")
VOID = frozenset({"br", "hr", "img"})
HEADINGS = frozenset({"h2", "h3"})

# A paragraph of the class, or one that is a single bold link and nothing else.
BUTTON = re.compile(
    r'<p class="button">\s*<a ([^<>]*)>(?:<(?:strong|b)>)?([^<>]+)(?:</(?:strong|b)>)?</a>\s*</p>'
    r"|<p>\s*<(strong|b)>\s*<a ([^<>]*)>([^<>]+)</a>\s*</\3>\s*</p>"
    r"|<p>\s*<a ([^<>]*)>\s*<(strong|b)>([^<>]+)</\7>\s*</a>\s*</p>"
)
_ONLY_PICTURE = re.compile(r"(?:<p>\s*)?<img [^<>]*>(?:\s*</p>)?").fullmatch


class Block(NamedTuple):
    tag: str
    """Empty for bare text."""
    html: str

    @property
    def inner(self) -> str:
        """Return what stands between the block's own tags."""
        return self.html[self.html.index(">") + 1 : self.html.rindex("</")]

    @property
    def is_picture(self) -> bool:
        return bool(_ONLY_PICTURE(self.html))

    @property
    def is_button(self) -> bool:
        return bool(BUTTON.fullmatch(self.html))


def blocks(html: str) -> list[Block]:
    """Cut HTML, all of whose tags are closed, at its top level; white space between is dropped."""
    found: list[Block] = []
    depth = end = start = 0
    tag = ""
    for match in TAG.finditer(html):
        closing, name, _attributes = match.groups()
        if depth == 0 and not closing:
            found.append(Block("", html[end : match.start()]))
            start, tag = match.start(), name
        if name not in VOID:
            depth += -1 if closing else 1
        if depth == 0:
            found.append(Block(tag, html[start : match.end()]))
            end = match.end()
    found.append(Block("", html[end:]))
    return [block for block in found if block.html.strip()]


def joined(some: list[Block]) -> str:
    return "".join(block.html for block in some)
