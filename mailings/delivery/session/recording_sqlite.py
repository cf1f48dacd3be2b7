"""The group commit on SQLite, where arrays are not known; within one transaction, and in this
process."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet

from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.session.batches import ResultKind, before, next_attempt
from mailings.models import Attempt, Delivery

_MOVE = """
UPDATE mailings_delivery
SET status = %s, tries = tries + %s, attempt_count = %s, next_attempt_at = %s, finished_at = %s,
  lease_owner = NULL
WHERE id = %s AND attempt_count = %s AND status IN (%s, %s)
"""
_LOG = """
INSERT INTO mailings_attempt (delivery_id, number, transport_id, started_at, duration_ms, step,
  outcome, code, enhanced_code, reply)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""


def write_results(kind: ResultKind, results: list[AttemptResult], now: datetime) -> dict[int, int]:
    """Write results of one kind; return how many deliveries of each run moved."""
    adapt: Callable[[datetime | None], Any] = connection.ops.adapt_datetimefield_value
    finished = adapt(now) if kind.is_settled else None
    allowed = before(kind.status)
    moves = [
        (
            kind.status.value, kind.charged, r.claimed.attempts + 1,
            adapt(next_attempt(r, now)), finished, r.claimed.pk, r.claimed.attempts, *allowed,
        )
        for r in results
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(_MOVE, moves)
        if cursor.rowcount != len(results):
            # Rare: some were settled meanwhile. Which, is told by what they have become.
            results = _those_moved(results)
        cursor.executemany(
            _LOG,
            [
                (
                    r.claimed.pk, r.claimed.attempts + 1, kind.transport_id, adapt(r.started_at),
                    int(r.seconds * 1000), kind.step, kind.outcome.value, r.code, r.enhanced_code,
                    r.reply,
                )
                for r in results
            ],
        )  # fmt: skip
    return Counter(result.claimed.run_id for result in results)


def _those_moved(results: list[AttemptResult]) -> list[AttemptResult]:
    """Return the results whose delivery has their attempt counted and not yet logged."""
    counted = Delivery.objects.filter(pk__in=[r.claimed.pk for r in results])
    counted = counted.filter(~Exists(_logged()))
    numbers = dict(counted.values_list("pk", "attempt_count"))
    return [r for r in results if numbers.get(r.claimed.pk) == r.claimed.attempts + 1]


def _logged() -> QuerySet[Attempt]:
    return Attempt.objects.filter(delivery=OuterRef("pk"), number=OuterRef("attempt_count"))
