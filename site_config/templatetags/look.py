"""The few tags that every template may use: `icon`, `status`, `site_name`."""

import lucide
from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from accounts import zones
from site_config import context_processors

register = template.Library()
register.filter("zone_city", zones.city)


@register.simple_tag
def site_name() -> str:
    """Return the name of the service where no context processor runs (500, 503)."""
    return context_processors.site_name()


@register.simple_tag
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
