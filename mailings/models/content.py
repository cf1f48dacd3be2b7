"""What is sent, and to whom: clients, lists, messages. Each row has one owner."""

from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings import addresses


class Client(models.Model):
    """A person the owner writes to. One row per owner and normalised address."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="clients", editable=False
    )
    email = models.CharField(_("e-mail"), max_length=addresses.MAX_LENGTH)
    email_normalised = models.CharField(max_length=addresses.MAX_LENGTH, editable=False)
    full_name = models.CharField(_("full name"), max_length=200, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    consent_source = models.CharField(_("how they agreed"), max_length=200, blank=True)
    consent_at = models.DateField(_("when they agreed"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"), auto_now_add=True)
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    class Meta:
        verbose_name = _("client")
        verbose_name_plural = _("clients")
        constraints = [
            # Import, forms and API agree on what "the same client" is.
            models.UniqueConstraint(
                fields=["owner", "email_normalised"], name="client_address_unique_per_owner"
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
        self.email = self.email.strip()
        if not self.email:
            return  # the field itself says that it is required
        try:
            self.email_normalised = addresses.normalise(self.email)
        except ValidationError as error:
            raise ValidationError({"email": error}) from error

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.email_normalised or kwargs.get("update_fields") is None:
            self.email_normalised = addresses.normalise(self.email)
        super().save(*args, **kwargs)

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
    body = models.TextField(_("body"))
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
