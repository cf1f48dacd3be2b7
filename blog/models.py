"""The blog: an index page and its articles. How often one was read: `blog.counters`."""

import re
from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, ClassVar, NamedTuple

from django.conf import settings
from django.core.paginator import InvalidPage, Page, Paginator
from django.db import models
from django.db.models import Count, IntegerField, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.html import strip_tags
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from modelcluster.contrib.taggit import ClusterTaggableManager
from modelcluster.fields import ParentalKey
from taggit.models import Tag, TaggedItemBase
from wagtail.admin.panels import FieldPanel, HelpPanel, MultiFieldPanel
from wagtail.blocks import StreamValue
from wagtail.contrib.routable_page.models import RoutablePageMixin, path
from wagtail.fields import StreamField
from wagtail.models import Page as WagtailPage
from wagtail.models import PageManager
from wagtail.query import PageQuerySet
from wagtail.search import index

from accounts import site_address
from blog import counters, memo, structured_data
from blog.blocks import BodyBlock
from blog.cards import Card, cards, picture_of, preview_of
from blog.counters import ArticleViews
from blog.feeds import ArticleFeed, AtomFeed
from blog.languages import content_language
from blog.seo import PublicPageMixin
from blog.snippets import Author, Category

_WORD = re.compile(r"\w[\w.@-]*")

PER_PAGE = 9
LONGEST_QUERY = 100  # letters of a search
WORDS_PER_MINUTE = 160  # a calm reader of Russian
READ_NEXT = 3
MOST_READ = 5
ARTICLE_SIZES = "(min-width: 48rem) 42rem, 92vw"


class Part(NamedTuple):
    """A block of an article; a heading has the anchor that the contents point to."""

    block: Any
    anchor: str


class ArticleQuerySet(PageQuerySet):
    def with_views(self) -> "ArticleQuerySet":
        """Annotate `views`, also of articles nobody has read."""
        counted = ArticleViews.objects.filter(page_id=OuterRef("pk")).values("count")
        zero = Value(0, output_field=IntegerField())
        return self.annotate(views=Coalesce(Subquery(counted), zero, output_field=IntegerField()))

    def newest_first(self) -> "ArticleQuerySet":
        return self.order_by("-first_published_at", "-pk")


ArticleManager = PageManager.from_queryset(ArticleQuerySet)


class BlogIndexPage(PublicPageMixin, RoutablePageMixin, WagtailPage):
    heading = models.CharField(
        gettext_lazy("heading"),
        max_length=80,
        blank=True,
        help_text=gettext_lazy("Empty: “Blog” in the reader's language."),
    )
    lede = models.TextField(gettext_lazy("lede"), max_length=300, blank=True)

    content_panels: ClassVar[list[Any]] = [*WagtailPage.content_panels, "heading", "lede"]
    is_paged = True
    max_count = 1
    parent_page_types: ClassVar[list[str]] = ["home.HomePage"]
    subpage_types: ClassVar[list[str]] = ["blog.BlogPage"]

    class Meta:
        verbose_name = gettext_lazy("blog")

    @property
    def shown_heading(self) -> str:
        return self.heading or _("Blog")

    @property
    def shown_lede(self) -> str:
        return self.lede or _("Short articles on mailings that people are glad to get.")

    def articles(self) -> ArticleQuerySet:
        return self._articles.all()

    @cached_property
    def _articles(self) -> ArticleQuerySet:
        # `public` asks the database which pages are not, each time: once a request is enough.
        return BlogPage.objects.child_of(self).live().public().newest_first()

    @path("")
    def show_all(self, request: HttpRequest) -> HttpResponse:
        query = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST_QUERY]

        def find() -> Any:
            articles = self.articles().with_views()
            return _search(articles, query) if query else articles

        return self._show(request, find, query=query)

    @path("tag/<str:slug>/", name="tag")
    def show_tag(self, request: HttpRequest, slug: str) -> HttpResponse:
        tag = self.tags().filter(slug=slug).first()
        if tag is None:
            raise Http404

        def find() -> Any:
            return self.articles().with_views().filter(tags=tag)

        return self._show(request, find, tag=tag)

    @path("category/<str:slug>/", name="category")
    def show_category(self, request: HttpRequest, slug: str) -> HttpResponse:
        category = self.categories().filter(slug=slug).first()
        if category is None:
            raise Http404

        def find() -> Any:
            return self.articles().with_views().filter(category=category)

        return self._show(request, find, category=category)

    @path("author/<str:slug>/", name="author")
    def show_author(self, request: HttpRequest, slug: str) -> HttpResponse:
        articles = self.articles()
        author = Author.objects.filter(
            slug=slug, pk__in=articles.order_by().values("writer")
        ).first()
        if author is None:
            raise Http404

        def find() -> Any:
            return articles.with_views().filter(writer=author)

        return self._show(request, find, author=author)

    @path("feed/", name="feed")
    def feed(self, request: HttpRequest) -> HttpResponse:
        return ArticleFeed(self, request)(request)

    @path("feed/atom/", name="atom")
    def atom(self, request: HttpRequest) -> HttpResponse:
        return AtomFeed(self, request)(request)

    def categories(self) -> models.QuerySet[Category]:
        """Return those that a published article names."""
        used = self.articles().order_by().values("category")
        return Category.objects.filter(pk__in=used)

    def most_read(self) -> ArticleQuerySet:
        return (
            self.articles().with_views().filter(views__gt=0).order_by("-views", "-pk")[:MOST_READ]
        )

    def author_address(self, author: Author) -> str:
        return f"{self.full_url}{self.reverse_subpage('author', kwargs={'slug': author.slug})}"

    def tags(self) -> models.QuerySet[Tag]:
        """Return the tags of published articles, the most used first."""
        uses = ArticleTag.objects.filter(content_object__in=self.articles().order_by())
        counted = Count("blog_articletag_items", distinct=True)
        return (
            Tag.objects.filter(pk__in=uses.values("tag"))
            .annotate(uses=counted)
            .order_by("-uses", "name")
        )

    def _show(
        self,
        request: HttpRequest,
        find: Callable[[], Any],
        *,
        query: str = "",
        tag: Tag | None = None,
        category: Category | None = None,
        author: Author | None = None,
    ) -> TemplateResponse:
        """Show a page of all articles, or of those that a search, a tag … leaves."""
        number = request.GET.get("page", "1")
        about = tag or category or author
        is_whole = not (about or query)

        def make() -> dict[str, Any]:
            page = _page(find(), number)
            return {
                "cards": cards(page.object_list, request),
                "pager": page,
                "tags": list(self.tags()[:12]),
                "categories": list(self.categories()),
                "most_read": list(self.most_read()) if is_whole and page.has_other_pages() else [],
            }

        # A search is made for one reader.
        generation = None if query else memo.generation_of(request)
        key = ("list", request.get_host(), self.pk, type(about), about and about.pk, number)
        return self.render(
            request,
            context_overrides={
                "section": "blog",
                "canonical": f"{site_address.url()}{request.path}",
                "generation": generation,
                "query": query,
                "tag": tag,
                "category": category,
                "author": author,
                "about": about,
                "heading": about.name if about else self.shown_heading,
                **memo.kept(generation, key, make),
            },
        )


