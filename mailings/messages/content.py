"""What an owner writes, made fit to be sent: sanitised, checked, put into the letter, as text.

    body → sanitise → measured links → frozen html → text_from    (a run keeps both)
                                           ↘            ↘
                                            rendering.compile_content

Links may hold variables as a whole address or behind `https://host/`; the value is checked or
percent-encoded when it is filled in (`rendering.variables`). Pictures are the owner's own.
"""

import difflib
import html as html_entities
import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.utils import translation
from django.utils.html import strip_tags
from django.utils.translation import gettext as _

from accounts import site_address
from mailings.addressing import senders
from mailings.messages import foreign_html, letter, links, pictures
from mailings.models import Message
from mailings.rendering.encoding import quoted_printable
from mailings.rendering.variables import VARIABLE, variables_in
from mailings.tracking import letters
from mailings.tracking import links as tracking_links
from mailings.tracking.rule import NOTHING, Measures

if TYPE_CHECKING:
    import nh3

# More is no letter but an attack: parsing HTML takes the square of its open tags (100 000: 47 s).
MAX_SOURCE = 200_000  # characters
MAX_TAGS = 10_000
MAX_PROBLEMS = 10  # of one kind in one field; nobody reads more
MAX_HTML = 100_000  # bytes of encoded HTML; Gmail cuts letters off at about 102 kB
BUILT_IN = ("full_name", "first_name", "email", "unsubscribe_url")

# What the editor makes, and the older names of bold and italic; nothing else.
TAGS = {
    *("h2", "h3", "p", "br", "hr", "ul", "ol", "li", "blockquote"),
    *("a", "img", "b", "strong", "i", "em", "s"),
}
# Written by hand or pasted: these mean the same.
_MEANT = {"h1": "h2", "h4": "h3", "h5": "h3", "h6": "h3", "div": "p", "u": "em"}
_RENAMED = re.compile(r"(</?)(h[1456]|div|u)(?=[\s>/])", re.I)
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "width", "height"},
    "ol": {"start"},
}
_SIZE = re.compile(r"[0-9]{1,4}").fullmatch


class Problem(NamedTuple):
    """What the author should mend; `blocking` is false where the letter would still be right."""

    field: str
    message: str
    blocking: bool = True


# ------------------------------------------------------------------------------- sanitising
def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value.strip() if links.is_safe(value) else None
    if name == "src":
        return value.strip() if _is_picture(value) else None
    if name in {"width", "height", "start"}:
        return value if _SIZE(value) else None
    return value


def _is_picture(src: str) -> bool:
    """Is it from an owner's library? A stranger's picture tells them who reads, and when."""
    return pictures.name_in(src.strip()) is not None


_NO_PICTURE = re.compile(r"<img\b(?![^<>]*\bsrc=)[^<>]*>")


@cache
def _cleaner() -> "nh3.Cleaner":
    # Here, as inscriptis below: a worker at rest makes no letter (docs/decisions/0075).
    import nh3

    return nh3.Cleaner(
        tags=TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        allowed_classes={"p": {"button"}},
        clean_content_tags={"script", "style", "title", "noscript", "template"},
        link_rel=None,
        url_schemes=set(links.SCHEMES),
    )


def is_monstrous(html: str) -> bool:
    """Return whether the HTML is too long, or has too many tags, to be parsed at all."""
    return len(html) > MAX_SOURCE or html.count("<") > MAX_TAGS


def sanitise(html: str) -> str:
    """Return the HTML with nothing but what a letter may hold; a monster comes out as text."""
    if is_monstrous(html):
        return html_entities.escape(html[:MAX_SOURCE])
    html = foreign_html.tidy(html)
    html = _RENAMED.sub(lambda tag: tag[1] + _MEANT[tag[2].lower()], html)
    clean = _NO_PICTURE.sub("", _cleaner().clean(html))
    return clean.replace(' class=""', "").replace("<p></p>", "").strip()


# ------------------------------------------------------------------------------- the letter
class Frozen(NamedTuple):
    """A letter as a run keeps it, variables still in it."""

    html: str
    text: str
    links: list[letters.Link]
    measures: Measures
    """What it tells its sender: no clicks where it has no link to count."""


def frozen(message: Message, *, sender_name: str = "", measures: Measures = NOTHING) -> Frozen:
    """Return the whole letter, with what it is measured by.

    Its footer has a way to unsubscribe that the renderer leaves out for recipients without one.
    """
    body = letters.with_parameters(_absolute(sanitise(message.body)), measures.parameters)
    linked, found = letters.redirected(body) if measures.clicks else (body, [])
    measures = measures._replace(clicks=bool(found))
    html = _document(message, linked, sender_name, measures)
    return Frozen(html, _text(message, body, html), found, measures)


