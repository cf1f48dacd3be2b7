"""What is done with many clients at once – those ticked, or all that were found – by a few
statements, however many they are."""

from typing import Any

from django.db import connection, models, transaction
from django.db.models import ManyToOneRel, QuerySet

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.consents import ledger
from mailings.models import Client, ClientDeletion, ClientList, Delivery, staying
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


@transaction.atomic
def delete(*, chosen: QuerySet[Client], by: User) -> int:
    """Delete the clients; what waits for them is skipped, what was sent stays in the log.

    For a few: very many are `deleting.delete`'s.
    """
    staying.may_go([by.pk])
    pks = list(chosen.filter(owner=by).order_by("pk").values_list("pk", flat=True))
    remove(pks)
    if pks:
        _record_deletion(len(pks), by)
    return len(pks)


@transaction.atomic
def take_away(*, chosen: QuerySet[Client], by: User) -> ClientDeletion:
    """Take the clients from their owner, all by one statement, to be deleted by a worker.

    From now on nobody sees them or writes to them. Of what refers to them only the ledger still
    does, which may be millions of rows.
    """
    staying.may_go([by.pk])  # a run that is being frozen has them; none will from now on
    deletion = ClientDeletion.objects.create(owner=by)
    ids = chosen.order_by().values("pk")
    deletion.number = Client.objects.filter(pk__in=ids, owner=by).update(
        owner=None, deletion=deletion
    )
    deletion.save(update_fields=["number"])
    # Only now: an import that had one of them in hand has committed where it put them.
    taken = _taken_by(deletion)
    ledger.let_go(taken, owner=by)
    _let_go(taken.values("pk"), but=Delivery)
    _record_deletion(deletion.number, by)
    return deletion


def _record_deletion(number: int, by: User) -> None:
    audit.record(Action.DELETE_CLIENTS, by, by, str(number))
    transaction.on_commit(lambda: figures_changed.send_robust(Client))


def _taken_by(deletion: ClientDeletion) -> QuerySet[Client]:
    return Client._base_manager.filter(deletion=deletion)


def remove_some(deletion: ClientDeletion, *, most: int) -> tuple[int, int]:
    """Let at most so many deliveries go of clients that were taken away, then delete the clients
    that none is left of. Return how many clients, and how many deliveries, that were.

    Within the caller's transaction. It never waits for whoever sends: a delivery that is being
    written to is left for the next time.
    """
    pks = list(_taken_by(deletion).order_by("pk").values_list("pk", flat=True)[:CHUNK])
    theirs = Delivery.objects.filter(client__in=pks)
    free = theirs.select_for_update(skip_locked=True).order_by().values_list("pk", flat=True)
    ids = list(free[:most])
    released = Delivery.objects.filter(pk__in=ids)
    forget_hits(released)
    released.update(client=None)
    left = theirs.order_by().values_list("client", flat=True).distinct()
    gone = sorted(set(pks).difference(left)) if len(ids) < most else []
    return _remove_chunk(gone) if gone else 0, len(ids)


def remove(pks: list[int]) -> None:
    """Delete the clients within the caller's transaction; who asks is checked by the caller."""
    for first in range(0, len(pks), CHUNK):
        _remove_chunk(pks[first : first + CHUNK])


def _remove_chunk(pks: list[int]) -> int:
    rows = Client._base_manager.filter(pk__in=pks)
    ledger.let_go(rows)
    forget_hits(Delivery.objects.filter(client__in=pks))
    _let_go(pks)
    return rows._raw_delete(rows.db)


def _let_go(pks: Any, *, but: type[models.Model] | None = None) -> None:
    """Take clients – ids, or a query of them – out of whatever refers to them, as `Client.delete`
    would, row by row; `but` not out of that."""
    for relation in Client._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel) or relation.related_model is but:
            continue
        rows = relation.related_model._base_manager.filter(**{f"{relation.field.name}__in": pks})
        if relation.on_delete is models.SET_NULL:
            rows.update(**{relation.field.name: None})
        else:
            rows._raw_delete(rows.db)


def record_export(*, count: int, kind: str, by: User) -> None:
    """Write into the audit that `by` took so many clients away as a file of that kind."""
    audit.record(Action.EXPORT, by, by, f"{count} × {Client._meta.verbose_name}, {kind.upper()}")
