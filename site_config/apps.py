from django.apps import AppConfig


class SiteConfig(AppConfig):
    name = "site_config"
    verbose_name = "Site"
