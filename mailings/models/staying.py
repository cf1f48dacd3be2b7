"""Nobody is deleted while a run with them is being frozen, and nobody is frozen while they go.

The ledger has no foreign keys (docs/decisions/0005), so nothing else would tell a deletion of
deliveries that another transaction has not committed yet. A lock for each owner does, shared
between freezings: docs/decisions/0025. Both sides take it before they look at any row. SQLite needs
none: its transactions are IMMEDIATE, one writes at a time.
"""

from collections.abc import Iterable

from django.db import connection, transaction

_PURPOSE = 0x7374  # of the pairs of numbers that advisory locks have; none else are taken
_MOST = 1 << 31


def keep_all_of(owner_id: int) -> None:
    """Let none of the owner's clients be deleted until this transaction ends."""
    _lock("pg_advisory_xact_lock_shared", owner_id)


def may_go(owner_ids: Iterable[int]) -> None:
    """Wait until nobody holds these owners' clients; before they are let go of and deleted."""
    for owner_id in sorted(set(owner_ids)):
        _lock("pg_advisory_xact_lock", owner_id)


def _lock(function: str, owner_id: int) -> None:
    if connection.vendor != "postgresql":
        return
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("a lock of a transaction, and there is none")
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s, %s)", [_PURPOSE, owner_id % _MOST])
