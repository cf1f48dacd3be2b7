"""What follows from an event: the address goes on the stop-list, the mailing is paused.

A mailbox that is dead, or a complaint, at once; letters that come back for now when there were too
many of them. Any other bounce for good is the letter's or the sender's fault and stops nobody.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef, Subquery

from mailings.delivery.runs import holding
from mailings.feedback.notices import Notice
from mailings.models import Delivery, Event, Run
from mailings.models.suppression import SuppressionReason
from mailings.states import ACTIVE_MAILINGS, RETURNED, DeliveryStatus, EventKind
from mailings.suppression import stop_list

STAYED_AFTER = timedelta(days=5)
"""Servers that cannot deliver give up by then (RFC 5321 4.5.4.1): what is not back has stayed."""
LOOKED_AT = 100  # the newest deliveries to a client


def suppress(event: Event, delivery: Delivery, notice: Notice, now: datetime) -> None:
    """Put the address on its owner's stop-list, if the event says that it must not be written to.
    Within the caller's transaction."""
    reason = _reason(event, delivery, notice, now)
    if reason is not None:
        stop_list.suppress(
            delivery.address,
            reason=reason,
            owner_id=delivery.owner_id,
            source=event.diagnostic or notice.reporting_mta,
            run_id=delivery.run_id,
        )


def _reason(
    event: Event, delivery: Delivery, notice: Notice, now: datetime
) -> SuppressionReason | None:
    match event.kind:
        case EventKind.COMPLAINED:
            return SuppressionReason.COMPLAINED
        case EventKind.BOUNCED_HARD:
            return SuppressionReason.BOUNCED if notice.refusal.is_dead_mailbox else None
        case EventKind.BOUNCED_SOFT:
            too_many = soft_bounces(delivery, now) >= settings.SOFT_BOUNCES
            return SuppressionReason.BOUNCED if too_many else None
    return None


def soft_bounces(delivery: Delivery, now: datetime) -> int:
    """Return how many of the owner's letters to this client came back for now, within
    `SOFT_BOUNCE_DAYS` and since the last one that stayed."""
    if delivery.client_id is None:
        return 0
    since = now - timedelta(days=settings.SOFT_BOUNCE_DAYS)
    events = Event.objects.filter(delivery=OuterRef("pk"))
    soft = events.filter(kind=EventKind.BOUNCED_SOFT).values("happened_at")
    rows = (
        Delivery.objects.filter(client=delivery.client_id)
        .annotate(soft_at=Subquery(soft[:1]), came_back=Exists(events.filter(kind__in=RETURNED)))
        .order_by("-pk")
        .values_list("status", "finished_at", "soft_at", "came_back")
    )
    count = 0
    for status, finished_at, soft_at, came_back in rows[:LOOKED_AT]:
        if soft_at is not None:
            if soft_at < since:
                break
            count += 1
        elif (
            status == DeliveryStatus.SENT
            and not came_back
            and finished_at is not None
            and finished_at < now - STAYED_AFTER
        ):
            break
    return count


def pause(run_id: int, kind: EventKind) -> bool:
    """Pause the mailing that is under way, if too much of the run came back or was complained of,
    as `kind` says. A run that is deleted meanwhile has nothing to pause.

    After an owner let it go on, only what has come since counts: they have seen the rest.
    """
    hold: Callable[[int, int, int], bool]
    match kind:
        case EventKind.BOUNCED_HARD:
            least, percent = settings.BOUNCE_PAUSE_LEAST, settings.BOUNCE_PAUSE_PERCENT
            hold = holding.pause_for_returns
        case EventKind.COMPLAINED:
            least, percent = settings.COMPLAINT_PAUSE_LEAST, settings.COMPLAINT_PAUSE_PERCENT
            hold = holding.pause_for_complaints
        case _:
            return False
    runs = Run.objects.select_related("mailing").defer("html", "text")
    run = runs.filter(pk=run_id).first()
    if run is None or run.mailing.status not in ACTIVE_MAILINGS:
        return False
    alike = Event.objects.filter(run=run, kind=kind)
    count = alike.filter(recorded_at__gte=run.mailing.status_at).count()
    sent = run.sent_count + run.uncertain_count
    if count < least or count * 100 <= sent * percent:
        return False
    return hold(run.mailing_id, count, sent)
