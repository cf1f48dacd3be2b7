"""Wagtail's own “Account” page: what belongs to the admin alone.

Name, picture, language and time zone are set once, on the profile page of the site; Wagtail's
panels for them expect a first and a last name, and would keep a second language and zone.
"""

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from wagtail.admin.views.account import (
    AccountView,
    AvatarSettingsPanel,
    BaseSettingsPanel,
    LocaleSettingsPanel,
    NameEmailSettingsPanel,
)

ELSEWHERE = (NameEmailSettingsPanel, AvatarSettingsPanel, LocaleSettingsPanel)


class AdminAccountView(AccountView):
    def get_panels(self) -> list[BaseSettingsPanel]:
        return [panel for panel in super().get_panels() if not isinstance(panel, ELSEWHERE)]


def profile_menu_item(request: HttpRequest) -> dict[str, str]:
    """Return the way from the admin's account page to the profile on the site."""
    return {
        "url": reverse("accounts:profile"),
        "label": str(_("Profile")),
        "help_text": str(_("Name, picture, language, time zone, e-mail, password.")),
    }
