"""What is kept of a mailing that was deleted: its sums, so that reports of the past stay true.

No name, no text, no recipient: nothing here tells who got what (docs/decisions/0046).
"""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from mailings.models.feedback import Event
from mailings.models.mailing import Mailing, Run
from mailings.models.tracking import Hit
from mailings.states import RETURNED, EventKind, HitKind, MailingStatus


class PastMailing(models.Model):
    """A mailing that was there, and is not a draft's."""

    # Without a constraint: it outlives its owner too, for the figures of the whole service.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        db_constraint=False,
        related_name="past_mailings",
        editable=False,
    )
    deleted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("deleted mailing")
        verbose_name_plural = _("deleted mailings")

    def __str__(self) -> str:
        return f"{self.pk}"


class PastRun(models.Model):
    """A run's time and counters; named as a run's, so that the same sums count both."""

    mailing = models.ForeignKey(PastMailing, models.CASCADE, related_name="runs")
    scheduled_for = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    targeted = models.PositiveIntegerField(default=0)
    sent_count = models.PositiveIntegerField(default=0)
    deferred_count = models.PositiveIntegerField(default=0)
    failed_count = models.PositiveIntegerField(default=0)
    uncertain_count = models.PositiveIntegerField(default=0)
    skipped_count = models.PositiveIntegerField(default=0)
    expired_count = models.PositiveIntegerField(default=0)
    cancelled_count = models.PositiveIntegerField(default=0)
    unsubscribed = models.PositiveIntegerField(default=0)
    returned = models.PositiveIntegerField(default=0, db_default=0)
    complained = models.PositiveIntegerField(default=0, db_default=0)
    # People.
    opened = models.PositiveIntegerField(default=0, db_default=0)
    clicked = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        verbose_name = _("run of a deleted mailing")
        verbose_name_plural = _("runs of deleted mailings")
        indexes = [models.Index(fields=["mailing", "scheduled_for"], name="past_run_by_time")]

    def __str__(self) -> str:
        return f"{self.mailing_id} @ {self.scheduled_for:%Y-%m-%d %H:%M}"


TIMES = ("scheduled_for", "started_at", "finished_at")
FIGURES: dict[str, tuple[EventKind, ...]] = {
    "unsubscribed": (EventKind.UNSUBSCRIBED,),
    "returned": RETURNED,
    "complained": (EventKind.COMPLAINED,),
}
"""Under which figure which events are counted."""
KEPT = (*TIMES, "targeted", *(f"{name}_count" for name in Run.COUNTED))


def keep_sums(instance: Mailing, **kwargs: Any) -> None:
    """Signal receiver, before a mailing is deleted by whatever door: keep its sums, and let
    what they count go, that names deliveries."""
    if instance.status == MailingStatus.DRAFT:
        return  # nobody has counted it as one
    past = PastMailing.objects.create(owner_id=instance.owner_id)
    # By queries of their own: two joins to many rows would count each other's.
    beside = {
        name: _number(Event.objects.filter(run=OuterRef("pk"), kind__in=kinds))
        for name, kinds in FIGURES.items()
    } | {
        kind.value: _number(
            Hit.objects.filter(run=OuterRef("pk"), kind=kind, link=0, is_machine=False)
        )
        for kind in HitKind
    }
    rows = instance.runs.annotate(**beside).values(*KEPT, *beside)
    PastRun.objects.bulk_create([PastRun(mailing=past, **row) for row in rows], batch_size=500)
    for model in (Event, Hit):
        doomed = model._default_manager.filter(run__mailing=instance)
        doomed._raw_delete(doomed.db)


def _number(rows: QuerySet[Any]) -> Coalesce:
    """Count the rows of the run of the outer query."""
    counted = rows.order_by().values("run").annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=models.IntegerField()), 0)
