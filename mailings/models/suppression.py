"""Addresses that must not be written to, whoever brings them back."""

from datetime import date, datetime

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings.models.mailing import Run


class SuppressionReason(models.TextChoices):
    """Why an address must not be written to."""

    UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
    BOUNCED = "bounced", _("the address does not exist")
    COMPLAINED = "complained", _("complained about spam")
    MANUAL = "manual", _("added by hand")
    NO_CONSENT = "no_consent", _("did not agree to get mail")


BY_THE_PERSON = (SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED)
"""Their own wish: no other reason takes its place."""


class SuppressionSource(models.TextChoices):
    """How a person unsubscribed; other entries say where they come from in words."""

    LINK = "link", _("by the link in the letter")
    ONE_CLICK = "one-click", _("by the button of the mail program")


class Suppression(models.Model):
    """Survives the deletion and re-creation of the client. No owner: for everybody."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        blank=True,
        related_name="suppressions",
    )
    address_hash = models.CharField(max_length=64)
    address = models.CharField(_("address"), max_length=254, blank=True)
    # It may be about an address that IDNA 2008 writes otherwise: as `fass.…` about `faß.…`.
    is_by_idna_2003 = models.BooleanField(default=False, db_default=False, editable=False)
    reason = models.CharField(_("reason"), max_length=16, choices=SuppressionReason)
    source = models.CharField(_("source"), max_length=200, blank=True)
    # The run whose letter it was; for reports. No foreign key to the delivery: a million of
    # them are deleted at once, without looking for what refers to each.
    run = models.ForeignKey(
        Run,
        models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="suppressions",
        verbose_name=_("run"),
    )
    created_at = models.DateTimeField(_("since"), auto_now_add=True)
    # Came with a file: old news, which no report counts. `happened_on`: the day that the file says.
    # Not `created_at`: until the entry was here, mail was rightly sent.
    is_imported = models.BooleanField(default=False, db_default=False, editable=False)
    happened_on = models.DateField(null=True, blank=True, editable=False)

    # Why the person left, if they wanted to say it.
    words = models.CharField(
        _("in their words"), max_length=200, blank=True, default="", db_default=""
    )

    class Meta:
        verbose_name = _("suppression")
        verbose_name_plural = _("suppression list")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "address_hash"], name="suppression_unique_per_owner"
            ),
            models.UniqueConstraint(
                fields=["address_hash"],
                condition=models.Q(owner__isnull=True),
                name="suppression_unique_global",
            ),
        ]
        # Reports count an owner's new entries by day.
        indexes = [models.Index(fields=["owner", "created_at"], name="suppression_by_age")]

    @property
    def since(self) -> datetime | date:
        """When it came to this: the day that a file says, else the moment it was entered."""
        return self.happened_on or self.created_at

    def get_absolute_url(self) -> str:
        """Return the page that tells its owner why there is no mail."""
        return reverse("mailings:stop_list_entry", args=[self.pk])

    @property
    def is_unsubscription(self) -> bool:
        """Return whether they left by a letter: the source says by which button."""
        return self.reason == SuppressionReason.UNSUBSCRIBED

    @property
    def is_own_wish(self) -> bool:
        """Return whether the person themselves said no: it is not lifted like a typing error."""
        return self.reason in BY_THE_PERSON

    @property
    def source_in_words(self) -> str:
        if self.source in SuppressionSource.values:
            return str(SuppressionSource(self.source).label)
        return self.source

    def __str__(self) -> str:
        return f"{self.address or self.address_hash[:12]}: {self.reason}"
