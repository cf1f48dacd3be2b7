"""What every template knows: the site's name, the chosen theme, the languages."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.translation import gettext as _

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "theme"


def site(request: HttpRequest) -> dict[str, Any]:
    theme = request.COOKIES.get(THEME_COOKIE, "auto")
    return {
        "site_name": settings.SITE_NAME or _("Vestnik"),
        "theme": theme if theme in THEMES else "auto",
        "LANGUAGES": settings.LANGUAGES,
    }
