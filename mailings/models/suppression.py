"""Addresses that must not be written to, whoever brings them back."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SuppressionReason(models.TextChoices):
    UNSUBSCRIBED = "unsubscribed", _("unsubscribed")
    BOUNCED = "bounced", _("the address does not exist")
    COMPLAINED = "complained", _("complained about spam")
    MANUAL = "manual", _("added by hand")


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
    reason = models.CharField(_("reason"), max_length=16, choices=SuppressionReason)
    source = models.CharField(_("source"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("since"), auto_now_add=True)

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

    def __str__(self) -> str:
        return f"{self.address or self.address_hash[:12]}: {self.reason}"
