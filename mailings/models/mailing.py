"""A mailing (what, to whom, when, how often) and its runs (one occurrence each)."""

from typing import ClassVar
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from accounts.models import default_time_zone, validate_time_zone
from mailings.models.client import Client, ClientList
from mailings.models.message import Message
from mailings.models.segment import Segment
from mailings.models.stateful import StatefulQuerySet
from mailings.states import FINAL, FREQUENCY_CHOICES, Actor, Frequency, MailingStatus, RunStatus


class Mailing(models.Model):
    """Which message goes to whom, when and how often; its statuses: docs/state_machine.md."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="mailings", editable=False
    )
    name = models.CharField(_("name"), max_length=120)
    # A message with mailings stays, but for when both go, with their owner.
    message = models.ForeignKey(
        Message, models.RESTRICT, related_name="mailings", verbose_name=_("message")
    )
    # All clients there are at each run, also those added later; then no list is looked at.
    to_all = models.BooleanField(_("all clients"), default=False, db_default=False)
    lists = models.ManyToManyField(
        ClientList, related_name="mailings", blank=True, verbose_name=_("lists")
    )
    clients = models.ManyToManyField(
        Client, related_name="mailings", blank=True, verbose_name=_("single clients")
    )
    excluded_lists = models.ManyToManyField(
        ClientList, related_name="excluded_from", blank=True, verbose_name=_("except lists")
    )
    segments = models.ManyToManyField(
        Segment, related_name="mailings", blank=True, verbose_name=_("segments")
    )
    excluded_segments = models.ManyToManyField(
        Segment, related_name="excluded_from", blank=True, verbose_name=_("except segments")
    )
    excluded_clients = models.ManyToManyField(
        Client, related_name="excluded_from", blank=True, verbose_name=_("except clients")
    )
    # The run whose failed or late recipients this mailing is for; empty on any other mailing.
    follows = models.ForeignKey(
        "Run", models.SET_NULL, null=True, blank=True, editable=False, related_name="follow_ups"
    )
    sender_name = models.CharField(_("sender's name"), max_length=120, blank=True)
    # At a proven domain of the owner's; empty: the service's own address.
    sender_address = models.CharField(
        _("sender's address"), max_length=254, blank=True, default="", db_default=""
    )
    reply_to = models.CharField(_("reply to"), max_length=254, blank=True)
    # What the letters of its next runs tell of their readers, and what their links carry beside.
    track_opens = models.BooleanField(_("count openings"), default=False, db_default=False)
    track_clicks = models.BooleanField(_("count clicks"), default=False, db_default=False)
    link_parameters = models.CharField(
        _("parameters of links"), max_length=500, blank=True, default="", db_default=""
    )
    start_at = models.DateTimeField(_("start"))
    # As soon as it is scheduled: `start_at` is then that moment.
    starts_at_once = models.BooleanField(
        _("starts at once"), default=False, db_default=False, editable=False
    )
    end_at = models.DateTimeField(_("end"), null=True, blank=True)
    frequency = models.CharField(
        _("frequency"), max_length=8, choices=FREQUENCY_CHOICES, default=Frequency.ONCE.value
    )
    time_zone = models.CharField(
        _("time zone"), max_length=64, default=default_time_zone, validators=[validate_time_zone]
    )
    status = models.CharField(
        _("status"),
        max_length=12,
        choices=MailingStatus,
        default=MailingStatus.DRAFT,
        editable=False,
    )
    status_at = models.DateTimeField(_("status since"), auto_now_add=True)
    status_actor = models.CharField(
        max_length=8, choices=Actor, default=Actor.OWNER, editable=False
    )
    status_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    status_reason = models.TextField(_("reason"), blank=True, editable=False)
    # The next occurrence: its number k from the anchor `start_at`, and its instant.
    # Empty when none is left or the mailing is not active.
    next_occurrence = models.PositiveIntegerField(default=0, editable=False)
    next_run_at = models.DateTimeField(_("next run"), null=True, blank=True, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = StatefulQuerySet["Mailing"].as_manager()

    class Meta:
        verbose_name = _("mailing")
        verbose_name_plural = _("mailings")
        constraints = [
            models.CheckConstraint(
                condition=Q(end_at__isnull=True) | Q(end_at__gt=F("start_at")),
                name="mailing_ends_after_it_starts",
            ),
            models.CheckConstraint(
                condition=Q(status__in=MailingStatus.values), name="mailing_status_known"
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-created_at"], name="mailing_by_age"),
            models.Index(fields=["status", "next_run_at"], name="mailing_due"),
            models.Index(fields=["status", "end_at"], name="mailing_ending"),
        ]
        permissions = [
            ("stop_mailing", _("Can stop mailings and allow them again")),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mailings:mailing_detail", args=[self.pk])

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    @property
    def is_final(self) -> bool:
        return self.status in FINAL[MailingStatus]

    @property
    def is_paused_by_system(self) -> bool:
        return self.status == MailingStatus.PAUSED and self.status_actor == Actor.SYSTEM


class Run(models.Model):
    """One occurrence of a mailing, with its content frozen when it was prepared.

    The counters hold how many deliveries are in each status; `pending_count` and
    `sending_count` are what is left of `targeted`. They change in the transaction that changes
    the deliveries, so a page reads one row, however many recipients there are.
    """

    mailing = models.ForeignKey(Mailing, models.CASCADE, related_name="runs")
    occurrence = models.PositiveIntegerField(_("occurrence"), default=0)
    scheduled_for = models.DateTimeField(_("scheduled for"))
    status = models.CharField(
        _("status"), max_length=12, choices=RunStatus, default=RunStatus.PREPARING
    )
    reason = models.TextField(_("reason"), blank=True)
    # Frozen content: an edit of the message changes the next run, never this one.
    subject = models.CharField(_("subject"), max_length=200, blank=True)
    preheader = models.CharField(max_length=200, blank=True)
    html = models.TextField(blank=True)
    text = models.TextField(blank=True)
    sender_name = models.CharField(max_length=120, blank=True)
    sender_email = models.CharField(max_length=254, blank=True)
    reply_to = models.CharField(max_length=254, blank=True)
    # Whether the letters have the picture, and links through us.
    track_opens = models.BooleanField(default=False, db_default=False)
    track_clicks = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    targeted = models.PositiveIntegerField(_("recipients"), default=0)
    sent_count = models.PositiveIntegerField(_("sent"), default=0)
    deferred_count = models.PositiveIntegerField(_("deferred"), default=0)
    failed_count = models.PositiveIntegerField(_("failed"), default=0)
    uncertain_count = models.PositiveIntegerField(_("uncertain"), default=0)
    skipped_count = models.PositiveIntegerField(_("skipped"), default=0)
    expired_count = models.PositiveIntegerField(_("expired"), default=0)
    cancelled_count = models.PositiveIntegerField(_("cancelled"), default=0)

    objects = StatefulQuerySet["Run"].as_manager()

    COUNTED: ClassVar[tuple[str, ...]] = (
        "sent", "deferred", "failed", "uncertain", "skipped", "expired", "cancelled",
    )  # fmt: skip

    class Meta:
        verbose_name = _("run")
        verbose_name_plural = _("runs")
        constraints = [
            # Two schedulers may see the same due occurrence: one of them wins here.
            models.UniqueConstraint(
                fields=["mailing", "scheduled_for"], name="run_unique_per_occurrence"
            ),
            models.CheckConstraint(
                condition=Q(status__in=RunStatus.values), name="run_status_known"
            ),
            models.CheckConstraint(
                condition=Q(finished_at__isnull=False)
                ^ Q(status__in=[RunStatus.PREPARING, RunStatus.SENDING]),
                name="run_finished_iff_final",
            ),
        ]
        indexes = [
            models.Index(fields=["mailing", "-scheduled_for"], name="run_by_time"),
            models.Index(fields=["status"], name="run_by_status"),
        ]

    def __str__(self) -> str:
        return f"{self.mailing_id} @ {self.scheduled_for:%Y-%m-%d %H:%M}"

    def get_absolute_url(self) -> str:
        return reverse("mailings:run_detail", args=[self.pk])

    @property
    def pending_count(self) -> int:
        """Recipients neither settled nor deferred nor uncertain: queued or in flight."""
        return self.targeted - sum(getattr(self, f"{name}_count") for name in self.COUNTED)

    @property
    def is_tracked(self) -> bool:
        """Whether its letters tell anything of their readers."""
        return self.track_opens or self.track_clicks

    @property
    def settled_count(self) -> int:
        """Recipients for whom nothing more will be tried."""
        return self.targeted - self.pending_count - self.deferred_count
