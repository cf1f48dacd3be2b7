"""The ready layouts of letters: a template each, compiled once, and how a body fills it. All are
MJML but the plain letter, which most mails are: its few tables are half as large by hand.

A template is cut at its `<!--part:name-->` marks into parts, each a row of sections
that stands on its own; a layout lays out the body's blocks in them. What is laid out needs no
markup of its own: the first heading is the title, a list may be the facts, a quotation the coupon.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import takewhile
from typing import Protocol

from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from mailings.messages.blocks import HEADINGS, Block, blocks, joined
from mailings.states import Layout

Colours = dict[str, str]


HINTS = {
    Layout.LETTER: _("A sheet of paper with your name: for words that come from a person."),
    Layout.ANNOUNCEMENT: _("One piece of news. The first heading stands large on a colour."),
    Layout.DIGEST: _("Several things. Each heading begins an item; its picture stands beside it."),
    Layout.PROMOTION: _("An offer. Heading and button stand on top; a quotation is the coupon."),
    Layout.EVENT: _("An invitation. The first list becomes the facts: when, where, how much."),
}
"""What each is for, and what of the text takes a place of its own."""

_MARK = re.compile(r"<!--part:(\w+)-->")
_BARE_TABLE = re.compile(r"<table(?![^<>]* role=)")
_COLUMNS = re.compile(r"<style[^<>]*>([^<]*mj-column-per[^<]*)</style>")
_BOLD_LABEL = re.compile(r"\s*(?:<p>)?\s*<(strong|b)>(.*?)</\1>[\s:–—-]*(.*?)(?:</p>)?\s*", re.S)
_LINK_TAGS = re.compile(r"</?a\b[^<>]*>")
LEAD = 4
"""Blocks below the title among which a promotion looks for its button."""


# ---------------------------------------------------------------- templates
class Parts(dict[str, str]):
    """A compiled template: part → HTML with `%%places%%`; `styles` are its columns' widths."""

    styles = ""

    def fill(self, part: str, **values: str) -> str:
        """Return a part with its places filled; values are finished HTML."""
        return re.sub(r"%%(\w+)%%", lambda place: values.get(place[1], ""), self[part])


@cache
def _compiled(layout: str, colours: tuple[tuple[str, str], ...]) -> Parts:
    context = dict(colours)
    edge = [context["accent"], context["middle"]] * 10
    plain = layout == Layout.LETTER
    template = f"emails/layouts/{layout}.{'html' if plain else 'mjml'}"
    source = render_to_string(template, {**context, "edge": edge})
    if plain:
        return _cut(source)
    # Here: a worker at rest makes no letter (docs/decisions/0075).
    import mrml

    html = mrml.to_html(source).content
    body = html[html.index("<body") : html.rindex("</div></body>")]
    # `mj-table` is for data.
    parts = _cut(_BARE_TABLE.sub('<table role="presentation"', body))
    # The second one is for Thunderbird alone.
    parts.styles = "".join(_COLUMNS.findall(html)[:1])
    return parts


def _cut(html: str) -> Parts:
    _before, *rest = _MARK.split(html)
    return Parts(zip(rest[::2], rest[1::2], strict=True))


def compiled(layout: str, colours: Colours) -> Parts:
    return _compiled(layout, tuple(sorted(colours.items())))


# ---------------------------------------------------------------- laying out
class Dress(Protocol):
    """Gives the tags of a piece of the body their inline styles."""

    def __call__(self, html: str, *, centred: bool = False) -> str: ...


Piece = Callable[..., str]


def sheet(layout: str, body: str, sender_name: str, colours: Colours, dress: Dress) -> str:
    """Return what stands on the letter's sheet; `body` is sanitised HTML."""
    parts = compiled(layout, colours)
    title, rest = _title(blocks(body))
    name = escape(sender_name)

    def piece(some: list[Block], *, centred: bool = False) -> str:
        """Return blocks, marked as the author's own."""
        return f"<!--body-->{dress(joined(some), centred=centred)}<!--/body-->"

    return "".join(_ARRANGED[Layout(layout)](parts, name, title, rest, piece))


def _title(body: list[Block]) -> tuple[Block | None, list[Block]]:
    if body and body[0].tag in HEADINGS:
        return body[0], body[1:]
    return None, body


