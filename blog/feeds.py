"""The blog as RSS and as Atom (RFC 4287)."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib.syndication.views import Feed
from django.http import HttpRequest
from django.utils.feedgenerator import Atom1Feed, Rss201rev2Feed, SyndicationFeed

if TYPE_CHECKING:
    from datetime import datetime

    from blog.models import BlogIndexPage, BlogPage

ITEMS = 20


class ArticleFeed(Feed):
    feed_type: type[SyndicationFeed] = Rss201rev2Feed
    route = "feed"

    def __init__(self, index: "BlogIndexPage", request: HttpRequest) -> None:
        self.index = index
        self.request = request  # on it Wagtail remembers where sites begin: no query an article
        self.title = index.shown_heading
        self.link = index.full_url
        self.feed_url = index.full_url + index.reverse_subpage(self.route)
        self.description = self.subtitle = index.shown_lede

    def items(self) -> Iterable["BlogPage"]:
        return self.index.articles().select_related("writer").prefetch_related("tags")[:ITEMS]

    def item_title(self, item: Any) -> str:
        return str(item.title)

    def item_description(self, item: Any) -> str:
        return str(item.summary)

    def item_link(self, item: "BlogPage") -> str:
        return str(item.get_full_url(self.request))

    def item_pubdate(self, item: "BlogPage") -> "datetime | None":
        return item.first_published_at

    def item_updateddate(self, item: "BlogPage") -> "datetime | None":
        return item.last_published_at

    def item_author_name(self, item: "BlogPage") -> str:
        return item.byline

    def item_categories(self, item: "BlogPage") -> list[str]:
        return [tag.name for tag in item.tags.all()]


class AtomFeed(ArticleFeed):
    feed_type = Atom1Feed
    route = "atom"
