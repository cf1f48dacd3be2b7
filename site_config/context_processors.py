"""What every template knows: the site's name, the chosen theme, the languages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"


def site_name() -> str:
    """Return the name of the service: the operator's, or ours in the reader's language."""
    return settings.SITE_NAME or _("Vestnik")


def theme_of(request: HttpRequest) -> str:
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return theme if theme in THEMES else "auto"


def site(request: HttpRequest) -> dict[str, Any]:
    name = site_name()
    return {
        "site_name": name,
        "service_name": name,  # Wagtail's dashboard calls its host name `site_name`
        "theme": theme_of(request),
        "LANGUAGES": settings.LANGUAGES,
    }
