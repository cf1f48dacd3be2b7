"""What an owner writes, made fit to be sent: sanitised, checked, put into the letter, as text.

    body → sanitise → frozen_html → text_from    (a run keeps both)
                           ↘            ↘
                            rendering.compile_content

Links and pictures may hold variables as a whole address or behind `https://host/`; the value is
checked or percent-encoded when it is filled in (`delivery.variables`).
"""

import difflib
import html as html_entities
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import nh3
from django.conf import settings
from django.utils import translation
from django.utils.html import strip_tags
from django.utils.translation import gettext as _
from inscriptis import get_text

from mailings import letter
from mailings.delivery.variables import VARIABLE, variables_in
from mailings.models import Message

# More is no letter but an attack: parsing HTML takes the square of its open tags (100 000: 47 s).
MAX_SOURCE = 200_000  # characters
MAX_TAGS = 10_000
MAX_PROBLEMS = 10  # of one kind in one field; nobody reads more
MAX_HTML = 60_000  # bytes; Gmail cuts letters at about 102 kB of encoded text
BUILT_IN = ("full_name", "first_name", "email", "unsubscribe_url")

TAGS = {
    *("h1", "h2", "h3", "h4", "p", "div", "br", "hr", "ul", "ol", "li", "blockquote", "pre"),
    *("a", "img", "b", "strong", "i", "em", "u", "s", "sub", "sup", "code"),
    *("table", "thead", "tbody", "tfoot", "tr", "th", "td", "caption"),
}
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "th": {"colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
    "ol": {"start"},
}
_ABSOLUTE = re.compile(r"https?://[^\s/?#{}\\@]+(?:[/?#].*)?", re.I | re.S).fullmatch
_SIZE = re.compile(r"[0-9]{1,4}").fullmatch
_MAILTO = re.compile(r"mailto:.*", re.I | re.S).fullmatch


class Problem(NamedTuple):
    """What the author should mend; `blocking` is false where the letter would still be right."""

    field: str
    message: str
    blocking: bool = True


# ------------------------------------------------------------------------------- sanitising
def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value.strip() if is_link(value) else None
    if name == "src":
        return value.strip() if _is_picture(value) else None
    if name in {"width", "height", "colspan", "rowspan", "start"}:
        return value if _SIZE(value) else None
    return value


def is_link(href: str) -> bool:
    """May this stand in a letter: http, https, mailto, or a variable as the whole address?"""
    href = href.strip()
    variable = VARIABLE.match(href)
    if variable:
        return variable.end() == len(href) or href[variable.end()] in "?#&/"
    return bool(_ABSOLUTE(href) or _MAILTO(href))


def _is_picture(src: str) -> bool:
    src = src.strip()
    own = (settings.MEDIA_URL, f"{settings.SITE_URL}{settings.MEDIA_URL}")
    if src.startswith(own):
        return ".." not in src
    return src.lower().startswith("https://") and is_link(src)


_NO_PICTURE = re.compile(r"<img\b(?![^<>]*\bsrc=)[^<>]*>")
_cleaner = nh3.Cleaner(
    tags=TAGS,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    clean_content_tags={"script", "style", "title", "noscript", "template"},
    link_rel=None,
    url_schemes={"http", "https", "mailto"},
)


def is_monstrous(html: str) -> bool:
    return len(html) > MAX_SOURCE or html.count("<") > MAX_TAGS


def sanitise(html: str) -> str:
    """Return the HTML with nothing but what a letter may hold; a monster comes out as text."""
    if is_monstrous(html):
        return html_entities.escape(html[:MAX_SOURCE])
    return _NO_PICTURE.sub("", _cleaner.clean(html)).strip()


# ------------------------------------------------------------------------------- the letter
def frozen_html(message: Message, *, sender_name: str = "") -> str:
    """Return the whole HTML document of the mail, variables still in it.

    Its footer has a way to unsubscribe that the renderer leaves out for recipients without one.
    """
    language = message.owner.language
    with translation.override(language):
        return letter.document(
            subject=message.subject,
            preheader=message.preheader,
            body=_absolute(sanitise(message.body)),
            sender_name=sender_name or message.owner.get_full_name(),
            accent=settings.MAIL_ACCENT,
            language=language,
        )


