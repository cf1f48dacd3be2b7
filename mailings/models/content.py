"""What is sent, and to whom: clients, lists, messages. Each row has one owner."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings import addresses, unseen
from mailings.layouts import Layout
from mailings.models import staying
from mailings.states import Outcome


class ClientQuerySet(models.QuerySet["Client"]):
    @transaction.atomic
    def delete(self) -> tuple[int, dict[str, int]]:
        staying.may_go(self.order_by().values_list("owner_id", flat=True).distinct())
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class Client(models.Model):
    """A person the owner writes to. One row per owner and mailbox."""

    # Without an index of its own: those below begin with it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        related_name="clients",
        editable=False,
        db_index=False,
    )
    # As it was typed, but for what cannot be seen; and what addresses are compared by.
    email = models.CharField(_("e-mail"), max_length=addresses.MAX_LENGTH)
    email_normalised = models.CharField(max_length=addresses.MAX_LENGTH, editable=False)
    full_name = models.CharField(_("full name"), max_length=200, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    consent_source = models.CharField(_("how they agreed"), max_length=200, blank=True)
    consent_at = models.DateField(_("when they agreed"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    objects = ClientQuerySet.as_manager()

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        constraints = [
            # Import, forms and API agree on what "the same client" is.
            models.UniqueConstraint(
                fields=["owner", "email_normalised"], name="client_address_unique_per_owner"
            ),
            # Who writes rows without `save` cannot make two clients of one mailbox either.
            models.CheckConstraint(
                condition=models.Q(email_normalised=Lower("email_normalised")),
                name="client_mailbox_is_lower_case",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "full_name", "id"], name="client_by_name"),
            models.Index(fields=["owner", "-created_at"], name="client_by_age"),
            # The home page counts distinct addresses.
            models.Index(fields=["email_normalised"], name="client_by_address"),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} <{self.email}>" if self.full_name else self.email

    def clean(self) -> None:
        self._tidy()
        self.email = addresses.clean(self.email)
        if not self.email:
            return  # the field itself says that it is required
        try:
            self.email, self.email_normalised = addresses.read(self.email)
        except ValidationError as error:
            raise ValidationError({"email": error}) from error

    def save(self, *args: Any, **kwargs: Any) -> None:
        self._tidy()
        if not self.email_normalised or kwargs.get("update_fields") is None:
            self.email, self.email_normalised = addresses.read(self.email)
        super().save(*args, **kwargs)

    def _tidy(self) -> None:
        for name in ("full_name", "comment", "consent_source"):
            setattr(self, name, unseen.tidy(getattr(self, name)))

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        staying.may_go([self.owner_id])
        return super().delete(*args, **kwargs)

    @property
    def wire(self) -> str:
        """The address as a mail is sent to it."""
        return addresses.Address(self.email, self.email_normalised).wire

    def get_absolute_url(self) -> str:
        return reverse("mailings:client_detail", args=[self.pk])


class ClientList(models.Model):
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="client_lists", editable=False
    )
    name = models.CharField(_("name"), max_length=120)
    clients = models.ManyToManyField(
        Client, related_name="lists", blank=True, verbose_name=_("clients")
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("list")
        verbose_name_plural = _("lists")
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="list_name_unique_per_owner"),
        ]
        ordering: ClassVar[list[str]] = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mailings:list_detail", args=[self.pk])


class Message(models.Model):
    """Subject and body with `{{ variables }}`; the body is sanitised HTML."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="messages", editable=False
    )
    subject = models.CharField(_("subject"), max_length=200)
    preheader = models.CharField(
        _("preheader"),
        max_length=200,
        blank=True,
        help_text=_("The grey line beside the subject in the list of letters."),
    )
    layout = models.CharField(
        _("layout"), max_length=12, choices=Layout, default=Layout.LETTER, db_default=Layout.LETTER
    )
    body = models.TextField(_("body"))
    text = models.TextField(_("text version"), blank=True, default="", db_default="")
    """Empty: made of the body."""
    version = models.PositiveIntegerField(default=1, db_default=1, editable=False)
    """Grows with every save: who writes over a text must have seen it."""
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [models.Index(fields=["owner", "-updated_at"], name="message_by_change")]

    def __str__(self) -> str:
        return self.subject

    def get_absolute_url(self) -> str:
        return reverse("mailings:message_detail", args=[self.pk])


