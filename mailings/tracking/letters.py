"""A letter's links, rewritten when a run begins: with parameters, and through our address.

What an owner wrote, sanitised, is read: every attribute is in double quotes. Only pages are
followed through us. Left as they are: mailboxes, phones and chats; links with variables, whose
target is another one for each recipient; addresses that recipients have for themselves; what no
`Location` may hold (RFC 9110 10.2.2) or is longer than a row of links takes. The plain text keeps
its links as they were written: there a reader sees them.
"""

import re
from collections.abc import Mapping
from html import escape, unescape
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from django.utils.encoding import iri_to_uri
from django.utils.html import strip_tags
from django.utils.translation import gettext as _

from mailings.addressing import domains
from mailings.models.tracking import LABEL_LENGTH, URL_LENGTH
from mailings.tracking import links, parameters

MOST = 500  # links of a letter; those behind stay as they are

_LINK = re.compile(
    r'(<a\b(?:[^<>"]|"[^"]*")*?\bhref=")([^"]*)("(?:[^<>"]|"[^"]*")*>)(.*?)(?=</a>)', re.S
)
_OURS = re.compile(
    rf'(<a\b(?:[^<>"]|"[^"]*")*?\bhref=")[^"]*{re.escape(links.CLICK_PATH + links.HOLE)}/(\d+)(?=")'
)
_PICTURE = re.compile(r'<img\b[^<>]*?alt="([^"]*)"[^<>]*>')
_CONTROL = re.compile(r"[\x00-\x20\x7f-\xa0\\]")


class Link(NamedTuple):
    """A link of a letter that is followed through us; `label` is what its reader sees of it."""

    position: int
    url: str
    label: str


def notice(*, opens: bool, clicks: bool) -> str:
    """Return what a letter's foot says of what it tells its sender; empty: it tells nothing."""
    if opens and clicks:
        return _("Its sender learns whether it was opened and which links were followed.")
    if opens:
        return _("Its sender learns whether it was opened.")
    return _("Its sender learns which of its links were followed.") if clicks else ""


def with_parameters(body: str, pairs: parameters.Pairs) -> str:
    """Return sanitised HTML whose links to pages carry the pairs."""
    if not pairs:
        return body

    def changed(match: re.Match[str]) -> str:
        href = unescape(match[2])
        new = href if links.is_own(href) else parameters.added(href, pairs)
        return match[0] if new == href else f"{match[1]}{escape(new)}{match[3]}{match[4]}"

    return _LINK.sub(changed, body)


def redirected(body: str) -> tuple[str, list[Link]]:
    """Return sanitised HTML whose links lead through us, and where they lead from there. Links to
    the same page are one link."""
    found: dict[str, Link] = {}

    def changed(match: re.Match[str]) -> str:
        url = target_of(unescape(match[2]))
        if not url or (url not in found and len(found) >= MOST):
            return match[0]
        link = found.setdefault(url, Link(len(found) + 1, url, _label(match[4])))
        return f"{match[1]}{links.link_pattern(link.position)}{match[3]}{match[4]}"

    return _LINK.sub(changed, body), list(found.values())


def led_on(html: str, targets: Mapping[int, str]) -> str:
    """Return a run's frozen letter whose links lead where they do in the end, for whoever judges
    it: `targets` by position."""

    def changed(match: re.Match[str]) -> str:
        return f"{match[1]}{escape(targets.get(int(match[2]), ''))}"

    return _OURS.sub(changed, html)


def target_of(href: str) -> str:
    """Return the page in ASCII, as a `Location` has it; empty for what is left as it is."""
    if "{{" in href or _CONTROL.search(href) or links.is_own(href):
        return ""
    try:
        parts = urlsplit(href)
        host = domains.to_ascii(parts.hostname or "")
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:  # also of names: UnicodeError is one
        return ""
    if parts.scheme.lower() not in {"http", "https"} or not host or "@" in parts.netloc:
        return ""
    host = f"[{host}]" if ":" in host else host
    url = str(iri_to_uri(urlunsplit(parts._replace(netloc=f"{host}{port}"))))
    return url if len(url) <= URL_LENGTH else ""


def _label(html: str) -> str:
    words = unescape(strip_tags(_PICTURE.sub(r"\1", html)))
    return " ".join(words.split())[:LABEL_LENGTH]
