"""Whom a mailing goes to: the one definition, for counting in a form and for freezing a run."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Exists, F, OuterRef, QuerySet, Value

from mailings.models import Client, ClientList, Mailing

OnList = ClientList.clients.through


def chosen(
    owner_id: int,
    lists: Iterable[ClientList],
    clients: Iterable[Client],
    *,
    everybody: bool = False,
    but_lists: Iterable[ClientList] = (),
    but_clients: Iterable[Client] = (),
) -> QuerySet[Client]:
    """Return `everybody`, or the owner's clients on any of the lists or among the single ones, each
    once, without those on the excluded lists or excluded singly. Exclusion is stronger.

    A UNION, because PostgreSQL answers `IN (…) OR IN (…)` by comparing each with each as soon as
    a list does not fit into its `work_mem`: hours for a million clients.
    """
    rows = Client.objects.filter(owner_id=owner_id)
    if not everybody:
        on_lists = OnList.objects.filter(clientlist__in=lists)
        if not isinstance(clients, QuerySet):
            clients = Client.objects.filter(pk__in=_ids(clients))
        either = on_lists.order_by().values("client_id").union(clients.order_by().values("pk"))
        rows = rows.filter(pk__in=either)
    but_on_lists = OnList.objects.filter(clientlist__in=but_lists, client=OuterRef("pk"))
    return rows.filter(~Exists(but_on_lists)).exclude(pk__in=_ids(but_clients))


def recipients_of(mailing: Mailing) -> QuerySet[Client]:
    """Return the mailing's recipients as they are now; its next run freezes them."""
    return chosen(
        mailing.owner_id,
        mailing.lists.all(),
        mailing.clients.all(),
        everybody=mailing.to_all,
        but_lists=mailing.excluded_lists.all(),
        but_clients=mailing.excluded_clients.all(),
    )


def chosen_ids(mailing: Mailing) -> dict[str, list[int]]:
    """Return the ids of what the mailing's four relations name, by one query for all of them."""
    found: dict[str, list[int]] = {}
    parts: list[QuerySet[Any, Any]] = []
    for name in ("lists", "clients", "excluded_lists", "excluded_clients"):
        relation: Any = Mailing._meta.get_field(name)
        found[name] = []
        rows = relation.remote_field.through.objects.filter(mailing=mailing)
        parts.append(rows.values_list(Value(name), F(relation.m2m_reverse_field_name())))
    for name, pk in parts[0].union(*parts[1:], all=True):
        found[name].append(pk)
    return found


def _ids(clients: Iterable[Client]) -> Any:
    return clients.values("pk") if isinstance(clients, QuerySet) else [c.pk for c in clients]
