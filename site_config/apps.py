from typing import Any

from django.apps import AppConfig, apps
from django.core.management import call_command
from django.db.models.signals import post_migrate


class SiteConfig(AppConfig):
    name = "site_config"
    verbose_name = "Site"

    def ready(self) -> None:
        from site_config import checks, page_cache  # noqa: F401 - checks register themselves

        page_cache.watch()
        # The signal comes only for apps with models, and this one has none.
        sender = apps.get_app_config("accounts")
        post_migrate.connect(make_cache_table, sender=sender, dispatch_uid="site_config.cache")


def make_cache_table(using: str, **kwargs: Any) -> None:
    """Signal receiver: a migrated database has the cache's table too, where the cache is one."""
    call_command("createcachetable", database=using, verbosity=0)
