"""How often an article was read. The number lives in a table of its own.

So publishing an older draft cannot roll it back, a copied article begins at 0, and two readers at
once are two: the database adds, not Python.
"""

import logging
import threading
from collections import Counter
from datetime import date, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import Error, IntegrityError, connection, models, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from blog import memo
from blog.robots import is_robot

log = logging.getLogger(__name__)

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


class ReadingsOfDay(models.Model):
    """How often an article was read on a day, by the service's own clock: for those who write."""

    wagtail_reference_index_ignore = True

    page = models.ForeignKey(
        "blog.BlogPage", models.CASCADE, related_name="readings_by_day", db_index=False
    )
    day = models.DateField(_("day"))
    count = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name = _("readings of a day")
        verbose_name_plural = _("readings by day")
        constraints = [
            models.UniqueConstraint(fields=["page", "day"], name="readings_unique_per_day")
        ]

    def __str__(self) -> str:
        return f"{self.page_id} on {self.day}: {self.count}"


class Day(NamedTuple):
    day: date
    readings: int


DAYS_SHOWN = 30


def is_reading(request: HttpRequest) -> bool:
    """A reader's GET: no preview, no browser that fetches ahead, no robot, nobody who may edit."""
    if not is_visit(request) or getattr(request, "is_preview", False):
        return False
    user = request.user
    # Most hold no right at all, and that is known already: which ones would be two queries.
    if user.is_anonymous or not user.has_rights:
        return True
    return not user.has_perm("wagtailadmin.access_admin")


def is_visit(request: HttpRequest) -> bool:
    """What the request alone says: a person opens the page now."""
    if request.method != "GET" or is_robot(request.headers.get("User-Agent", "")):
        return False
    # Browsers fetch pages that may be opened next: Sec-Purpose by the standard, the other by habit.
    purpose = request.headers.get("Sec-Purpose", "") + request.headers.get("Purpose", "")
    return PREFETCHED not in purpose.lower()


_waiting: Counter[tuple[type[models.Model], int]] = Counter()
"""Readings that this process has not written yet: (table, page) → how many."""
_lock = threading.Lock()


def note_reading(page_id: int, table: type[models.Model] = ArticleViews) -> int:
    """Count one more and return how many there are, or were `memo.LASTS` seconds ago.

    What comes within `VIEWS_DELAY` seconds is written by one statement a page: a page from the
    cache costs no query. A process that is killed takes that second's readings along; one that
    ends in order writes them first, because Python waits for the timer's thread.
    """
    if not settings.VIEWS_DELAY:
        return count_reading(page_id, table)
    note(page_id, table)
    return memo.kept(
        "always", ("readings", table, page_id),
        lambda: readings(page_id, table) + _waiting[table, page_id],
    )  # fmt: skip


def note(page_id: int, table: type[models.Model]) -> None:
    if not settings.VIEWS_DELAY:
        count_reading(page_id, table)
        return
    with _lock:
        is_first = not _waiting
        _waiting[table, page_id] += 1
    if is_first:
        threading.Timer(settings.VIEWS_DELAY, _write).start()


def _write() -> None:
    """Write what waits; what a database that is away does not take waits on."""
    with _lock:
        taken = dict(_waiting)
        _waiting.clear()
    left: Counter[tuple[type[models.Model], int]] = Counter()
    try:
        for (table, page_id), number in taken.items():
            try:
                count_reading(page_id, table, number)
            except IntegrityError:
                log.info("readings_of_a_deleted_page", extra={"page": page_id})
            except Error as error:
                log.warning("readings_not_written", extra={"error": error})
                left[table, page_id] = number
    finally:
        connection.close()
    if left and threading.main_thread().is_alive():
        with _lock:
            is_first = not _waiting
            _waiting.update(left)
        if is_first:
            threading.Timer(settings.VIEWS_DELAY, _write).start()


def count_reading(page_id: int, table: type[models.Model] = ArticleViews, number: int = 1) -> int:
    """Add so many and return how many there are now, by one statement, the first reading too;
    `table` has `page` and `count` as `ArticleViews` has. Those of articles count for the day, too:
    both or none, since what was not written is added once more.
    """
    if table is not ArticleViews:
        return _add(table, {"page_id": page_id}, number)
    with transaction.atomic():
        _add(ReadingsOfDay, {"page_id": page_id, "day": today()}, number)
        return _add(table, {"page_id": page_id}, number)


def _add(table: type[models.Model], row: dict[str, int | date], number: int) -> int:
    """Add to the `count` of the row with this unique key, made if there is none."""
    name = connection.ops.quote_name(table._meta.db_table)
    columns, places = ", ".join(row), ", ".join(["%s"] * len(row))
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {name} ({columns}, count) VALUES ({places}, %s) ON CONFLICT ({columns}) "  # noqa: S608 - names of ours
            f"DO UPDATE SET count = {name}.count + excluded.count RETURNING count",
            [*row.values(), number],
        )
        [(count,)] = cursor.fetchall()
    return int(count)


def today() -> date:
    """Return the day by the service's own clock, not the reader's."""
    return timezone.localdate(timezone=ZoneInfo(settings.TIME_ZONE))


def by_day(page_id: int, days: int = DAYS_SHOWN) -> list[Day]:
    """Return so many days up to today, also those on which nobody came."""
    last = today()
    first = last - timedelta(days=days - 1)
    counted = dict(
        ReadingsOfDay.objects.filter(page_id=page_id, day__range=(first, last)).values_list(
            "day", "count"
        )
    )
    shown = (first + timedelta(days=n) for n in range(days))
    return [Day(day, counted.get(day, 0)) for day in shown]


def readings(page_id: int | None, table: type[models.Model] = ArticleViews) -> int:
    counted = table._default_manager.filter(page_id=page_id).values_list("count", flat=True)
    return counted.first() or 0
