"""How often an article was read. The number lives in a table of its own.

So publishing an older draft cannot roll it back, a copied article begins at 0, and two readers at
once are two: the database adds, not Python.
"""

from django.db import models
from django.db.models import F
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

PREFETCHED = "prefetch"


class ArticleViews(models.Model):
    wagtail_reference_index_ignore = True  # deleting an article must not warn of its own counter

    page = models.OneToOneField(
        "blog.BlogPage", models.CASCADE, primary_key=True, related_name="view_count"
    )
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("views of an article")
        verbose_name_plural = _("views of articles")

    def __str__(self) -> str:
        return f"{self.page_id}: {self.count}"


def is_reading(request: HttpRequest) -> bool:
    """A reader's GET: no preview, no browser that fetches ahead, nobody who may edit."""
    if request.method != "GET" or getattr(request, "is_preview", False):
        return False
    # Browsers fetch pages that may be opened next: Sec-Purpose by the standard, the other by habit.
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    if PREFETCHED in purpose.lower():
        return False
    return not request.user.has_perm("wagtailadmin.access_admin")


def count_reading(page_id: int, table: type[models.Model] = ArticleViews) -> None:
    """Add one; `table` has `page` and `count` as `ArticleViews` has."""
    rows = table._default_manager.filter(page_id=page_id)
    if not rows.update(count=F("count") + 1):
        # The first reading. Two first readers at once: one insert wins, both updates add.
        table._default_manager.bulk_create([table(page_id=page_id)], ignore_conflicts=True)
        rows.update(count=F("count") + 1)


def readings(page_id: int | None, table: type[models.Model] = ArticleViews) -> int:
    counted = table._default_manager.filter(page_id=page_id).values_list("count", flat=True)
    return counted.first() or 0
