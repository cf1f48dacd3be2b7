"""Whether anybody sends: the newest sign of life of any worker."""

from datetime import datetime, timedelta

from django.db.models import Max, Subquery

from mailings.models import WorkerLease

SILENT_AFTER = timedelta(minutes=3)
"""Workers show themselves every minute. A lease may outlive its worker by far, a heartbeat not."""


def newest() -> datetime | None:
    """Return when a worker showed itself last; None if there is none."""
    found: datetime | None = WorkerLease.objects.aggregate(newest=Max("heartbeat_at"))["newest"]
    return found


def newest_column() -> Subquery:
    """Return the same as a column of another query."""
    return Subquery(WorkerLease.objects.order_by("-heartbeat_at").values("heartbeat_at")[:1])


def is_fresh(heartbeat_at: datetime | None, now: datetime) -> bool:
    return heartbeat_at is not None and now - heartbeat_at <= SILENT_AFTER


def is_alive(now: datetime) -> bool:
    """Return whether a worker is alive: else mail waits, and somebody has to start one."""
    return is_fresh(newest(), now)
