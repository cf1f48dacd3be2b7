"""What became known after mail was handed over: events beside attempts, and reports that fit no
delivery."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings.models.delivery import Delivery
from mailings.models.mailing import Run
from mailings.states import EventKind

DIAGNOSTIC_LIMIT = 2_000
EVIDENCE_LIMIT = 5_000
RAW_LIMIT = 64 * 1024


class EventSource(models.TextChoices):
    """By which way a report came in."""

    PIPE = "pipe", pgettext_lazy("source of an event", "handed in by the mail server")
    MAILBOX = "mailbox", pgettext_lazy("source of an event", "read from the mailbox")
    WEBHOOK = "webhook", pgettext_lazy("source of an event", "told by the mail service")
    LINK = "link", pgettext_lazy("source of an event", "the link in the letter")
    ONE_CLICK = "one-click", pgettext_lazy("source of an event", "the button of the mail program")


class Event(models.Model):
    """A fact about a delivery after it was handed over. Rows are only added, and change no status.

    The run stands here once more, so that a million deliveries need not be looked at to count what
    came back of it.
    """

    # Without constraints, as all of the ledger (docs/decisions/0005); `check_ledger` looks for
    # orphans. Without a cascade, which would fetch every row: they go by one statement when their
    # mailing does (`models.past`). The indexes are those of the constraints and the ones below.
    delivery = models.ForeignKey(
        Delivery, models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    run = models.ForeignKey(
        Run, models.DO_NOTHING, related_name="events", db_index=False, db_constraint=False
    )
    kind = models.CharField(_("what happened"), max_length=16, choices=EventKind)
    # When it happened, as the report says; never later than it was recorded.
    happened_at = models.DateTimeField(_("time"))
    recorded_at = models.DateTimeField(_("recorded"))
    source = models.CharField(_("source"), max_length=16, choices=EventSource)
    # The source's own name of the report, or the fingerprint of its bytes.
    source_id = models.CharField(max_length=128)
    code = models.PositiveSmallIntegerField(_("code"), null=True, blank=True)
    enhanced_code = models.CharField(_("enhanced code"), max_length=12, blank=True)
    # What the server said, in one piece; DIAGNOSTIC_LIMIT characters.
    diagnostic = models.TextField(_("server's words"), blank=True)
    # The head of the report as it came; EVIDENCE_LIMIT characters.
    evidence = models.TextField(_("evidence"), blank=True)

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        constraints = [
            # A report that comes twice is one event.
            models.UniqueConstraint(fields=["source", "source_id"], name="event_unique_per_report"),
            # A letter comes back once, is complained of once and makes somebody leave once, whoever
            # tells of it again.
            models.UniqueConstraint(fields=["delivery", "kind"], name="event_unique_per_delivery"),
            models.CheckConstraint(condition=Q(kind__in=EventKind.values), name="event_kind_known"),
        ]
        indexes = [
            models.Index(fields=["run", "kind"], name="event_by_run"),
            models.Index(fields=["-happened_at", "-id"], name="event_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.delivery_id}: {self.kind}"

    @property
    def reply_text(self) -> str:
        """The server's words without the enhanced code that stands in a column of its own."""
        return self.diagnostic.removeprefix(self.enhanced_code).lstrip()


class UnmatchedReason(models.TextChoices):
    """Why a report changed nothing."""

    NOT_UNDERSTOOD = "not_understood", _("it is in no form that we know")
    UNPROVEN = "unproven", _("nothing in it proves which letter it is about")
    NO_DELIVERY = "no_delivery", _("the letter it is about is no longer in the log")
    NOT_SENT = "not_sent", _("the letter it is about was never handed over")
    TOO_LATE = "too_late", _("it came too long after the letter was sent")


class UnmatchedNotice(models.Model):
    """A report that changed nothing, as it came, where a manager can read it; for some weeks."""

    received_at = models.DateTimeField(_("received"))
    source = models.CharField(_("source"), max_length=16, choices=EventSource)
    source_id = models.CharField(max_length=128)
    reason = models.CharField(_("reason"), max_length=16, choices=UnmatchedReason)
    # Whom and what it claims to be about: unproven.
    address = models.CharField(_("address"), max_length=254, blank=True)
    kind = models.CharField(_("what it says"), max_length=16, choices=EventKind, blank=True)
    diagnostic = models.TextField(_("server's words"), blank=True)
    raw = models.BinaryField(_("report"))  # RAW_LIMIT bytes

    class Meta:
        verbose_name = _("report not understood")
        verbose_name_plural = _("reports not understood")
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_id"], name="unmatched_unique_per_report"
            ),
            models.CheckConstraint(
                condition=Q(reason__in=UnmatchedReason.values), name="unmatched_reason_known"
            ),
        ]
        indexes = [models.Index(fields=["-received_at", "-id"], name="unmatched_by_time")]

    SHOWN: ClassVar[int] = 16 * 1024
    """Bytes of a report that a page shows."""

    def __str__(self) -> str:
        return f"{self.pk}: {self.reason}"

    @property
    def beginning(self) -> str:
        """What fits a line of a list."""
        return self.diagnostic[:200]

    @property
    def raw_text(self) -> str:
        """The report for a page: what is no text is shown as question marks."""
        return bytes(self.raw[: self.SHOWN]).decode(errors="replace")
