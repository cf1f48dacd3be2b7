"""Deliveries that wait although nothing holds them: the sign of a worker that hangs or is missing.

A mailing that is big or a mail service that is slow is no backlog: then something is handed over
all the time. It is one when mail has been due for minutes, the service is said to work, and
nothing reaches it.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet

from mailings.delivery.queue import daily_limit
from mailings.models import Chunk, Delivery, Run
from mailings.models.transport import BreakerState
from mailings.states import DeliveryStatus, MailingStatus, RunStatus

log = logging.getLogger(__name__)

PATIENCE = timedelta(minutes=2)
TOLD = 5
"""Runs named in one alert."""


def stuck_runs(now: datetime) -> QuerySet[Run]:
    """Return the runs whose due deliveries nobody has sent for too long, and nobody sends now."""
    since = now - PATIENCE
    transports = daily_limit.in_use()
    transport = transports[0] if transports else None
    if transport is not None and (
        all(daily_limit.today(row, now).is_used_up for row in transports)
        or transport.breaker_state != BreakerState.CLOSED
        or (transport.last_ok_at is not None and transport.last_ok_at >= since)
        or (transport.last_error_at is not None and transport.last_error_at >= since)
    ):
        return Run.objects.none()
    mine = Delivery.objects.filter(run=OuterRef("pk"))
    again = [DeliveryStatus.DEFERRED, DeliveryStatus.UNCERTAIN]
    return Run.objects.filter(
        Exists(Chunk.objects.filter(run=OuterRef("pk")))
        | Exists(mine.with_status(*again).filter(next_attempt_at__lt=since)),
        Q(mailing__end_at=None) | Q(mailing__end_at__gt=now),
        status=RunStatus.SENDING,
        created_at__lt=since,
        mailing__status=MailingStatus.RUNNING,
        mailing__status_at__lt=since,  # not one that was resumed just now
        mailing__owner__is_active=True,
    )


def alert(now: datetime) -> None:
    """Say in the log which runs are stuck; once a minute as long as they are."""
    for run in stuck_runs(now).order_by("pk")[:TOLD]:
        log.error("run_is_stuck", extra={"run_id": run.pk, "mailing_id": run.mailing_id})
