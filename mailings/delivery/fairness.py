"""Whose turn it is: a claim is shared among owners first, then among each owner's runs, so that
a big mailing never starves a small one. The order is drawn anew each time; nobody is first twice
but by chance.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from mailings.models import Delivery, Run
from mailings.states import DeliveryStatus, MailingStatus, RunStatus

AGAIN = (DeliveryStatus.DEFERRED, DeliveryStatus.UNCERTAIN)


@dataclass(frozen=True, slots=True)
class Share:
    """Deliveries of one run, locked for this transaction, and what a claim must know of it."""

    run_id: int
    mailing_id: int
    owner_id: int
    until: datetime | None  # no retry from here on: the mailing's end or next occurrence
    delivery_ids: list[int]


def shares(limit: int, now: datetime, *, mailing_id: int | None = None) -> Iterator[Share]:
    """Lock up to `limit` due deliveries, a fair share of each owner and run that has any."""
    runs_of = defaultdict(list)
    for run in _sending_runs(now, mailing_id).select_related("mailing"):
        runs_of[run.mailing.owner_id].append(run)
    owners = random.sample(sorted(runs_of), len(runs_of))
    left = limit
    for place, owner_id in enumerate(owners):
        owners_left = left if place == len(owners) - 1 else _part(left, len(owners) - place)
        runs = random.sample(runs_of[owner_id], len(runs_of[owner_id]))
        for number, run in enumerate(runs):
            ids = _lock(run, _part(owners_left, len(runs) - number), now)
            owners_left -= len(ids)
            left -= len(ids)
            if ids:
                yield _share(run, ids)
            if owners_left <= 0:
                break
        if left <= 0:
            return


def _part(amount: int, parts: int) -> int:
    """Return one of `parts` equal parts, rounded up."""
    return -(-amount // parts)


def _share(run: Run, ids: list[int]) -> Share:
    mailing = run.mailing
    limits = [at for at in (mailing.end_at, mailing.next_run_at) if at is not None]
    return Share(run.pk, mailing.pk, mailing.owner_id, min(limits, default=None), ids)


def has_due(now: datetime, *, mailing_id: int | None = None) -> bool:
    return _sending_runs(now, mailing_id).exists()


def count_due(now: datetime, *, mailing_id: int | None = None) -> int:
    due = Q(status=DeliveryStatus.PENDING) | Q(status__in=AGAIN, next_attempt_at__lte=now)
    return Delivery.objects.filter(due, run__in=_sending_runs(now, mailing_id)).count()


def _sending_runs(now: datetime, mailing_id: int | None) -> QuerySet[Run]:
    """Return the runs that may send now and seem to have something due."""
    counted = sum((F(f"{name}_count") for name in Run.COUNTED[1:]), F(f"{Run.COUNTED[0]}_count"))
    due_again = Delivery.objects.filter(
        run=OuterRef("pk"), status__in=AGAIN, next_attempt_at__lte=now
    )
    rows = Run.objects.filter(
        Q(mailing__end_at=None) | Q(mailing__end_at__gt=now),
        Q(targeted__gt=counted) | Exists(due_again),
        status=RunStatus.SENDING,
        mailing__status=MailingStatus.RUNNING,
        mailing__owner__is_active=True,
    ).defer("html", "text")
    return rows if mailing_id is None else rows.filter(mailing=mailing_id)


def _lock(run: Run, limit: int, now: datetime) -> list[int]:
    """Lock due deliveries of the run that no other worker is looking at."""
    rows = Delivery.objects.filter(run=run).select_for_update(skip_locked=True, no_key=True)
    ids: list[int] = []
    if run.deferred_count or run.uncertain_count:
        again = rows.with_status(*AGAIN).filter(next_attempt_at__lte=now)
        ids += again.order_by("next_attempt_at", "pk").values_list("pk", flat=True)[:limit]
    if len(ids) < limit:
        fresh = rows.with_status(DeliveryStatus.PENDING).order_by("pk")
        ids += fresh.values_list("pk", flat=True)[: limit - len(ids)]
    return ids
