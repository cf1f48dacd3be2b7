"""Pages for tests: the home page, the blog, published articles, pictures."""

import itertools
from datetime import timedelta
from io import BytesIO
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.utils import timezone
from PIL import Image as PillowImage
from wagtail.images.models import Image
from wagtail.models import Collection, Locale, Page, Site

from accounts import site_address
from blog.models import BlogIndexPage, BlogPage
from home.models import HomePage

_numbers = itertools.count(1)


def make_site_root() -> BlogIndexPage:
    """Return the blog of the migrations; after a transactional test's flush, make all anew."""
    blog = BlogIndexPage.objects.first()
    if blog:
        return blog
    Locale.objects.get_or_create(language_code="ru")
    if Collection.get_first_root_node() is None:
        Collection.add_root(name="Root")
    root = Page.get_first_root_node() or Page.add_root(title="Root", slug="root")
    home = root.add_child(instance=HomePage(title="Главная", slug="home"))
    Site.objects.all().delete()
    hostname, port = site_address.parts_of(settings.SITE_URL)
    Site.objects.create(hostname=hostname, port=port, root_page=home, is_default_site=True)
    return home.add_child(instance=BlogIndexPage(title="Блог", slug="blog"))


def make_article(blog: BlogIndexPage, *, tags: tuple[str, ...] = (), **fields: Any) -> BlogPage:
    """Return a published article; each next one is a day older."""
    n = next(_numbers)
    defaults = {
        "title": f"Статья {n}",
        "slug": f"article-{n}",
        "summary": f"О чём статья {n}.",
        "first_published_at": timezone.now() - timedelta(days=n),
    }
    page = blog.add_child(instance=BlogPage(**(defaults | fields)))
    page.tags.add(*tags)
    page.save_revision().publish()
    return BlogPage.objects.get(pk=page.pk)


def make_image(colour: str = "teal", **fields: Any) -> Image:
    file = BytesIO()
    PillowImage.new("RGB", (1200, 800), colour).save(file, "PNG")
    return Image.objects.create(
        title="Рисунок", file=ContentFile(file.getvalue(), name="picture.png"), **fields
    )