def _absolute(html: str) -> str:
    """Give own pictures the site's address: a mail has no place of its own."""
    return html.replace(
        f'src="{settings.MEDIA_URL}', f'src="{settings.SITE_URL}{settings.MEDIA_URL}'
    )


# ------------------------------------------------------------------------------- plain text
_FRAME = re.compile(r"<!--body-->(.*?)<!--/body-->.*<!--footer-->(.*?)<!--/footer-->", re.S)
_LINK = re.compile(r'<a\b[^<>]*?href="([^"]*)"[^<>]*>(.*?)</a>', re.S)
_PICTURE = re.compile(r'<img\b[^<>]*?alt="([^"]*)"[^<>]*>')


def text_from(html: str) -> str:
    """Return HTML, or a whole letter, as plain text.

    The address stands behind each link, a picture is the words that describe it.
    """
    frame = _FRAME.search(html)
    if frame:  # a whole letter: what is around the body would come out as an odd table
        return f"{text_from(frame[1])}\n-- \n{text_from(frame[2])}"
    html = _PICTURE.sub(r"\1", html)
    html = _LINK.sub(_link_as_text, html)
    lines = [line.rstrip() for line in get_text(html).replace("\xa0", " ").split("\n")]
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    return f"{text}\n" if text else ""


def _link_as_text(match: re.Match[str]) -> str:
    href, label = match.groups()
    shown = strip_tags(label).strip()
    if not shown:
        return href
    if html_entities.unescape(shown) == html_entities.unescape(href).removeprefix("mailto:"):
        return label
    return f"{label} ({href.removeprefix('mailto:')})"


# ------------------------------------------------------------------------------- checking
def problems(subject: str, preheader: str, body: str, known_names: Iterable[str]) -> list[Problem]:
    """Return what is wrong with a message; `known_names` are the owner's client attributes."""
    known = [*BUILT_IN, *known_names]
    found: list[Problem] = []
    for field, text in (("subject", subject), ("preheader", preheader)):
        found += islice(_leftovers(field, [text]), MAX_PROBLEMS)
        found += _unknown(field, text, known)
    if is_monstrous(body):
        return [*found, _too_long(len(body.encode("utf-8", "replace")))]
    clean = sanitise(body)
    found += islice(_leftovers("body", _texts_of(clean)), MAX_PROBLEMS)
    found += _unknown("body", clean, known)
    found += islice(_bad_links(body), MAX_PROBLEMS)
    if not text_from(clean).strip() and "<img" not in clean:
        found.append(Problem("body", _("The letter is empty.")))
    size = len(letter.dress(clean, letter.palette(settings.MAIL_ACCENT)).encode())
    if size > MAX_HTML:
        found.append(_too_long(size))
    return list(dict.fromkeys(found))


def _too_long(size: int) -> Problem:
    message = _(
        "The letter takes %(size)d kB, and mail programs cut long letters off. "
        "Shorten it to %(most)d kB."
    )
    return Problem("body", message % {"size": size // 1000 + 1, "most": MAX_HTML // 1000})


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
    yield _MARKUP.sub("\x00", clean)
    for attribute in re.finditer(r'="([^"]*\{[{%][^"]*)"', clean):
        yield html_entities.unescape(attribute[1])


def _leftovers(field: str, texts: Iterable[str]) -> Iterator[Problem]:
    """Report braces that are no variable: they would be sent as they stand."""
    for text in texts:
        for match in _LEFTOVER.finditer(VARIABLE.sub("\x00", html_entities.unescape(text))):
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
    """Report what sanitising would take away without a word."""
    for match in re.finditer(r"<(a|img)\b[^<>]*?\b(?:href|src)=([\"'])(.*?)\2", body, re.S):
        tag, address = match[1], html_entities.unescape(match[3]).strip()
        if tag == "a" and not is_link(address):
            message = _(
                "The link “%(href)s” cannot be kept. Begin it with https:// or mailto:; "
                "a variable may be the whole address or stand behind https://site/."
            )
        elif tag == "img" and not _is_picture(address):
            message = _("The picture “%(href)s” cannot be kept. Begin its address with https://.")
        else:
            continue
        yield Problem("body", message % {"href": address[:_SHOWN]})
