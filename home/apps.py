from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class HomeConfig(AppConfig):
    name = "home"
    verbose_name = _("Home")

    def ready(self) -> None:
        from wagtail.signals import page_published, page_slug_changed, page_unpublished

        from blog.models import BlogPage
        from home import site_seed, summary
        from mailings.models import Client, Mailing
        from mailings.signals import figures_changed

        site_seed.seed_after_migrate(self)
        for model in (Client, Mailing):
            for signal in (post_save, post_delete):
                signal.connect(summary.forget_figures, sender=model, dispatch_uid="home.summary")
        figures_changed.connect(summary.forget_figures, dispatch_uid="home.summary")
        for signal in (page_published, page_unpublished, page_slug_changed, post_delete):
            signal.connect(summary.forget_articles, sender=BlogPage, dispatch_uid="home.summary")
