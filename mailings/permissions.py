"""Who may see and do what: the only source of querysets for every door.

`owned` is for the cabinet and the API: the user's own rows, also for a manager.
`visible` is for the Wagtail admin and reports: own rows, or all rows for a manager.
A row outside the queryset is a 404, the same as one that does not exist.
"""

from typing import Protocol, TypeVar

from allauth.account.models import EmailAddress
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db import models
from django.utils.translation import gettext as _

from accounts.models import User
from mailings.errors import Refused
from mailings.models import (
    Attempt,
    Client,
    ClientDeletion,
    ClientList,
    Consent,
    ConsentText,
    Delivery,
    Event,
    Hit,
    Import,
    Mailing,
    Message,
    MessageDraft,
    PastMailing,
    PastRun,
    Picture,
    Proof,
    Run,
    Segment,
    SenderDomain,
    SubscribeForm,
    SubscribeRequest,
    Suppression,
    TrackedLink,
)

Row = TypeVar("Row", bound=models.Model)


class Owned(Protocol):
    """A row that belongs to somebody; of the stop-list, perhaps to nobody."""

    @property
    def owner_id(self) -> int | None: ...


OWNER_PATH: dict[type[models.Model], str] = {
    Client: "owner",
    ClientDeletion: "owner",
    ClientList: "owner",
    Segment: "owner",
    Message: "owner",
    MessageDraft: "owner",
    Picture: "owner",
    Proof: "owner",
    Mailing: "owner",
    Suppression: "owner",
    SenderDomain: "owner",
    Import: "owner",
    SubscribeForm: "owner",
    SubscribeRequest: "form__owner",
    ConsentText: "owner",
    Consent: "owner",
    PastMailing: "owner",
    PastRun: "mailing__owner",
    Run: "mailing__owner",
    Delivery: "run__mailing__owner",
    Attempt: "delivery__run__mailing__owner",
    Event: "run__mailing__owner",
    Hit: "run__mailing__owner",
    TrackedLink: "owner",
}


def owned(model: type[Row], user: User | AnonymousUser) -> models.QuerySet[Row]:
    """Return the rows that belong to `user`; mail services, workers and reports that fit no
    delivery belong to nobody."""
    rows = model._default_manager.all()
    if not user.is_authenticated or not user.is_active or model not in OWNER_PATH:
        return rows.none()
    return rows.filter(**{OWNER_PATH[model]: user})


def is_manager(user: User | AnonymousUser) -> bool:
    """Managers (and superusers) see everybody's rows and stop mailings; they edit nothing."""
    return user.is_active and user.has_perm("mailings.stop_mailing")


def visible(model: type[Row], user: User | AnonymousUser) -> models.QuerySet[Row]:
    """Return the rows that `user` may see in the admin."""
    if is_manager(user):
        return model._default_manager.all()
    return owned(model, user)


def require_owner(row: Owned, by: User) -> None:
    """Raise `PermissionDenied` unless `by` may change the row: its owner, or a superuser."""
    if not by.is_active or not (row.owner_id == by.pk or by.is_superuser):
        raise PermissionDenied


def require_sender(owner: User) -> None:
    """Raise `Refused` unless mail may leave in the user's name."""
    if not owner.is_active:
        raise Refused(_("The account is blocked, so its mailings do not send."))
    known = EmailAddress.objects.filter(user=owner)
    # An account made by an operator has no address to confirm.
    if known.exists() and not known.filter(verified=True).exists():
        raise Refused(_("Confirm your e-mail address first: we sent you a link."))
