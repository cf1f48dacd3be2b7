"""What is done with many clients at once – those ticked, or all that were found – by a few
statements, however many they are."""

from itertools import islice

from django.db import connection, models, transaction
from django.db.models import ManyToOneRel, QuerySet

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.models import Client, ClientList, staying
from mailings.models.tracking import forget_hits
from mailings.signals import figures_changed

CHUNK = 1_000
"""Clients deleted in one transaction: with ten deliveries each it takes a quarter of a second, for
which whoever sends mail may have to wait."""


@transaction.atomic
def put_on_list(*, chosen: QuerySet[Client], target: ClientList, by: User) -> int:
    """Put the clients on the list; return how many were chosen."""
    permissions.require_owner(target, by)
    staying.keep_all_of(
        target.owner_id
    )  # whoever went meanwhile would break the list's foreign key
    sql, params = chosen.order_by().values("pk").query.sql_with_params()
    statement = (
        "INSERT INTO mailings_clientlist_clients (clientlist_id, client_id)"  # noqa: S608 - the ORM's
        f" SELECT %s, id FROM mailings_client WHERE id IN ({sql}) AND owner_id = %s"
        " ON CONFLICT DO NOTHING"
    )
    count = chosen.count()
    with connection.cursor() as cursor:
        cursor.execute(statement, [target.pk, *params, target.owner_id])
    return count


def take_off_list(*, chosen: QuerySet[Client], target: ClientList, by: User) -> int:
    """Take the clients off the list; return how many were on it."""
    permissions.require_owner(target, by)
    members = ClientList.clients.through.objects.filter(
        clientlist=target, client__in=chosen.order_by().values("pk")
    )
    return members._raw_delete(members.db)


def delete(*, chosen: QuerySet[Client], by: User) -> int:
    """Delete the clients; what waits for them is skipped, what was sent stays in the log.

    A chunk at a time: what was deleted before something went wrong stays so, and is in the audit.
    """
    pks = iter(list(chosen.filter(owner=by).order_by("pk").values_list("pk", flat=True)))
    deleted = 0
    try:
        while chunk := list(islice(pks, CHUNK)):
            with transaction.atomic():
                staying.may_go([by.pk])
                gone = _remove_chunk(chunk)
            deleted += gone
    finally:
        if deleted:
            audit.record(Action.DELETE_CLIENTS, by, by, str(deleted))
            transaction.on_commit(lambda: figures_changed.send_robust(Client))
    return deleted


def remove(pks: list[int]) -> None:
    """Delete the clients within the caller's transaction; who asks is checked by the caller."""
    for first in range(0, len(pks), CHUNK):
        _remove_chunk(pks[first : first + CHUNK])


def _remove_chunk(pks: list[int]) -> int:
    forget_hits(pks)
    _let_go(pks)
    rows = Client.objects.filter(pk__in=pks)
    return rows._raw_delete(rows.db)


def _let_go(pks: list[int]) -> None:
    """Take clients out of whatever refers to them, as `Client.delete` would, row by row."""
    for relation in Client._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel):
            continue
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": pks})
        if relation.on_delete is models.SET_NULL:
            rows.update(**{relation.field.name: None})
        else:
            rows._raw_delete(rows.db)


def record_export(*, count: int, kind: str, by: User) -> None:
    """Write into the audit that `by` took so many clients away as a file of that kind."""
    audit.record(Action.EXPORT, by, by, f"{count} × {Client._meta.verbose_name}, {kind.upper()}")
