"""Opens and clicks: where the links of a run's letters lead, and who followed them."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from mailings.models.delivery import Delivery
from mailings.models.mailing import Run
from mailings.states import HitKind

URL_LENGTH = 2_000  # in ASCII
LABEL_LENGTH = 120


class TrackedLink(models.Model):
    """Where a link of a run's letters leads, frozen with the run.

    It stays when the mailing is deleted, so that letters in mailboxes go on working; it goes with
    its owner. It names no recipient.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    # Without a constraint: it outlives its run.
    run = models.ForeignKey(
        Run, models.DO_NOTHING, related_name="links", db_index=False, db_constraint=False
    )
    position = models.PositiveSmallIntegerField()  # 1 to n, as the letter has them
    url = models.CharField(_("address"), max_length=URL_LENGTH)
    label = models.CharField(max_length=LABEL_LENGTH, blank=True)

    class Meta:
        verbose_name = _("link of a letter")
        verbose_name_plural = _("links of letters")
        constraints = [
            models.UniqueConstraint(fields=["run", "position"], name="tracked_link_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.position}"


class Hit(models.Model):
    """That a letter was opened, or one of its links followed: once for people and once for
    machines, however often it happened.

    A letter whose links were followed has a row for each of them, and one with link 0 for any; so
    what is counted is rows, never different values. A delivery has at most 2 × (2 + links) rows.
    """

    # Without constraints and cascades, as events: `models.past` lets them go with the mailing,
    # `forget_hits` with a client.
    delivery = models.ForeignKey(
        Delivery, models.DO_NOTHING, related_name="hits", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(
        Run, models.DO_NOTHING, related_name="hits", db_index=False, db_constraint=False
    )
    kind = models.CharField(_("what happened"), max_length=8, choices=HitKind)
    link = models.PositiveSmallIntegerField(default=0)  # TrackedLink.position; 0: of the letter
    is_machine = models.BooleanField(_("by a machine"), default=False)
    # By what a machine was known: tracking.machines.Why.
    why = models.CharField(max_length=16, blank=True)
    first_at = models.DateTimeField(_("time"))
    count = models.PositiveIntegerField(_("times"), default=1)  # MOST_COUNTED at most

    MOST_COUNTED: ClassVar[int] = 1_000

    class Meta:
        verbose_name = _("hit")
        verbose_name_plural = _("hits")
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "kind", "link", "is_machine"], name="hit_unique"
            ),
            models.CheckConstraint(condition=Q(kind__in=HitKind.values), name="hit_kind_known"),
            # Only links have numbers.
            models.CheckConstraint(
                condition=Q(kind=HitKind.CLICKED) | Q(link=0), name="hit_link_of_a_click"
            ),
        ]
        indexes = [
            models.Index(
                fields=["run", "kind", "link", "is_machine", "first_at"], name="hit_by_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.kind} {self.link}"


def forget_hits(deliveries: QuerySet[Delivery]) -> None:
    """Let go of what is known of how these were read: their clients go.

    Within the transaction that lets go of the clients. The deliveries are held first, as by whoever
    writes a hit (`tracking.hits`): else one that is written meanwhile would stay, or each would
    wait for the other.
    """
    held = deliveries.order_by("pk").select_for_update(no_key=True)
    list(held.values_list("pk", flat=True))
    rows = Hit.objects.filter(delivery__in=deliveries.order_by().values("pk"))
    rows._raw_delete(rows.db)
