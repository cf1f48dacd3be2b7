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


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    name = site_name()
    return {
        "site_name": name,
        "service_name": name,  # Wagtail's dashboard calls its host name `site_name`
        "theme": theme if theme in THEMES else "auto",
        "LANGUAGES": settings.LANGUAGES,
    }
