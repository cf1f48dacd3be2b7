"""A mail service that mailings leave through, its limits, and how it is doing."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class BreakerState(models.TextChoices):
    """Whether a mail service may be used: `delivery.session.circuit_breaker`."""

    CLOSED = "closed", _("Working")
    OPEN = "open", _("Waiting for the mail service")
    HALF_OPEN = "half_open", _("Trying again")


class Transport(models.Model):
    """The first row stands for EMAIL_URL: its `url` is empty, so the secret stays outside."""

    name = models.CharField(_("name"), max_length=80, unique=True)
    url = models.CharField(_("address"), max_length=500, blank=True)
    is_active = models.BooleanField(_("in use"), default=True)
    max_connections = models.PositiveSmallIntegerField(_("connections"), default=10)
    rate_per_minute = models.PositiveIntegerField(
        _("mails a minute"), null=True, blank=True, help_text=_("Empty: as fast as it takes them.")
    )
    mails_per_connection = models.PositiveIntegerField(
        _("mails per connection"),
        default=200,
        help_text=_("After so many a connection is closed and opened anew."),
    )
    domain_limits = models.TextField(
        _("limits of domains"),
        blank=True,
        help_text=_("Mails a minute to a recipient domain, one on a line: gmail.com 600"),
    )
    mails_per_day = models.PositiveIntegerField(
        _("mails a day"), null=True, blank=True, help_text=_("Empty: as many as there are.")
    )
    warm_up_from = models.PositiveIntegerField(
        _("warm-up: mails on the first day"),
        null=True,
        blank=True,
        help_text=_(
            "For a new mail service or sender’s domain, 200 say: after each day that used half of"
            " it, twice as many, up to the mails a day, or for 14 such days. Empty: no warm-up."
        ),
    )
    # What `delivery.session.daily_limit` counts: doublings so far, and the mails of which day.
    warm_up_step = models.PositiveSmallIntegerField(default=0, db_default=0, editable=False)
    counted_on = models.DateField(null=True, editable=False)
    counted = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    breaker_state = models.CharField(
        _("state"), max_length=10, choices=BreakerState, default=BreakerState.CLOSED, editable=False
    )
    # Consecutive faults of the service itself (not of a message), and when to try again.
    breaker_failures = models.PositiveIntegerField(default=0, editable=False)
    breaker_until = models.DateTimeField(_("paused until"), null=True, blank=True, editable=False)
    last_ok_at = models.DateTimeField(_("last success"), null=True, blank=True, editable=False)
    last_error_at = models.DateTimeField(_("last fault"), null=True, blank=True, editable=False)
    last_error = models.TextField(_("what it answered"), blank=True, editable=False)

    class Meta:
        verbose_name = _("mail service")
        verbose_name_plural = _("mail services")

    def __str__(self) -> str:
        return self.name

    @property
    def is_working(self) -> bool:
        return self.breaker_state == BreakerState.CLOSED
