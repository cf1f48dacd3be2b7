"""The few tags that every template may use: `icon`, `status`, `site_name`, `linked_data`."""

from functools import lru_cache
from typing import Any

import lucide
from django import template
from django.conf import settings
from django.db import DatabaseError
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from accounts import zones
from blog import memo, structured_data, suggestions
from site_config import context_processors
from site_config.views import PRIVATE_PATHS

register = template.Library()
register.filter("zone_city", zones.city)


@register.simple_tag
def site_name() -> str:
    """Return the name of the service where no context processor runs (500, 503)."""
    return context_processors.site_name()


@register.simple_tag(takes_context=True)
def near_articles(context: template.Context) -> list[suggestions.Suggestion]:
    """Return what may have been meant by an address that does not exist; nothing is no fault."""
    request = context["request"]
    if request.path.startswith(PRIVATE_PATHS):  # whoever has lost a row of theirs wants no article
        return []
    try:
        return suggestions.near(request)
    except DatabaseError:
        return []


@register.simple_tag(takes_context=True)
def linked_data(context: template.Context, page: Any) -> SafeString:
    """Return what search engines are told of a page; a block of data that no browser runs."""
    told = page.linked_data(
        context["site_name"], context["canonical"], context.get("preview") or ""
    )
    return structured_data.script(*told)


@register.simple_tag
@lru_cache(maxsize=1024)
def icon(name: str, extra: str = "", label: str = "") -> SafeString:
    """Return a lucide icon as inline SVG: decorative unless it has a `label`."""
    classes = f"v-i {extra}".strip()
    attributes: dict[str, str] = {"class": classes}
    if label:
        attributes |= {"role": "img", "aria_label": label}
    else:
        attributes |= {"aria_hidden": "true"}
    return mark_safe(lucide._render_icon(name, None, **attributes))  # noqa: S308 - from the library's own files


@register.simple_tag
def status(value: object, boxed: bool = False) -> SafeString:
    """Return a status as shape + colour + word; `value` offers `.icon`, `.tone`, `.label`."""
    return format_html(
        '<span class="v-status {}{}">{}{}</span>',
        getattr(value, "tone", ""),
        " is-boxed" if boxed else "",
        icon(getattr(value, "icon", "circle")),
        getattr(value, "label", value),
    )


class KeptNode(template.Node):
    def __init__(self, nodes: template.NodeList, name: str, values: list[Any]) -> None:
        self.nodes, self.name, self.values = nodes, name, values

    def render(self, context: template.Context) -> SafeString:
        generation, *values = (value.resolve(context) for value in self.values)
        user = getattr(context.get("request"), "user", None)
        if user is None or user.is_authenticated or not settings.PAGE_CACHE:
            return self.nodes.render(context)
        shown = (self.name, get_language(), context.get("theme"), *values)
        return memo.kept(generation, shown, lambda: self.nodes.render(context))


@register.tag
def kept(parser: template.base.Parser, token: template.base.Token) -> KeptNode:
    """`{% kept "name" generation value … %} … {% endkept %}`: a piece of a page as all strangers
    see it, kept by `blog.memo`. Language and theme are looked to; whatever else makes the piece
    differ stands among the values. No token and no message may stand in it."""
    _tag, name, *values = token.split_contents()
    nodes = parser.parse(("endkept",))
    parser.delete_first_token()
    return KeptNode(nodes, name, [parser.compile_filter(value) for value in values])
