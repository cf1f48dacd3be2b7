"""To whom mail is sent: clients and their lists. Each row has one owner."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from mailings.addressing import addresses
from mailings.models import staying

MAX_NAME = MAX_SOURCE = 200  # characters


class ClientOrigin(models.TextChoices):
    """How a client came; empty: before this was kept."""

    HAND = "hand", _("by hand")
    IMPORT = "import", _("with a file")


class ClientQuerySet(models.QuerySet["Client"]):
    """Rows that are deleted only when no run is being frozen with them."""

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
    full_name = models.CharField(_("full name"), max_length=MAX_NAME, blank=True)
    comment = models.TextField(_("comment"), blank=True)
    attributes = models.JSONField(_("attributes"), default=dict, blank=True)
    consent_source = models.CharField(_("how they agreed"), max_length=MAX_SOURCE, blank=True)
    consent_at = models.DateField(_("when they agreed"), null=True, blank=True)
    came_by = models.CharField(
        _("how they came"),
        max_length=8,
        choices=ClientOrigin,
        blank=True,
        default="",
        db_default="",
        editable=False,
    )
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

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.email_normalised or kwargs.get("update_fields") is None:
            self.email, self.email_normalised = addresses.read(self.email)
        super().save(*args, **kwargs)

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
    """A named set of one owner’s clients, who may be on several."""

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
