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
    FORM = "form", _("by a form")


class ClientQuerySet(models.QuerySet["Client"]):
    """Rows that are deleted only when no run is being frozen with them."""

    @transaction.atomic
    def delete(self) -> tuple[int, dict[str, int]]:
        staying.may_go(self.order_by().values_list("owner_id", flat=True).distinct())
        return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]


class ClientManager(models.Manager["Client"]):
    """All clients but those who belong to nobody any more; `_base_manager` knows them, too."""

    def get_queryset(self) -> ClientQuerySet:
        return ClientQuerySet(self.model, using=self._db).filter(owner__isnull=False)


class ClientDeletion(models.Model):
    """Very many clients that are being deleted in the background.

    They are taken from their owner at once, so that nobody writes to them or sees them any more;
    a worker then lets the ledger go of them and deletes the rows: docs/decisions/0074.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="+", editable=False
    )
    number = models.PositiveIntegerField(_("clients"), default=0)
    deleted = models.PositiveIntegerField(_("deleted"), default=0)
    created_at = models.DateTimeField(_("asked for"), auto_now_add=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)

    class Meta:
        verbose_name = _("deletion of clients")
        verbose_name_plural = _("deletions of clients")

    def __str__(self) -> str:
        return f"{self.pk}: {self.deleted} of {self.number}"

    def get_absolute_url(self) -> str:
        return reverse("mailings:client_deletion", args=[self.pk])

    @property
    def percent(self) -> int:
        """How many of the rows are gone, 0 to 100."""
        return min(100, self.deleted * 100 // self.number) if self.number else 100


class Client(models.Model):
    """A person the owner writes to. One row per owner and mailbox."""

    # Without an index of its own: those below begin with it. Empty: on their way out, by
    # `deletion`; the mailbox is free again, and who asks for an owner's clients does not see them.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="clients",
        editable=False,
        db_index=False,
    )
    # Without a constraint, whose trigger would cost as much as all else for each row marked.
    deletion = models.ForeignKey(
        ClientDeletion,
        models.CASCADE,
        null=True,
        related_name="clients",
        editable=False,
        db_index=False,
        db_constraint=False,
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

    objects = ClientManager()

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
            models.CheckConstraint(
                condition=models.Q(owner__isnull=False, deletion__isnull=True)
                | models.Q(owner__isnull=True, deletion__isnull=False),
                name="client_has_an_owner_or_goes",
            ),
        ]
        indexes = [
            models.Index(fields=["owner", "full_name", "id"], name="client_by_name"),
            models.Index(fields=["owner", "-created_at"], name="client_by_age"),
            # The home page counts distinct addresses.
            models.Index(fields=["email_normalised"], name="client_by_address"),
            models.Index(
                fields=["deletion", "id"],
                name="client_on_the_way_out",
                condition=models.Q(deletion__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.full_name} <{self.email}>" if self.full_name else self.email

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.email_normalised or kwargs.get("update_fields") is None:
            self.email, self.email_normalised = addresses.read(self.email)
        super().save(*args, **kwargs)

    @transaction.atomic
    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        if self.owner_id is not None:
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
