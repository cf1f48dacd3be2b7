"""A domain that its owner may send from, once they have proved that it is theirs."""

import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings.addressing import domains


class DomainState(models.TextChoices):
    """Whether the owner has shown that the domain is theirs."""

    WAITING = "waiting", pgettext_lazy("sender domain", "Not confirmed yet")
    PROVEN = "proven", pgettext_lazy("sender domain", "Confirmed")
    LOST = "lost", pgettext_lazy("sender domain", "No longer confirmed")


def new_token() -> str:
    """Return what is to be published: 128 bits, so that nobody publishes it by chance."""
    return secrets.token_hex(16)


def new_selector() -> str:
    """Return what the keys' records are called by: another one for each pair of keys, so that mails
    on their way are still verified by the keys of before (RFC 6376 3.1)."""
    return f"v{secrets.token_hex(4)}"


class SenderDomain(models.Model):
    """A domain of one owner: its proof, its keys, and what DNS said when it was last asked.

    Several owners may have the same domain waiting; one at a time has it proven.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="sender_domains", editable=False
    )
    # In lower case and ASCII (IDNA 2008), without a last dot.
    domain = models.CharField(_("domain"), max_length=253)
    token = models.CharField(max_length=64, default=new_token, editable=False)
    state = models.CharField(
        _("state"), max_length=8, choices=DomainState, default=DomainState.WAITING
    )
    selector = models.CharField(max_length=32, default=new_selector, editable=False)
    # Private keys as `delivery.domain_keys` seals them.
    rsa_key = models.TextField(editable=False)
    ed25519_key = models.TextField(editable=False)
    # Whether DNS had the public half when it was last asked: with a key that receivers cannot find
    # nothing is signed.
    rsa_published = models.BooleanField(default=False)
    ed25519_published = models.BooleanField(default=False)
    added_at = models.DateTimeField(_("added"))
    proven_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    checked_at = models.DateTimeField(_("last checked"), null=True, blank=True)
    next_check_at = models.DateTimeField(null=True, blank=True)
    # What was found then, line by line: `sender_domains.checks`.
    report = models.JSONField(default=dict, editable=False)
    # Since when the proof, or the RSA key's record, of a proven domain is missing.
    missing_since = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("sender domain")
        verbose_name_plural = _("sender domains")
        constraints = [
            models.UniqueConstraint(fields=["owner", "domain"], name="sender_domain_once_an_owner"),
            # Two owners may prove it in the same second: one of them wins here.
            models.UniqueConstraint(
                fields=["domain"], condition=Q(state="proven"), name="sender_domain_proven_once"
            ),
            models.CheckConstraint(
                condition=Q(state__in=DomainState.values), name="sender_domain_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                name="sender_domain_due",
                condition=Q(next_check_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return self.readable

    def get_absolute_url(self) -> str:
        return reverse("mailings:domain_detail", args=[self.pk])

    @property
    def readable(self) -> str:
        """The domain as its owner writes it."""
        try:
            return domains.readable(self.domain)
        except UnicodeError:
            return self.domain

    @property
    def may_send(self) -> bool:
        """Return whether letters may leave in its name: it is proven, and receivers find the key
        that signs them."""
        return self.state == DomainState.PROVEN and self.rsa_published
