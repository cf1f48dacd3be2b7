"""The articles of the demo: articles/*.toml, each with a drawing and the readers it has had."""

import re
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from django.core.files.base import ContentFile
from django.utils import timezone
from wagtail.images.models import Image

from blog.counters import ArticleViews
from blog.models import BlogIndexPage, BlogPage
from blog.snippets import Author, Category
from home.demo.drawings import draw

FOLDER = Path(__file__).parent / "articles"
MORNING = timedelta(hours=9)
FIRST_READERS, READERS_A_DAY = 46, 7
_SHORT_WORD = re.compile(r"(?<![\w<&/-])([A-Za-zА-Яа-яЁё]{1,2}) (?=\S)")


class About(NamedTuple):
    slug: str
    about: str


AUTHORS = {
    "Анна Ветрова": About("anna-vetrova", "Двенадцать лет пишет письма для магазинов и школ."),
    "Илья Марков": About("ilya-markov", "Держит почтовые серверы и читает их ответы вслух."),
}
CATEGORIES = {
    "Письма": About("letters", "Как написать письмо, которое откроют и дочитают."),
    "Клиенты и закон": About("clients", "Кому писать можно, кому не нужно и как это доказать."),
    "Доставка": About("delivery", "Что происходит с письмом после кнопки «Отправить»."),
}
"""In the order in which they stand in the blog."""


def load_articles() -> None:
    blog = BlogIndexPage.objects.get()
    for file in sorted(FOLDER.glob("*.toml")):
        if not BlogPage.objects.child_of(blog).filter(slug=file.stem).exists():
            _make(blog, file.stem, tomllib.loads(file.read_text()))


def _make(blog: BlogIndexPage, slug: str, article: dict[str, Any]) -> None:
    published_at = _morning(article["days_ago"])
    page = BlogPage(
        slug=slug,
        title=tied(article["title"]),
        summary=tied(article["summary"]),
        writer=_author(article["author"]),
        category=_category(article["category"]),
        image=_picture(slug, article),
        image_alt=article["image_alt"],
        image_caption=tied(article["image_caption"]),
        body=[_block(part) for part in article["body"]],
        first_published_at=published_at,
    )
    blog.add_child(instance=page)
    page.tags.add(*article["tags"])
    page.save_revision().publish()
    readers = FIRST_READERS + READERS_A_DAY * article["days_ago"]
    ArticleViews.objects.create(page=page, count=readers)


def _author(name: str) -> Author:
    author, _ = Author.objects.get_or_create(
        slug=AUTHORS[name].slug, defaults={"name": name, "about": tied(AUTHORS[name].about)}
    )
    return author


def _category(name: str) -> Category:
    about = CATEGORIES[name]
    position = list(CATEGORIES).index(name)
    category, _ = Category.objects.get_or_create(
        slug=about.slug, defaults={"name": name, "about": tied(about.about), "position": position}
    )
    return category


def _morning(days_ago: int) -> datetime:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight - timedelta(days=days_ago) + MORNING


def _picture(slug: str, article: dict[str, Any]) -> Image:
    name = article["drawing"]
    title = f"{article['title']} ({name})"
    found = Image.objects.filter(title=title).first()
    return found or Image.objects.create(
        title=title,
        description=article["image_alt"],
        file=ContentFile(draw(name), name=f"{slug}.png"),
    )


def _block(part: dict[str, Any]) -> tuple[str, Any]:
    """Return a block of the body; a part of the file has one key, the block's type."""
    ((kind, value),) = part.items()
    if kind == "table":
        return kind, {
            "columns": [{"type": "text", "heading": heading} for heading in value["columns"]],
            "rows": [{"values": [f"<p>{tied(cell)}</p>" for cell in row]} for row in value["rows"]],
            "caption": "",
        }
    if kind == "code":
        return kind, value
    if isinstance(value, dict):
        return kind, {name: tied(text) for name, text in value.items()}
    return kind, tied(value)


def tied(text: str) -> str:
    """Tie one- and two-letter words to the next by a no-break space, as the look asks."""
    return _SHORT_WORD.sub("\\1\u00a0", text)
