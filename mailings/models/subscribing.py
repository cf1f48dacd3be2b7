"""How people come in by themselves: forms, what they were asked to agree to, who waits for a
letter, and the ledger of who agreed to what."""

from datetime import date, datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings.addressing import addresses
from mailings.models.client import MAX_SOURCE, Client, ClientList

MAX_SLUG, MAX_TITLE, MAX_BUTTON = 60, 120, 40  # characters
MAX_AGENT = 300  # characters of a browser's name; longer ones are cut


class NameAsked(models.TextChoices):
    """Whether a form asks for the full name."""

    NO = "no", _("do not ask")
    OPTIONAL = "optional", _("ask, may stay empty")
    REQUIRED = "required", _("ask, must be filled in")


class SubscribeForm(models.Model):
    """A public page by which people put themselves on an owner's lists."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="subscribe_forms", editable=False
    )
    name = models.CharField(_("name"), max_length=MAX_TITLE)
    slug = models.CharField(_("address of the page"), max_length=MAX_SLUG, unique=True)
    language = models.CharField(_("language"), max_length=2, choices=settings.LANGUAGES)
    title = models.CharField(_("heading"), max_length=MAX_TITLE)
    intro = models.TextField(_("text below it"), max_length=1000, blank=True)
    button = models.CharField(_("words on the button"), max_length=MAX_BUTTON)
    colour = models.CharField(_("colour of the button"), max_length=7, default="#0d5463")
    name_asked = models.CharField(
        _("full name"), max_length=8, choices=NameAsked, default=NameAsked.OPTIONAL
    )
    # A `Question` of `subscribing.questions` each: its answer becomes a client's attribute.
    questions = models.JSONField(default=list, blank=True)
    lists = models.ManyToManyField(
        ClientList, related_name="subscribe_forms", blank=True, verbose_name=_("lists")
    )
    lets_choose = models.BooleanField(_("visitors choose among the lists"), default=False)
    is_double = models.BooleanField(_("ask for confirmation by e-mail"), default=True)
    thanks_text = models.TextField(_("words of thanks"), max_length=1000, blank=True)
    thanks_url = models.CharField(_("page of thanks"), max_length=500, blank=True)
    is_open = models.BooleanField(_("the form is open"), default=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("subscribe form")
        verbose_name_plural = _("subscribe forms")
        ordering: ClassVar[list[str]] = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mailings:subscribe_form_detail", args=[self.pk])

    @property
    def consent_text(self) -> "ConsentText | None":
        """What a visitor is asked to agree to now: the newest version."""
        return self.consent_texts.order_by("-version").first()


class ConsentText(models.Model):
    """One version of what a form asks people to agree to. Never changed, and kept as long as
    anybody's consent names it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="consent_texts", editable=False
    )
    form = models.ForeignKey(
        SubscribeForm, models.SET_NULL, null=True, related_name="consent_texts", editable=False
    )
    version = models.PositiveIntegerField()
    text = models.TextField(_("consent"), max_length=2000)
    policy_url = models.CharField(_("address of the policy"), max_length=500, blank=True)
    digest = models.CharField(max_length=64)
    """SHA-256 of text and address, as they were shown."""
    created_at = models.DateTimeField(_("in force since"), auto_now_add=True)

    class Meta:
        verbose_name = _("consent text")
        verbose_name_plural = _("consent texts")
        constraints = [
            models.UniqueConstraint(
                fields=["form", "version"], name="consent_text_version_unique_per_form"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.digest[:12]} ({self.version})"

    def save(self, *args: Any, **kwargs: Any) -> None:
        _only_added(self)
        super().save(*args, **kwargs)


class LetterKind(models.TextChoices):
    """What a person who filled in a form is written."""

    NONE = "", _("nothing")
    CONFIRM = "confirm", _("a button to confirm")
    KNOWN = "known", _("that they are subscribed")


class SubscribeRequest(models.Model):
    """Somebody filled in a form. What they wrote waits here until the mailbox's owner confirms it,
    and is deleted some days later. The row is the order for a letter, and what limits count."""

    form = models.ForeignKey(SubscribeForm, models.CASCADE, related_name="requests")
    email = models.CharField(_("e-mail"), max_length=addresses.MAX_LENGTH)
    mailbox = models.CharField(max_length=addresses.MAX_LENGTH)
    full_name = models.CharField(max_length=200, blank=True)
    attributes = models.JSONField(default=dict)
    list_ids = models.JSONField(default=list)
    consent_text = models.ForeignKey(ConsentText, models.CASCADE)
    ip = models.GenericIPAddressField(null=True)
    network = models.CharField(max_length=50)
    """The /24 or /64 that `ip` is in."""
    user_agent = models.CharField(max_length=MAX_AGENT, blank=True)
    requested_at = models.DateTimeField(_("filled in"))
    confirmed_at = models.DateTimeField(null=True)
    letter = models.CharField(max_length=8, choices=LetterKind, blank=True)
    letter_due_at = models.DateTimeField(null=True)
    """When it is tried next. None: sent, given up, or there is none to send."""
    letter_tries = models.PositiveSmallIntegerField(default=0)
    letter_sent_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("request to subscribe")
        verbose_name_plural = _("requests to subscribe")
        indexes = [
            models.Index(fields=["form", "requested_at"], name="subscribe_request_by_form"),
            models.Index(fields=["network", "requested_at"], name="subscribe_request_by_net"),
            models.Index(fields=["mailbox", "requested_at"], name="subscribe_request_by_box"),
            models.Index(fields=["requested_at"], name="subscribe_request_to_prune"),
            models.Index(
                fields=["letter_due_at"],
                condition=models.Q(letter_due_at__isnull=False),
                name="subscribe_request_due",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"


class ConsentWay(models.TextChoices):
    """How a consent came here."""

    FORM = "form", _("by a form")
    FILE = "file", _("with a file")
    HAND = "hand", _("written down by hand")


class Consent(models.Model):
    """A line of the consent ledger: who agreed to what, when and how. Lines are added and never
    changed, but that the address of the browser is forgotten after a time, and the client when
    they are deleted: the fingerprint of the mailbox stays."""

    # Without an index of its own: the one below begins with it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="consents",
        editable=False,
        db_index=False,
    )
    client = models.ForeignKey(Client, models.SET_NULL, null=True, related_name="consents")
    address_hash = models.CharField(max_length=64)
    way = models.CharField(_("how"), max_length=4, choices=ConsentWay)
    source = models.CharField(_("where"), max_length=MAX_SOURCE, blank=True)
    text = models.ForeignKey(ConsentText, models.RESTRICT, null=True, related_name="consents")
    given_at = models.DateTimeField(_("given"), null=True)
    given_on = models.DateField(null=True)
    """Where only the day is known. Neither: nobody wrote it down."""
    confirmed_at = models.DateTimeField(_("confirmed"), null=True)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.CharField(max_length=MAX_AGENT, blank=True, default="", db_default="")
    created_at = models.DateTimeField(_("recorded"))

    class Meta:
        verbose_name = _("consent")
        verbose_name_plural = _("consents")
        indexes = [
            models.Index(fields=["owner", "address_hash"], name="consent_by_address"),
            models.Index(
                fields=["created_at"],
                condition=models.Q(ip__isnull=False),
                name="consent_with_ip",
            ),
        ]

    def __str__(self) -> str:
        return f"{self._meta.verbose_name} {self.pk}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        _only_added(self)
        super().save(*args, **kwargs)

    @property
    def given(self) -> datetime | date | None:
        return self.given_at or self.given_on


def _only_added(row: models.Model) -> None:
    """Lines of a proof are never written over."""
    if not row._state.adding:
        raise TypeError(f"{type(row).__name__} is append-only")
