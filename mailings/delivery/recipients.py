"""Whom a mailing goes to: the one definition, for counting in a form and for freezing a run."""

from collections.abc import Iterable

from django.db.models import Q, QuerySet

from mailings.models import Client, ClientList, Mailing


def chosen(
    owner_id: int, lists: Iterable[ClientList], clients: Iterable[Client]
) -> QuerySet[Client]:
    """Return the owner's clients on any of the lists or among the single ones, each once."""
    on_lists = ClientList.clients.through.objects.filter(clientlist__in=lists)
    singles = clients.values("pk") if isinstance(clients, QuerySet) else [c.pk for c in clients]
    return Client.objects.filter(
        Q(pk__in=on_lists.values("client_id")) | Q(pk__in=singles), owner_id=owner_id
    )


def recipients_of(mailing: Mailing) -> QuerySet[Client]:
    """Return the mailing's recipients as they are now; its next run freezes them."""
    return chosen(mailing.owner_id, mailing.lists.all(), mailing.clients.all())
