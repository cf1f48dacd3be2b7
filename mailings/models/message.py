"""What is sent: messages, their drafts, pictures and test sends. Each row has one owner."""

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings.addressing import addresses
from mailings.models.client import Client
from mailings.states import Layout, Outcome


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