def frozen_html(message: Message, *, sender_name: str = "") -> str:
    """Return the whole HTML document of a mail that nothing is measured by."""
    return _document(message, _absolute(sanitise(message.body)), sender_name, NOTHING)


def _document(message: Message, body: str, sender_name: str, measures: Measures) -> str:
    language = message.owner.language
    with translation.override(language):
        return letter.document(
            subject=message.subject,
            preheader=message.preheader,
            body=body,
            sender_name=senders.name_of(sender_name, message.owner),
            accent=settings.MAIL_ACCENT,
            language=language,
            layout=message.layout,
            notice=letters.notice(opens=measures.opens, clicks=measures.clicks),
            picture=tracking_links.picture_pattern() if measures.opens else "",
        )


def _absolute(html: str) -> str:
    """Give own pictures the site's address: a mail has no place of its own."""
    return html.replace(
        f'src="{settings.MEDIA_URL}', f'src="{site_address.url()}{settings.MEDIA_URL}'
    )


# ------------------------------------------------------------------------------- plain text
_BODY = re.compile(r"<!--body-->(.*?)<!--/body-->", re.S)
_FOOTER = re.compile(r"<!--footer-->(.*?)<!--/footer-->", re.S)
_LINK = re.compile(r'<a\b(?:[^<>"]|"[^"]*")*?\bhref="([^"]*)"(?:[^<>"]|"[^"]*")*>(.*?)</a>', re.S)
_LIST_ITEM = re.compile(r"<li><p>((?:(?!</?p>).)*)</p></li>", re.S)
_PICTURE = re.compile(r'<img\b[^<>]*?alt="([^"]*)"[^<>]*>')
_AMPERSAND = re.compile(r"&(?:amp|#38|#x26);", re.I)
_AND = "\ufdd0"
"""Stands for an ampersand meanwhile: a code that is no character in any text (Unicode 23.7)."""


def frozen_text(message: Message, html: str) -> str:
    """Return the text part of the mail whose HTML is `html`: as the author wrote it, or made of
    the body; below it the letter's foot."""
    return _text(message, _absolute(sanitise(message.body)), html)


def _text(message: Message, body: str, html: str) -> str:
    footer = _FOOTER.search(html)
    written = message.text.strip().replace("\r\n", "\n")
    text = f"{written}\n" if written else text_from(body)
    return f"{text}\n-- \n{text_from(footer[1])}" if footer else text


