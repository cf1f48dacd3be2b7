"""How often an article was read. The number lives in a table of its own.

So publishing an older draft cannot roll it back, a copied article begins at 0, and two readers at
once are two: the database adds, not Python.
"""

from django.db import connection, models
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
    user = request.user
    # Most hold no right at all, and that is known already: which ones would be two queries.
    if user.is_anonymous or not user.has_rights:
        return True
    return not user.has_perm("wagtailadmin.access_admin")


def count_reading(page_id: int, table: type[models.Model] = ArticleViews) -> int:
    """Add one and return how many there are now, by one statement, the first reading too; `table`
    has `page` and `count` as `ArticleViews` has."""
    name = connection.ops.quote_name(table._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {name} (page_id, count) VALUES (%s, 1) ON CONFLICT (page_id) "  # noqa: S608 - a name of ours
            f"DO UPDATE SET count = {name}.count + 1 RETURNING count",
            [page_id],
        )
        [(count,)] = cursor.fetchall()
    return int(count)


def readings(page_id: int | None, table: type[models.Model] = ArticleViews) -> int:
    counted = table._default_manager.filter(page_id=page_id).values_list("count", flat=True)
    return counted.first() or 0
