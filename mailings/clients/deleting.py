"""Deletes clients: a few within the request, very many in the background.

Of the latter the rows are the queue: whatever a worker had not committed when it died, the next one
finds. Two workers at one deletion do not harm it; the second leaves it to the first.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import DatabaseError, connection, transaction
from django.db.models import F, QuerySet

from accounts.models import User
from mailings import permissions
from mailings.clients import bulk
from mailings.models import Client, ClientDeletion, Run
from mailings.signals import clients_leave
from mailings.states import RunStatus

log = logging.getLogger(__name__)

AT_ONCE = 300
"""Clients deleted while their owner waits: a tenth of a second, with ten deliveries each."""
DELIVERIES = 5_000
"""Deliveries that one transaction lets go: a quarter of a second, for which SQLite writes nothing
else."""
LONGEST_REST = 1.0  # seconds
KEPT = timedelta(days=90)
"""What is left of a deletion that is done: how many clients, and when."""


def is_for_later(count: int) -> bool:
    """Return whether so many clients are deleted in the background."""
    return count > AT_ONCE


def delete(*, chosen: QuerySet[Client], by: User) -> ClientDeletion | int:
    """Delete the clients, who are gone for all that their owner sees and sends; return how many
    that were, or the deletion that goes on in the background."""
    if not is_for_later(chosen.order_by()[: AT_ONCE + 1].count()):
        return bulk.delete(chosen=chosen, by=by)
    deletion = bulk.take_away(chosen=chosen, by=by)
    transaction.on_commit(lambda: clients_leave.send_robust(ClientDeletion))
    return deletion


def open_of(owner: User) -> ClientDeletion | None:
    """Return the owner's oldest deletion that is not done."""
    return permissions.owned(ClientDeletion, owner).filter(finished_at=None).order_by("pk").first()


def run_waiting(
    clock: Callable[[], datetime],
    *,
    stopping: Callable[[], bool],
    rest: Callable[[float], None] = time.sleep,
) -> None:
    """Go on with each deletion that is not done, the oldest first; forget those of long ago."""
    ClientDeletion.objects.filter(finished_at__lt=clock() - KEPT).delete()
    for pk in list(_open().order_by("pk").values_list("pk", flat=True)):
        try:
            _run(pk, clock, stopping, rest)
        except DatabaseError as error:
            # Nothing is lost: the next sweep goes on.
            log.warning("deletion_interrupted", extra={"deletion_id": pk, "error": error})
            connection.close_if_unusable_or_obsolete()


def _run(
    pk: int,
    clock: Callable[[], datetime],
    stopping: Callable[[], bool],
    rest: Callable[[float], None],
) -> None:
    while not stopping():
        began = time.monotonic()
        if not step(pk, clock()):
            return
        # Whoever sends shall have the database for at least half of the time.
        if Run.objects.filter(status=RunStatus.SENDING).exists():
            rest(min(time.monotonic() - began, LONGEST_REST))


@transaction.atomic
def step(pk: int, now: datetime) -> bool:
    """Do a part of the deletion; return whether there is more that can be done now."""
    rows = _open().filter(pk=pk).select_for_update(skip_locked=True)
    deletion = rows.first()
    if deletion is None:  # another worker is at it, or its owner is deleted
        return False
    clients, deliveries = bulk.remove_some(deletion, most=DELIVERIES)
    if clients:
        _open().filter(pk=pk).update(deleted=F("deleted") + clients)
    if clients or deliveries:
        return True
    if not Client._base_manager.filter(deletion=deletion).exists():
        _open().filter(pk=pk).update(deleted=F("number"), finished_at=now)
    return False  # done; or what is left is being written to, and the next sweep comes


def _open() -> QuerySet[ClientDeletion]:
    return ClientDeletion.objects.filter(finished_at=None)
