"""The blog as RSS."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.syndication.views import Feed
from django.utils.feedgenerator import Rss201rev2Feed

if TYPE_CHECKING:
    from datetime import datetime

    from blog.models import BlogIndexPage, BlogPage

ITEMS = 20


class ArticleFeed(Feed):
    feed_type = Rss201rev2Feed

    def __init__(self, index: "BlogIndexPage") -> None:
        self.index = index
        self.title = index.shown_heading
        self.link = index.full_url
        self.feed_url = index.full_url + index.reverse_subpage("feed")
        self.description = index.shown_lede

    def items(self) -> Iterable["BlogPage"]:
        return self.index.articles().prefetch_related("tags")[:ITEMS]

    def item_title(self, item: Any) -> str:
        return str(item.title)

    def item_description(self, item: Any) -> str:
        return str(item.summary)

    def item_link(self, item: "BlogPage") -> str:
        return str(item.full_url)

    def item_pubdate(self, item: "BlogPage") -> "datetime | None":
        return item.first_published_at

    def item_updateddate(self, item: "BlogPage") -> "datetime | None":
        return item.last_published_at

    def item_author_name(self, item: "BlogPage") -> str:
        return str(item.author)

    def item_categories(self, item: "BlogPage") -> list[str]:
        return [tag.name for tag in item.tags.all()]
