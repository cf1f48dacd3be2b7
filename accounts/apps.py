from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _
from wagtail.users.apps import WagtailUsersAppConfig


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        from accounts import roles, second_factor, site_address
        from accounts.cms import zone

        roles.ensure_groups_after_migrate(self)
        second_factor.watch()
        site_address.watch()
        zone.start_in_own_zone()


class WagtailUsersConfig(WagtailUsersAppConfig):
    """Stands in INSTALLED_APPS in place of wagtail.users: our own user pages in its admin."""

    user_viewset = "accounts.viewsets.UserViewSet"
    group_viewset = "accounts.viewsets.GroupViewSet"
