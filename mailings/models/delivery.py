"""The ledger: a delivery per run and client, an attempt per try, a lease per worker.

A delivery's way from `pending` to `sent` changes no value that an index holds, so PostgreSQL writes
it as a heap-only tuple: with an index on `status` the same change costs three times as much.
"""

import uuid

from django.db import models
from django.db.models import Case, F, Q, When
from django.utils.translation import gettext_lazy as _

from mailings.models.client import Client
from mailings.models.mailing import Run
from mailings.models.stateful import StatefulQuerySet
from mailings.models.transport import Transport
from mailings.states import DeliveryStatus, Outcome, SkipReason


class Delivery(models.Model):
    """One run × one client. The address and the variables are frozen when the run is prepared."""

    # Without indexes of their own: those below begin with the same columns. Without constraints:
    # docs/decisions/0005 tells why, and `check_ledger` looks for what they would forbid.
    run = models.ForeignKey(
        Run, models.CASCADE, related_name="deliveries", db_index=False, db_constraint=False
    )
    client = models.ForeignKey(
        Client,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="deliveries",
        db_index=False,
        db_constraint=False,
    )
    # The mailbox; and how its owner writes it, if otherwise: mail is sent to that spelling.
    address = models.CharField(_("address"), max_length=254)
    spelling = models.CharField(max_length=254, null=True, editable=False)  # noqa: DJ001 - costs nothing
    full_name = models.CharField(_("full name"), max_length=200, blank=True)
    variables = models.JSONField(default=dict)
    status = models.CharField(
        _("status"), max_length=12, choices=DeliveryStatus, default=DeliveryStatus.PENDING
    )
    USUAL = (DeliveryStatus.PENDING.value, DeliveryStatus.SENDING.value, DeliveryStatus.SENT.value)
    # The status again, but empty for the three of the straight way. An index knows it: pages that
    # look for failed, deferred, skipped … must filter by this one.
    unusual_status = models.GeneratedField(
        expression=Case(
            When(status__in=list(USUAL), then=None),
            default=F("status"),
        ),
        output_field=models.CharField(max_length=12, null=True),
        db_persist=True,
    )
    reason = models.CharField(_("reason"), max_length=24, choices=SkipReason, blank=True)
    # Tries that count against the recipient; a mail service that is away charges none.
    tries = models.PositiveSmallIntegerField(_("tries"), default=0)
    # Rows in the log; the newest attempt has this number.
    attempt_count = models.PositiveSmallIntegerField(_("attempts"), default=0)
    uncertain_resends = models.PositiveSmallIntegerField(default=0)
    lease_losses = models.PositiveSmallIntegerField(default=0)
    # When a deferred or uncertain one is due again. An uncertain one without is not tried again.
    next_attempt_at = models.DateTimeField(_("next attempt"), null=True, blank=True)
    # The worker that claimed it for another try; a first try is claimed by its chunk.
    lease_owner = models.UUIDField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    objects = StatefulQuerySet["Delivery"].as_manager()

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        constraints = [
            models.UniqueConstraint(
                fields=["run", "client"],
                condition=Q(client__isnull=False),
                name="delivery_unique_per_client",
            ),
            # A mailbox gets one letter, whatever clients are deleted and come back.
            models.UniqueConstraint(fields=["run", "address"], name="delivery_unique_per_address"),
            models.CheckConstraint(
                condition=Q(status__in=DeliveryStatus.values), name="delivery_status_known"
            ),
            models.CheckConstraint(
                condition=(Q(status=DeliveryStatus.SENDING) & Q(lease_owner__isnull=False))
                | (~Q(status=DeliveryStatus.SENDING) & Q(lease_owner__isnull=True)),
                name="delivery_leased_iff_sending",
            ),
        ]
        indexes = [
            models.Index(fields=["run", "id"], name="delivery_by_run"),
            models.Index(fields=["client", "-id"], name="delivery_by_client"),
            models.Index(
                fields=["run", "unusual_status", "id"],
                name="delivery_unusual",
                condition=Q(unusual_status__isnull=False),
            ),
            models.Index(
                fields=["next_attempt_at", "id"],
                name="delivery_due",
                condition=Q(next_attempt_at__isnull=False),
            ),
            models.Index(
                fields=["lease_owner"],
                name="delivery_claimed",
                condition=Q(lease_owner__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.pk} → {self.address}"

    @property
    def owner_id(self) -> int:
        """Whose mail it is; by a query or two where the run's mailing is not at hand."""
        return self.run.mailing.owner_id


class Attempt(models.Model):
    """One try: when, how far it came, what the mail server answered. Rows are only added."""

    # Its index is that of the constraint below.
    delivery = models.ForeignKey(
        Delivery, models.CASCADE, related_name="attempts", db_index=False, db_constraint=False
    )
    number = models.PositiveSmallIntegerField(_("attempt"))
    transport = models.ForeignKey(
        Transport,
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    started_at = models.DateTimeField(_("time"))
    duration_ms = models.PositiveIntegerField(_("took, ms"), default=0)
    step = models.CharField(_("step"), max_length=12, blank=True)
    outcome = models.CharField(_("status"), max_length=12, choices=Outcome)
    code = models.PositiveSmallIntegerField(_("code"), null=True, blank=True)
    enhanced_code = models.CharField(_("enhanced code"), max_length=12, blank=True)
    reply = models.TextField(_("server's reply"), blank=True)

    class Meta:
        verbose_name = _("attempt")
        verbose_name_plural = _("attempts")
        constraints = [
            # A record that is written twice (a retried transaction) stays one row.
            models.UniqueConstraint(fields=["delivery", "number"], name="attempt_number_unique"),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="attempt_outcome_known"
            ),
        ]
        indexes = [models.Index(fields=["-started_at", "-id"], name="attempt_by_time")]

    def __str__(self) -> str:
        return f"{self.delivery_id} #{self.number}: {self.outcome}"

    @property
    def reply_text(self) -> str:
        """The reply without the enhanced code that stands in a column of its own."""
        return self.reply.removeprefix(self.enhanced_code).lstrip()


class WorkerLease(models.Model):
    """A living worker: its identity for this process start, its heartbeat, what it has in flight.

    `in_flight` is written before messages are handed over, in the transaction that records the
    previous outcomes; after a crash exactly these deliveries are uncertain.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    host = models.CharField(_("host"), max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("last heartbeat"))
    expires_at = models.DateTimeField()
    in_flight = models.JSONField(default=list)
    # False: only a sign of life of a process that waits for work.
    is_sending = models.BooleanField(default=False)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        indexes = [models.Index(fields=["expires_at"], name="worker_by_expiry")]

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}"


class Chunk(models.Model):
    """Deliveries of a run between two ids, leased as one: those that are still `pending` in it.

    A thousand rows change hands by one UPDATE. The row goes when none of its deliveries is pending;
    a worker that stops leaves it to others, and the foreign key sees to it that none belongs to a
    worker that is gone.
    """

    run = models.ForeignKey(Run, models.CASCADE, related_name="chunks", db_index=False)
    first_id = models.BigIntegerField()
    last_id = models.BigIntegerField()
    worker = models.ForeignKey(
        WorkerLease, models.SET_NULL, null=True, blank=True, related_name="chunks"
    )
    # Workers that died with it, since its mails were last made without harm. A delivery that kills
    # them is found by halving its chunk.
    losses = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        constraints = [
            models.CheckConstraint(
                condition=Q(first_id__lte=F("last_id")), name="chunk_is_not_empty"
            ),
        ]
        indexes = [models.Index(fields=["run", "id"], name="chunk_by_run")]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.first_id} to {self.last_id}"