def _large(title: Block, *, plain: bool = False) -> str:
    words = _LINK_TAGS.sub("", title.inner) if plain else title.inner
    return f"<!--body-->{words}<!--/body-->"


def _top(parts: Parts, name: str) -> str:
    return parts["edge"] + (parts.fill("name", name=name) if name else "")


def _letter(
    parts: Parts, name: str, title: Block | None, rest: list[Block], piece: Piece
) -> Iterator[str]:
    yield _top(parts, name)
    yield parts.fill("text", body=piece([title, *rest] if title else rest))


def _announcement(
    parts: Parts, name: str, title: Block | None, rest: list[Block], piece: Piece
) -> Iterator[str]:
    words = _large(title, plain=True) if title else ""
    yield parts.fill("hero" if title else "band", name=name, title=words)
    yield parts.fill("text", body=piece(rest))


def _digest(
    parts: Parts, name: str, title: Block | None, rest: list[Block], piece: Piece
) -> Iterator[str]:
    yield _top(parts, name)
    groups = list(_items(rest))
    intro = groups.pop(0) if groups and groups[0][0].tag not in HEADINGS else []
    if title:
        yield parts.fill("title", title=_large(title))
    if intro:
        yield parts.fill("intro", body=piece(intro))
    number = 0
    for group in groups:
        yield parts["rule"]
        if group[0].tag not in HEADINGS:
            yield parts.fill("closing", body=piece(group))
            continue
        number += 1
        picture = next((block for block in group[:3] if block.is_picture), None)
        if picture:
            words = [block for block in group if block is not picture]
            yield parts.fill("pictured", picture=piece([picture]), body=piece(words))
        else:
            yield parts.fill("item", number=str(number), body=piece(group))
    yield parts["end"]


def _items(body: list[Block]) -> Iterator[list[Block]]:
    """Cut the body before each heading and at each line."""
    group: list[Block] = []
    for block in body:
        if group and (block.tag in HEADINGS or block.tag == "hr"):
            yield group
            group = []
        if block.tag != "hr":
            group.append(block)
    if group:
        yield group


def _promotion(
    parts: Parts, name: str, title: Block | None, rest: list[Block], piece: Piece
) -> Iterator[str]:
    until = next((n + 1 for n, block in enumerate(rest[:LEAD]) if block.is_button), 0)
    lead = rest[:until] or list(takewhile(lambda block: block.tag == "p", rest[:1]))
    rest = rest[len(lead) :]
    yield parts["edge"]
    yield parts.fill(
        "hero",
        name=parts.fill("name", name=name) if name else "",
        title=parts.fill("title", title=_large(title)) if title else "",
        lead=piece(lead, centred=True) if lead else "",
    )
    yield parts.fill("text", body=piece(rest)) if rest else ""


def _event(
    parts: Parts, name: str, title: Block | None, rest: list[Block], piece: Piece
) -> Iterator[str]:
    yield _top(parts, name)
    if title:
        yield parts.fill("title", title=_large(title))
    at = next((n for n, block in enumerate(rest) if block.tag in {"ul", "ol"}), None)
    if at is None:
        yield parts.fill("text", body=piece(rest))
        return
    if rest[:at]:
        yield parts.fill("intro", body=piece(rest[:at]))
    facts = [block for block in blocks(rest[at].inner) if block.tag == "li"]
    yield parts.fill("facts", rows="".join(_fact(parts, item, piece) for item in facts))
    yield parts.fill("text", body=piece(rest[at + 1 :])) if rest[at + 1 :] else parts["end"]


def _fact(parts: Parts, item: Block, piece: Piece) -> str:
    """Return a line of the facts: bold words in front are its label."""
    labelled = _BOLD_LABEL.fullmatch(item.inner)
    if not labelled or not labelled[3].strip():
        return parts.fill("note", value=piece([Block("", item.inner)]))
    value = piece([Block("", labelled[3])])
    return parts.fill("fact", label=f"<!--body-->{labelled[2]}<!--/body-->", value=value)


_ARRANGED = {
    Layout.LETTER: _letter,
    Layout.ANNOUNCEMENT: _announcement,
    Layout.DIGEST: _digest,
    Layout.PROMOTION: _promotion,
    Layout.EVENT: _event,
}
