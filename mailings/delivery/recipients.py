"""Whom a mailing goes to: the one definition, for counting in a form and for freezing a run."""

from collections.abc import Iterable

from django.db.models import QuerySet

from mailings.models import Client, ClientList, Mailing


def chosen(
    owner_id: int, lists: Iterable[ClientList], clients: Iterable[Client]
) -> QuerySet[Client]:
    """Return the owner's clients on any of the lists or among the single ones, each once.

    A UNION, because PostgreSQL answers `IN (…) OR IN (…)` by comparing each with each as soon as
    a list does not fit into its `work_mem`: hours for a million clients.
    """
    on_lists = ClientList.clients.through.objects.filter(clientlist__in=lists)
    if not isinstance(clients, QuerySet):
        clients = Client.objects.filter(pk__in=[client.pk for client in clients])
    either = on_lists.order_by().values("client_id").union(clients.order_by().values("pk"))
    return Client.objects.filter(pk__in=either, owner_id=owner_id)


def recipients_of(mailing: Mailing) -> QuerySet[Client]:
    """Return the mailing's recipients as they are now; its next run freezes them."""
    return chosen(mailing.owner_id, mailing.lists.all(), mailing.clients.all())
