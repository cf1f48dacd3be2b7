"""What an owner's own statistics know a letter's links by: `utm_source=…&utm_medium=email`.

A template of name=value pairs with `{{ mailing }}` and `{{ date }}`, filled in when a run begins.
Works without tracking: the pairs stand in the link's own address.
"""

import re
from datetime import date
from urllib.parse import parse_qsl, quote, unquote_plus

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from mailings.rendering.variables import VARIABLE

Pairs = tuple[tuple[str, str], ...]

VARIABLES = ("mailing", "date")
SAMPLE = "utm_source=newsletter&utm_medium=email&utm_campaign={{ mailing }}"
MOST = 10
_NAME = re.compile(r"[A-Za-z0-9_.~-]{1,64}").fullmatch
_PAGE = re.compile(r"https?://", re.I).match


def tidied(template: str) -> str:
    """Return the template as it is kept: without the mark that it begins with in an address."""
    return template.strip().lstrip("?&").strip()


def require_sound(template: str) -> None:
    """Raise `ValidationError` unless it is name=value pairs with variables that are known."""
    for part in template.split("&") if template else ():
        name, equals, value = part.partition("=")
        if not equals or not _NAME(name):
            said = _("Write pairs with & between them, like %(sample)s.")
            raise ValidationError(said % {"sample": SAMPLE}, "pairs")
        for variable in VARIABLE.finditer(value):
            if variable["name"] not in VARIABLES:
                said = _("Here only {{ mailing }} and {{ date }} can be used, not “%(name)s”.")
                raise ValidationError(said % {"name": variable["name"]}, "variable")
        bare = VARIABLE.sub("", value)
        if re.search(r"[\s{}#]", bare) or not bare.isprintable():
            said = _("“%(value)s” has a space or a sign that no address may have.")
            raise ValidationError(said % {"value": value[:60]}, "value")
    if template.count("&") >= MOST:
        said = _("No more than %(most)d parameters.") % {"most": MOST}
        raise ValidationError(said, "many")


def filled(template: str, *, mailing: str, on: date) -> Pairs:
    """Return the pairs of a run: `on` is its day in the mailing's zone."""
    values = {"mailing": mailing, "date": on.isoformat()}

    def value_of(match: re.Match[str]) -> str:
        return quote(values.get(match["name"], ""), safe="")

    return tuple(parse_qsl(VARIABLE.sub(value_of, template), keep_blank_values=True))


def added(href: str, pairs: Pairs) -> str:
    """Return the address of a page with the pairs in its query. What it has of the same name stays;
    a fragment stays behind (RFC 3986 3). Other addresses, and those that a variable chooses, come
    back as they are."""
    if not pairs or not _PAGE(href):
        return href
    variables: list[str] = []

    def hidden(match: re.Match[str]) -> str:
        variables.append(match[0])
        return f"\ue000{len(variables) - 1}\ue001"

    masked, hash_, fragment = VARIABLE.sub(hidden, href).partition("#")
    query = masked.partition("?")[2]
    known = {unquote_plus(part.partition("=")[0]) for part in re.split("[&;]", query)}
    new = "&".join(
        f"{quote(name, safe='')}={quote(value, safe='')}"
        for name, value in pairs
        if name not in known
    )
    if not new:
        return href
    is_joined = "?" in masked and (not query or query.endswith("&"))
    join = "" if is_joined else "&" if "?" in masked else "?"
    whole = f"{masked}{join}{new}{hash_}{fragment}"
    return re.sub("\ue000(\\d+)\ue001", lambda mark: variables[int(mark[1])], whole)