def text_from(html: str) -> str:
    """Return HTML as plain text; of a whole letter what its author wrote, and the foot.

    The address stands behind each link, a picture is the words that describe it.
    """
    footer = _FOOTER.search(html)
    if footer:  # what is around the body would come out as an odd table
        pieces = filter(None, (text_from(piece) for piece in _BODY.findall(html)))
        return "{}\n-- \n{}".format("\n".join(pieces), text_from(footer[1]))
    html = _LIST_ITEM.sub(r"<li>\1</li>", _PICTURE.sub(r"\1", html))
    html = _LINK.sub(_link_as_text, html)
    from inscriptis import get_text

    # inscriptis decodes entities, and then what they spelt again: “&amp;region” would be “®ion”.
    html = _AMPERSAND.sub(_AND, html.replace(_AND, ""))
    lines = [line.rstrip() for line in get_text(html).replace("\xa0", " ").split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n").replace(_AND, "&")
    return f"{text}\n" if text else ""


def _link_as_text(match: re.Match[str]) -> str:
    href, label = match.groups()
    shown = strip_tags(label).strip()
    if not shown:
        return href
    address = _PLAIN_SCHEME.sub("", href)
    if html_entities.unescape(shown) in {html_entities.unescape(href), address}:
        return label
    return f"{label} ({address if '@' in address and _PLAIN_SCHEME.match(href) else href})"


_PLAIN_SCHEME = re.compile(r"(?:mailto|tel):(?=[^?&;,%]*$)", re.I)
"""What everybody leaves out before an address or a number that says nothing else."""


# ------------------------------------------------------------------------------- checking
_INVISIBLE = re.compile(
    "[\\s\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u2064\u2800\u3164\ufeff\uffa0]+"
)


def is_visible(text: str) -> bool:
    """Is there anything to read but space, in whatever disguise?"""
    return bool(_INVISIBLE.sub("", html_entities.unescape(text)))


def problems(
    subject: str, preheader: str, body: str, known_names: Iterable[str], text: str = ""
) -> list[Problem]:
    """Return what is wrong with a message; `known_names` are the owner's client attributes."""
    known = [*BUILT_IN, *known_names]
    found: list[Problem] = []
    for field, line in (("subject", subject), ("preheader", preheader), ("text", text)):
        found += islice(_leftovers(field, [line]), MAX_PROBLEMS)
        found += _unknown(field, line, known)
    if is_monstrous(body):
        return [*found, _monstrous(body)]
    clean = sanitise(body)
    found += islice(_leftovers("body", _texts_of(clean)), MAX_PROBLEMS)
    found += _unknown("body", clean, known)
    found += islice(_bad_links(body), MAX_PROBLEMS)
    if not is_visible(strip_tags(clean)) and "<img" not in clean:
        found.append(Problem("body", _("The letter is empty.")))
    return list(dict.fromkeys(found))


def _monstrous(body: str) -> Problem:
    message = _("The letter has %(size)d thousand characters. Shorten it to %(most)d thousand.")
    size = max(len(body) // 1000 + 1, MAX_SOURCE // 1000 + 1)
    return Problem("body", message % {"size": size, "most": MAX_SOURCE // 1000})


def size_of(html: str) -> int:
    """Return how many bytes a letter's HTML takes on its way, encoded."""
    return len(quoted_printable(html))


def _unknown(field: str, text: str, known: list[str]) -> list[Problem]:
    found = []
    unknown = [variable for variable in variables_in(text) if variable.name not in known]
    for variable in unknown[:MAX_PROBLEMS]:
        near = difflib.get_close_matches(variable.name, known, n=1)
        if near:
            message = _("No client has “%(name)s”. Did you mean {{ %(near)s }}?")
        else:
            message = _("No client has “%(name)s”. Known are: %(known)s.")
        values = {"name": variable.name, "near": "".join(near), "known": ", ".join(known)}
        found.append(Problem(field, message % values, blocking=not variable.default))
    return found


_LEFTOVER = re.compile(r"\{\{(?:(?!\{\{|\}\}).){0,80}(?P<end>\}\})?|\{%.{0,80}?%\}|\}\}", re.S)
_MARKUP = re.compile(r'<(?:[^<>"]|"[^"]*")*>')
_SHOWN = 60  # characters of the author's text that a message repeats


def _texts_of(clean: str) -> Iterator[str]:
    """Return what stands between the tags, and each attribute's value."""
    yield html_entities.unescape(_MARKUP.sub("\x00", clean))
    for attribute in re.finditer(r'="([^"]*\{[{%][^"]*)"', clean):
        yield html_entities.unescape(attribute[1])


def _leftovers(field: str, texts: Iterable[str]) -> Iterator[Problem]:
    """Report braces that are no variable: they would be sent as they stand."""
    for text in texts:
        for match in _LEFTOVER.finditer(VARIABLE.sub("\x00", text)):
            shown = " ".join(match[0].replace("\x00", "").split())[:_SHOWN]
            yield Problem(field, _leftover_message(shown, is_closed=bool(match["end"])))


def _leftover_message(shown: str, *, is_closed: bool) -> str:
    if shown == "}}":
        return _("There is }} without {{ before it.")
    if VARIABLE.fullmatch(shown):
        message = _("“%(text)s” has formatting inside the braces. Type it again without.")
    elif is_closed or shown.startswith("{%"):
        message = _(
            "“%(text)s” is not a variable and would be sent as it stands. "
            'Write {{ name }} or {{ name|default:"…" }}.'
        )
    else:
        message = _("“%(text)s” is not closed. Put }} behind the name.")
    return message % {"text": shown}


def _bad_links(body: str) -> Iterator[Problem]:
    """Report links and pictures that would not arrive as they are written, each with its words."""
    if "href" not in body.lower() and "<img" not in body.lower():
        return
    for found in foreign_html.parsed(body).iter("a", "img"):
        if found.tag == "img":
            address = (found.get("src") or "").strip()
            if address and not _is_picture(address):
                said = _("The picture “%(href)s” cannot be kept. Choose one from your pictures.")
                yield Problem("body", said % {"href": address[:_SHOWN]})
        elif (href := found.get("href")) is not None and (why := _link_fault(href)):
            words = " ".join(found.text_content().split())
            yield Problem("body", f"{_named_link(href.strip(), words)} {why}")


def _named_link(href: str, words: str) -> str:
    values = {"href": href[:_SHOWN], "label": words[:_SHOWN]}
    if not words:
        return _("The link “%(href)s” cannot be kept.") % values
    return _("The link “%(href)s” cannot be kept; its words are “%(label)s”.") % values


def _link_fault(href: str) -> str:
    """Return why a link would not arrive exactly as it is written; empty: it does."""
    if "{{" in VARIABLE.sub("", href):
        return ""  # said of the braces already
    found = links.read(href)
    if found.fault:
        return found.fault
    if found.href != href.strip():
        return _("Did you mean %(instead)s?") % {"instead": found.href}
    kept = _cleaner().clean(f'<a href="{html_entities.escape(found.href)}">x</a>')
    return "" if " href=" in kept else _("Its address is none that a browser would follow.")
