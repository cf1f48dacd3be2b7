"""A user is deleted: what goes with them, in an order and in statements that a million rows bear.

Django's own cascade would fetch every row into memory. What is under way is cancelled first, in a
transaction of its own, so that workers hand over nothing more; then all goes in one.
"""

from typing import Any

from django.db import transaction
from django.db.models import Model, Q, QuerySet, Sum
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from accounts.services import Refused
from mailings.clients import bulk
from mailings.delivery.queue.counters import lock_runs
from mailings.messages import pictures
from mailings.models import (
    Attempt,
    Client,
    ClientDeletion,
    Consent,
    Delivery,
    Mailing,
    Message,
    Picture,
    Run,
    SenderDomain,
    SubscribeForm,
    Suppression,
    WorkerLease,
    staying,
)
from mailings.permissions import OWNER_PATH
from mailings.signals import figures_changed
from mailings.states import FINAL, Actor, MailingStatus, RunStatus
from mailings.timing import clock

LEDGER: tuple[type[Model], ...] = (Attempt, Delivery, Consent)
"""What may be a million rows, and what nothing but each other refers to."""


def what_goes(user: User, **kwargs: Any) -> list[str]:
    """Signal receiver: say in words and numbers what a deletion takes along."""
    mailings = Mailing.objects.filter(owner=user)
    active = mailings.exclude(status__in=[MailingStatus.DRAFT, *FINAL[MailingStatus]]).count()
    clients = Client.objects.filter(owner=user).count()
    # By the runs' counters: the rows may be a million.
    sent: int = Run.objects.filter(mailing__owner=user).aggregate(n=Sum("targeted", default=0))["n"]
    messages = Message.objects.filter(owner=user).count()
    forms = SubscribeForm.objects.filter(owner=user).count()
    left = Suppression.objects.filter(owner=user).count()
    domains = SenderDomain.objects.filter(owner=user).count()
    said = [
        (mailings.count(), ngettext("%(count)d mailing", "%(count)d mailings", mailings.count())),
        (active, ngettext(
            "%(count)d of them is under way: what is not sent yet stays unsent",
            "%(count)d of them are under way: what is not sent yet stays unsent", active,
        )),
        (sent, ngettext(
            "%(count)d delivery with its log", "%(count)d deliveries with their log", sent
        )),
        (messages, ngettext("%(count)d message", "%(count)d messages", messages)),
        (clients, ngettext("%(count)d client", "%(count)d clients", clients)),
        (domains, ngettext(
            "%(count)d sender domain with its keys", "%(count)d sender domains with their keys",
            domains,
        )),
        (forms, ngettext("%(count)d subscribe form", "%(count)d subscribe forms", forms)),
        (left, ngettext(
            "%(count)d entry of their suppression list", "%(count)d entries of their suppression"
            " list", left,
        )),
    ]  # fmt: skip
    return [text % {"count": count} for count, text in said if count]


def stop(user: User, by: User, **kwargs: Any) -> None:
    """Signal receiver: cancel the user's mailings, so that no worker begins another letter."""
    Mailing.objects.filter(owner=user).move(
        MailingStatus.CANCELLED,
        status_at=clock.now(),
        status_actor=Actor.MANAGER,
        status_by=by,
        status_reason=_("The account is being deleted."),
        next_run_at=None,
    )


def remove_all(user: User, **kwargs: Any) -> None:
    """Signal receiver: delete all that is the user's, within the caller's transaction.

    `Refused` while a worker has a letter of theirs in hand: its outcome belongs in the log first.
    """
    staying.may_go([user.pk])
    # A worker that deletes clients of theirs finishes its part, and begins no other.
    leaving = ClientDeletion.objects.select_for_update().filter(owner=user)
    deletions = list(leaving.values_list("pk", flat=True))
    open_runs = Run.objects.filter(
        mailing__owner=user, status__in=[RunStatus.PREPARING, RunStatus.SENDING]
    )
    lock_runs(list(open_runs.values_list("pk", flat=True)))
    handed = [pk for ids in WorkerLease.objects.values_list("in_flight", flat=True) for pk in ids]
    if _deliveries(user).filter(pk__in=handed).exists():
        raise Refused(
            _(
                "A letter of theirs is being sent at this moment. Their mailings are cancelled;"
                " delete the user again in a minute."
            )
        )
    for model in LEDGER:
        doomed = model._default_manager.filter(**{OWNER_PATH[model]: user})
        doomed._raw_delete(doomed.db)
    Mailing.objects.filter(owner=user).delete()
    clients = Client._base_manager.filter(Q(owner=user) | Q(deletion__in=deletions))
    bulk.remove(list(clients.order_by("pk").values_list("pk", flat=True)))
    for picture in Picture.objects.filter(owner=user):
        pictures.remove_file(picture)
    transaction.on_commit(lambda: figures_changed.send_robust(Mailing))


def _deliveries(user: User) -> QuerySet[Delivery]:
    return Delivery.objects.filter(run__mailing__owner=user)
