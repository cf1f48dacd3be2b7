"""Keeps a run's counters true: every change of deliveries' status is told to a `Tally`, which is
written in the transaction that makes the change. Queued and sending deliveries have no counter of
their own: they are what the others leave of `targeted`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection

from django.db import connection
from django.db.models import F

from mailings.models import Run
from mailings.states import DeliveryStatus


class CounterChanges:
    def __init__(self) -> None:
        self._changes: dict[int, Counter[str]] = defaultdict(Counter)

    def move(
        self, run_id: int, before: DeliveryStatus, after: DeliveryStatus, number: int = 1
    ) -> None:
        """Note that `number` deliveries of the run went from one status to another."""
        for status, change in ((before, -number), (after, number)):
            if status.value in Run.COUNTED:
                self._changes[run_id][f"{status.value}_count"] += change

    def write(self) -> None:
        # Always in the same order: two workers that hold runs 1 and 2 must not wait in a circle.
        for run_id in sorted(self._changes):
            changes = {name: F(name) + n for name, n in self._changes[run_id].items() if n}
            if changes:
                Run.objects.filter(pk=run_id).update(**changes)
        self._changes.clear()


def lock_runs(run_ids: Collection[int]) -> None:
    """Hold these runs until the transaction's end: whoever settles what is open of them waits."""
    # SQLite has one writer at a time: whoever is in a transaction holds everything.
    if run_ids and connection.features.has_select_for_update:
        rows = Run.objects.select_for_update(no_key=True).filter(pk__in=run_ids)
        list(rows.order_by("pk").values_list("pk", flat=True))
