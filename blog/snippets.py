"""What articles are told apart by besides tags: who wrote them and what they are about.

Both have pages of their own, `/blog/author/…/` and `/blog/category/…/`, as soon as an article that
is published names them.
"""

from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import FieldPanel, TitleFieldPanel
from wagtail.admin.widgets.slug import SlugInput


class Author(models.Model):
    name = models.CharField(_("name"), max_length=120)
    slug = models.SlugField(
        _("address"),
        max_length=80,
        unique=True,
        allow_unicode=True,
        help_text=_("The last part of the address: /blog/author/…/"),
    )
    about = models.TextField(
        _("about the author"), max_length=400, blank=True, help_text=_("One to three sentences.")
    )
    photo = models.ForeignKey(
        "wagtailimages.Image",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("photo"),
    )

    panels: ClassVar[list[Any]] = [
        TitleFieldPanel("name", targets=["slug"], placeholder=False),
        FieldPanel("slug", widget=SlugInput),
        FieldPanel("about"),
        FieldPanel("photo"),
    ]

    class Meta:
        ordering: ClassVar[list[str]] = ["name"]
        verbose_name = _("author")
        verbose_name_plural = _("authors")

    def __str__(self) -> str:
        return self.name


class Category(models.Model):
    name = models.CharField(_("name"), max_length=60)
    slug = models.SlugField(
        _("address"),
        max_length=80,
        unique=True,
        allow_unicode=True,
        help_text=_("The last part of the address: /blog/category/…/"),
    )
    about = models.TextField(
        _("what it is about"),
        max_length=300,
        blank=True,
        help_text=_("Stands above its articles and in searches."),
    )
    position = models.PositiveSmallIntegerField(
        _("place"), default=0, help_text=_("Categories stand in this order; the same: by name.")
    )

    panels: ClassVar[list[Any]] = [
        TitleFieldPanel("name", targets=["slug"], placeholder=False),
        FieldPanel("slug", widget=SlugInput),
        FieldPanel("about"),
        FieldPanel("position"),
    ]

    class Meta:
        ordering: ClassVar[list[str]] = ["position", "name"]
        verbose_name = _("category")
        verbose_name_plural = _("categories")

    def __str__(self) -> str:
        return self.name
