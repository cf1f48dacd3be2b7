"""A browser's own description of itself, made short for people: “Firefox 140, Linux”."""

import re

from django import template

register = template.Library()

# Each claims to be those after it as well, so the order decides.
BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/(\d+)"),
    ("Opera", r"OPR/(\d+)"),
    ("Яндекс Браузер", r"YaBrowser/(\d+)"),
    ("Samsung Internet", r"SamsungBrowser/(\d+)"),
    ("Firefox", r"(?:Firefox|FxiOS)/(\d+)"),
    ("Chrome", r"(?:Headless)?(?:Chrome|CriOS)/(\d+)"),
    ("Safari", r"Version/(\d+)[\d.]* (?:Mobile/\w+ )?Safari/"),
)
SYSTEMS = (
    ("Android", r"Android"),
    ("iPad", r"iPad"),
    ("iPhone", r"iPhone"),
    ("Windows", r"Windows"),
    ("macOS", r"Mac OS X|Macintosh"),
    ("ChromeOS", r"CrOS"),
    ("Linux", r"Linux|X11"),
)


@register.filter
def browser(user_agent: str) -> str:
    """Return browser and system; what is not known is shown as it came, cut short."""
    names = [
        f"{name} {found[1]}"
        for name, pattern in BROWSERS
        if (found := re.search(pattern, user_agent))
    ][:1]
    names += [name for name, pattern in SYSTEMS if re.search(pattern, user_agent)][:1]
    return ", ".join(names) or user_agent[:60] or "–"
