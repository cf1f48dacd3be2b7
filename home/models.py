"""The home page. Empty fields show the text of templates/home/, in the reader's language."""

from typing import Any, ClassVar

from django.db import models
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from wagtail.admin.panels import HelpPanel
from wagtail.blocks import CharBlock, RichTextBlock, StreamBlock, StructBlock
from wagtail.fields import StreamField
from wagtail.models import Page, PageViewRestriction

from accounts import site_address
from blog import counters, memo, structured_data
from blog.languages import content_language
from blog.seo import PublicPageMixin
from home import summary


class QuestionBlock(StructBlock):
    question = CharBlock(label=_("Question"), max_length=150)
    answer = RichTextBlock(label=_("Answer"), features=["bold", "italic", "link"])

    class Meta:
        icon = "help"
        label = _("Question")


class QuestionsBlock(StreamBlock):
    question = QuestionBlock()


class HomePage(PublicPageMixin, Page):
    hero_title = models.CharField(
        _("title on the page"), max_length=80, blank=True, help_text=_("Empty: the usual text.")
    )
    lede = models.TextField(
        _("lede"), max_length=300, blank=True, help_text=_("Empty: the usual text.")
    )
    questions = StreamField(
        QuestionsBlock(),
        blank=True,
        verbose_name=_("questions and answers"),
        help_text=_("Empty: the usual ones."),
    )
    call_title = models.CharField(
        _("words of the last call"),
        max_length=120,
        blank=True,
        help_text=_("Empty: the usual text."),
    )

    content_panels: ClassVar[list[Any]] = [
        *Page.content_panels, "hero_title", "lede", "questions", "call_title",
        HelpPanel(template="blog/cms/views.html", heading=_("Views")),
    ]  # fmt: skip
    max_count = 1
    parent_page_types: ClassVar[list[str]] = ["wagtailcore.Page"]
    subpage_types: ClassVar[list[str]] = ["blog.BlogIndexPage"]
    views_model = "home.HomeViews"
    generations = (summary.GENERATION,)
    private_page_options: ClassVar[list[str]] = []  # a home page that asks for a password is none

    @property
    def has_own_text(self) -> bool:
        return bool(self.hero_title or self.lede or self.questions or self.call_title)

    class Meta:
        verbose_name = _("home page")

    def get_view_restrictions(self) -> models.QuerySet[PageViewRestriction]:
        """There are none to ask the database for: see `private_page_options`."""
        return PageViewRestriction.objects.none()

    def linked_data(
        self, site_name: str, canonical: str, preview: str
    ) -> list[structured_data.Data]:
        return [
            structured_data.website(site_name, canonical, f"{canonical}blog/?q={{query}}"),
        ]

    def get_context(self, request: HttpRequest, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return super().get_context(request, *args, **kwargs) | {
            "generation": None
            if getattr(request, "is_preview", False)
            else memo.generation_of(request),
            "canonical": f"{site_address.url()}/",
            "figures_and_articles": summary.load(),
            "stamped_on": counters.today(),
            "foreign": content_language() if self.has_own_text else None,
        }


class SeededAddress(models.Model):
    """What SITE_URL last gave Wagtail's default site: one row, see `home.site_seed`."""

    hostname = models.CharField(max_length=255)
    port = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


class HomeViews(models.Model):
    """How often the home page was read; beside the page, as `blog.counters` tells why."""

    wagtail_reference_index_ignore = True

    page = models.OneToOneField(
        HomePage, models.CASCADE, primary_key=True, related_name="view_count"
    )
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("views of the home page")
        verbose_name_plural = _("views of the home page")

    def __str__(self) -> str:
        return f"{self.page_id}: {self.count}"