class MessageDraft(models.Model):
    """What its owner wrote in the editor and has not saved: kept by itself while they write. It
    becomes the message only when they save it, so no mailing ever sends it."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="message_drafts", editable=False
    )
    message = models.ForeignKey(Message, models.CASCADE, null=True, related_name="drafts")
    key = models.CharField(max_length=32, blank=True)
    """Tells apart the new messages that somebody writes at once; an old one has none."""
    content = models.JSONField()
    began_with = models.PositiveIntegerField(default=0)
    """The message's version that was changed."""
    revision = models.CharField(max_length=16)
    """Another one with every change: who writes over a draft must have seen it."""
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = _("draft of a message")
        verbose_name_plural = _("drafts of messages")
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "message"],
                condition=models.Q(message__isnull=False),
                name="draft_unique_per_message",
            ),
            models.UniqueConstraint(
                fields=["owner", "key"],
                condition=models.Q(message__isnull=True),
                name="draft_unique_per_new_message",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "-updated_at"], name="draft_by_age"),
            models.Index(fields=["updated_at"], name="draft_to_prune"),
        ]

    def __str__(self) -> str:
        return str(self.content.get("subject", ""))


class Picture(models.Model):
    """An image of the owner's library, redrawn and fit for a letter. Its file is public: clients'
    mail programs fetch it by a name that nobody can guess."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="pictures", editable=False
    )
    name = models.CharField(_("name"), max_length=120)
    file = models.ImageField(
        _("file"), upload_to="letters", width_field="width", height_field="height"
    )
    width = models.PositiveIntegerField(editable=False)
    height = models.PositiveIntegerField(editable=False)
    size = models.PositiveIntegerField(editable=False)  # bytes
    created_at = models.DateTimeField(_("added"), auto_now_add=True)

    class Meta:
        verbose_name = _("picture")
        verbose_name_plural = _("pictures")
        indexes = [models.Index(fields=["owner", "-created_at", "-id"], name="picture_by_age")]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("mailings:picture_list")

    @property
    def file_name(self) -> str:
        return str(self.file.name).rpartition("/")[2]

    @property
    def address(self) -> str:
        """Return the address as a message's body holds it: the site's own is put before it when
        the mail is made."""
        return f"{settings.MEDIA_URL}{self.file.name}"


class Proof(models.Model):
    """A test send: a message sent to its owner only. Counted nowhere, kept for a few days."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="proofs", editable=False
    )
    message = models.ForeignKey(Message, models.CASCADE, related_name="proofs", editable=False)
    client = models.ForeignKey(
        Client, models.SET_NULL, null=True, blank=True, related_name="+", editable=False
    )
    """As whom it is filled in; none: the owner."""
    address = models.CharField(max_length=addresses.MAX_LENGTH)
    requested_at = models.DateTimeField(auto_now_add=True)
    # Taken by a worker; what became of it.
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    outcome = models.CharField(max_length=12, blank=True, choices=Outcome, editable=False)
    code = models.PositiveSmallIntegerField(null=True, editable=False)
    reply = models.TextField(blank=True, editable=False)

    class Meta:
        verbose_name = _("test send")
        verbose_name_plural = _("test sends")
        indexes = [
            models.Index(fields=["owner", "-requested_at"], name="proof_by_age"),
            models.Index(
                fields=["requested_at"],
                name="proof_waiting",
                condition=models.Q(started_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.message} → {self.address}"