def _search(articles: ArticleQuerySet, query: str) -> Any:
    """Find whole words; when none fits, titles with words that begin so («спис» → «список»)."""
    # Nothing but words: SQLite's search fails on a quotation mark, PostgreSQL's on a NUL.
    words = " ".join(_WORD.findall(query))
    if not words:
        return articles.none()
    found = articles.search(words)
    return found if found.count() else articles.autocomplete(words)


def _page(found: Any, number: str) -> Page[Any]:
    try:
        return Paginator(found, PER_PAGE).page(number)
    except InvalidPage as error:
        raise Http404 from error


class ArticleTag(TaggedItemBase):
    content_object = ParentalKey(
        "blog.BlogPage", on_delete=models.CASCADE, related_name="tagged_items"
    )


class BlogPage(PublicPageMixin, WagtailPage):
    """An article. Its date is the day it was first published."""

    summary = models.TextField(
        gettext_lazy("summary"),
        max_length=300,
        help_text=gettext_lazy("One or two sentences: under the title, in lists and in searches."),
    )
    writer = models.ForeignKey(
        Author,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=gettext_lazy("author"),
    )
    author = models.CharField(
        gettext_lazy("author’s name"),
        max_length=120,
        blank=True,
        help_text=gettext_lazy("For somebody who has no page here."),
    )
    category = models.ForeignKey(
        Category,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=gettext_lazy("category"),
    )
    image = models.ForeignKey(
        "wagtailimages.Image",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=gettext_lazy("picture"),
    )
    image_alt = models.CharField(
        gettext_lazy("what the picture shows"),
        max_length=200,
        blank=True,
        help_text=gettext_lazy("For those who cannot see it."),
    )
    image_caption = models.CharField(gettext_lazy("caption"), max_length=200, blank=True)
    body = StreamField(BodyBlock(), blank=True, verbose_name=gettext_lazy("text"))
    tags = ClusterTaggableManager(through=ArticleTag, blank=True, verbose_name=gettext_lazy("tags"))

    objects = ArticleManager()

    content_panels: ClassVar[list[Any]] = [
        *WagtailPage.content_panels,
        FieldPanel("summary"),
        MultiFieldPanel(["writer", "author"], gettext_lazy("Author")),
        FieldPanel("category"),
        MultiFieldPanel(["image", "image_alt", "image_caption"], gettext_lazy("Picture")),
        FieldPanel("body"),
        FieldPanel("tags"),
        HelpPanel(template="blog/cms/views.html", heading=gettext_lazy("Views")),
    ]
    search_fields: ClassVar[list[Any]] = [
        *WagtailPage.search_fields,
        index.SearchField("summary", boost=2),
        index.SearchField("author"),
        index.RelatedFields("writer", [index.SearchField("name")]),
        index.RelatedFields("category", [index.SearchField("name")]),
        index.SearchField("body"),
        index.RelatedFields("tags", [index.SearchField("name")]),
    ]
    views_model = "blog.ArticleViews"
    parent_page_types: ClassVar[list[str]] = ["blog.BlogIndexPage"]
    subpage_types: ClassVar[list[str]] = []

    class Meta:
        verbose_name = gettext_lazy("article")
        verbose_name_plural = gettext_lazy("articles")

    def get_context(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        # A preview shows what is not published yet.
        is_preview = getattr(request, "is_preview", False)
        generation = None if is_preview else memo.generation_of(request)
        key = ("article", request.get_host(), self.pk)
        return super().get_context(request, *args, **kwargs) | {
            "section": "blog",
            "generation": generation,
            "foreign": content_language(),
            **memo.kept(generation, key, lambda: self._surroundings(request)),
        }

    def _surroundings(self, request: HttpRequest) -> dict[str, Any]:
        """Return what stands on the page of the article beside its own text."""
        return {
            "canonical": self.get_full_url(request),
            "preview": preview_of(self.image),
            "blog": self.get_parent().specific,
            "tag_list": sorted(self.tags.all(), key=attrgetter("name")),
            "picture": picture_of(self.image, alt=self.image_alt, sizes=ARTICLE_SIZES),
            "read_next": self.read_next(request),
            "newer": self._neighbour(newer=True),
            "older": self._neighbour(newer=False),
        }

    def linked_data(
        self, site_name: str, canonical: str, preview: str
    ) -> list[structured_data.Data]:
        """Return what search engines are told of the article and of the way to it."""
        blog = self.get_parent().specific
        author = None
        if self.byline:
            address = blog.author_address(self.writer) if self.writer else ""
            author = structured_data.person(self.byline, address)
        return [
            structured_data.article(
                title=self.title,
                summary=self.search_description or self.summary,
                address=canonical,
                language=settings.LANGUAGE_CODE,
                picture=preview,
                published=self.first_published_at,
                changed=self.last_published_at,
                author=author,
                publisher=site_name,
                words=len(_words(self.body)),
                topics=sorted(tag.name for tag in self.tags.all()),
            ),
            structured_data.crumbs(
                (site_name, f"{site_address.url()}/"),
                (blog.shown_heading, blog.full_url),
                (self.title, canonical),
            ),
        ]

    @property
    def views_by_day(self) -> list[counters.Day]:
        """The last thirty days, for the editor."""
        return counters.by_day(self.pk)

    @property
    def byline(self) -> str:
        """Who wrote it, as readers see it; "" if nobody is named."""
        return self.writer.name if self.writer else self.author

    @cached_property
    def _others(self) -> ArticleQuerySet:
        return BlogPage.objects.sibling_of(self, inclusive=False).live().public()

    def _neighbour(self, *, newer: bool) -> "BlogPage | None":
        """Return the article published just after this one, or just before."""
        if self.first_published_at is None:
            return None
        at, pk = self.first_published_at, self.pk
        others = self._others
        if newer:
            later = models.Q(first_published_at__gt=at) | models.Q(first_published_at=at, pk__gt=pk)
            return others.filter(later).order_by("first_published_at", "pk").first()
        earlier = models.Q(first_published_at__lt=at) | models.Q(first_published_at=at, pk__lt=pk)
        return others.filter(earlier).newest_first().first()

    @property
    def date(self) -> datetime | None:
        return self.first_published_at or self.latest_revision_created_at

    @cached_property
    def parts(self) -> list[Part]:
        """Return the blocks of the body, each heading with an anchor of its own."""
        parts: list[Part] = []
        taken: set[str] = set()
        for block in self.body:
            anchor = ""
            if block.block_type == "heading":
                anchor = name = slugify(block.value, allow_unicode=True)[:60] or "part"
                number = 2
                while anchor in taken:
                    anchor, number = f"{name}-{number}", number + 1
                taken.add(anchor)
            parts.append(Part(block, anchor))
        return parts

    @property
    def contents(self) -> list[Part]:
        return [part for part in self.parts if part.anchor]

    @property
    def minutes(self) -> int:
        """Return how long reading takes: at least a minute."""
        return max(1, round(len(_words(self.body)) / WORDS_PER_MINUTE))

    def read_next(self, request: HttpRequest) -> list[Card]:
        """Return three other articles: those that share most tags first, then the newest."""
        own = [tag.pk for tag in self.tags.all()]
        others = (
            self._others.with_views()
            .annotate(shared=Count("tagged_items", filter=models.Q(tagged_items__tag__in=own)))
            .order_by("-shared", "-first_published_at", "-pk")
        )
        return cards(others[:READ_NEXT], request)


def _words(body: StreamValue) -> list[str]:
    texts = body.stream_block.get_searchable_content(body)
    return strip_tags(" ".join(str(text) for text in texts)).split()
