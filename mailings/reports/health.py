"""How the mail service does, as an owner needs to know it: does my mail go out?

Mail services and workers belong to nobody, so nothing of theirs is told but whether they work.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet

from accounts.models import User
from mailings import permissions
from mailings.delivery import heartbeat
from mailings.models import Chunk, Delivery, PastRun, Run, Transport
from mailings.models.transport import BreakerState
from mailings.reports.sums import Summed
from mailings.states import DeliveryStatus, MailingStatus, RunStatus

PATIENCE = timedelta(minutes=2)
"""A delivery that has been due for longer than this, with nobody to send it, needs a person."""

OPEN_RUNS = (RunStatus.PREPARING, RunStatus.SENDING)


@dataclass(frozen=True, slots=True)
class Health:
    is_set_up: bool
    """There is a mail service in use."""
    is_away: bool
    """None of them takes mail now."""
    again_at: datetime | None
    last_ok_at: datetime | None
    worker_alive: bool
    queued: int
    sent_today: int

    @property
    def is_well(self) -> bool:
        return self.worker_alive and not self.is_away


def health(owner: User, now: datetime) -> Health:
    """Return it by two small queries."""
    services = Transport.objects.filter(is_active=True).aggregate(
        number=Count("pk"),
        working=Count("pk", filter=~Q(breaker_state=BreakerState.OPEN)),
        again_at=Min("breaker_until", filter=Q(breaker_state=BreakerState.OPEN)),
        last_ok_at=Max("last_ok_at"),
    )
    midnight = now.astimezone(owner.zone).replace(hour=0, minute=0, second=0, microsecond=0)
    settled = reduce(add, (F(f"{name}_count") for name in Run.COUNTED if name != "deferred"))
    runs, past = permissions.owned(Run, owner), permissions.owned(PastRun, owner)
    found: Any = User.objects.filter(pk=owner.pk).values(
        queued=Summed(runs.filter(status__in=OPEN_RUNS), F("targeted") - settled),
        sent=Summed(runs.filter(started_at__gte=midnight), "sent_count"),
        sent_then=Summed(past.filter(started_at__gte=midnight), "sent_count"),
        heartbeat_at=heartbeat.newest_column(),
    )[0]
    return Health(
        is_set_up=services["number"] > 0,
        is_away=services["number"] > 0 and not services["working"],
        again_at=services["again_at"],
        last_ok_at=services["last_ok_at"],
        worker_alive=heartbeat.is_fresh(found["heartbeat_at"], now),
        queued=found["queued"],
        sent_today=found["sent"] + found["sent_then"],
    )


def waits_too_long(runs: QuerySet[Run], now: datetime) -> bool:
    """Whether something of these runs is due, and has been for a while."""
    since = now - PATIENCE
    untried = Exists(Chunk.objects.filter(run=OuterRef("pk")))
    again = Exists(
        Delivery.objects.filter(
            run=OuterRef("pk"), next_attempt_at__lt=since, status=DeliveryStatus.DEFERRED
        )
    )
    sending = runs.filter(status=RunStatus.SENDING, mailing__status=MailingStatus.RUNNING)
    return sending.filter(Q(untried, created_at__lt=since) | Q(again)).exists()
