from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "site_config"
    verbose_name = "Site"

    def ready(self) -> None:
        from site_config import checks  # noqa: F401 - registers the system checks
