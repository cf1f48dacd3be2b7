"""What follows from an event: the address goes on the stop-list, the mailing is paused.

A mailbox that is dead, or a complaint, at once; letters that come back for now when there were too
many of them. Any other bounce for good is the letter's or the sender's fault and stops nobody.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Exists, F, OuterRef, Subquery, Window
from django.db.models.functions import RowNumber

from mailings.delivery.runs import holding
from mailings.feedback.notices import Notice
from mailings.models import Delivery, Event
from mailings.models.suppression import SuppressionReason
from mailings.states import ACTIVE_MAILINGS, RETURNED, DeliveryStatus, EventKind
from mailings.suppression import stop_list

STAYED_AFTER = timedelta(days=5)
"""Servers that cannot deliver give up by then (RFC 5321 4.5.4.1): what is not back has stayed."""
LOOKED_AT = 100  # the newest deliveries to a client


def suppress(told: Sequence[tuple[Event, Delivery, Notice]], now: datetime) -> None:
    """Put the addresses on their owners' stop-lists about which the events say that they must not
    be written to. Within the caller's transaction."""
    soft = [delivery for event, delivery, _notice in told if event.kind == EventKind.BOUNCED_SOFT]
    counts = soft_bounces(soft, now)
    entries = []
    for event, delivery, notice in told:
        reason = _reason(event, notice, counts.get(delivery.client_id or 0, 0))
        if reason is not None:
            said = event.diagnostic or notice.reporting_mta
            entry = stop_list.Entry(
                delivery.address, reason, delivery.owner_id, said, delivery.run_id
            )
            entries.append(entry)
    stop_list.suppress_all(entries)


def _reason(event: Event, notice: Notice, soft: int) -> SuppressionReason | None:
    """`soft`: letters to the client that came back for now."""
    match event.kind:
        case EventKind.COMPLAINED:
            return SuppressionReason.COMPLAINED
        case EventKind.BOUNCED_HARD:
            return SuppressionReason.BOUNCED if notice.refusal.is_dead_mailbox else None
        case EventKind.BOUNCED_SOFT:
            return SuppressionReason.BOUNCED if soft >= settings.SOFT_BOUNCES else None
    return None


def soft_bounces(deliveries: Iterable[Delivery], now: datetime) -> dict[int, int]:
    """Return by client how many of the owner's letters came back for now, within
    `SOFT_BOUNCE_DAYS` and since the last one that stayed."""
    clients = {delivery.client_id for delivery in deliveries if delivery.client_id is not None}
    if not clients:
        return {}
    events = Event.objects.filter(delivery=OuterRef("pk"))
    soft = events.filter(kind=EventKind.BOUNCED_SOFT).values("happened_at")
    newest = Window(RowNumber(), partition_by="client", order_by="-pk")
    ids = (
        Delivery.objects.filter(client__in=clients)
        .annotate(place=newest)
        .filter(place__lte=LOOKED_AT)
        .values("pk")
    )
    rows = (
        Delivery.objects.filter(pk__in=ids)
        .annotate(soft_at=Subquery(soft[:1]), came_back=Exists(events.filter(kind__in=RETURNED)))
        .order_by("-pk")
        .values_list("client", "status", "finished_at", "soft_at", "came_back")
    )
    letters: dict[int, list[_Letter]] = {}
    for client, *letter in rows:
        letters.setdefault(client, []).append(_Letter(*letter))
    return {client: _soft_in_a_row(found, now) for client, found in letters.items()}


class _Letter(NamedTuple):
    status: str
    finished_at: datetime | None
    soft_at: datetime | None
    came_back: bool


def _soft_in_a_row(letters: Iterable[_Letter], now: datetime) -> int:
    """Count those that came back for now, from the newest letter on."""
    since = now - timedelta(days=settings.SOFT_BOUNCE_DAYS)
    count = 0
    for letter in letters:
        if letter.soft_at is not None:
            if letter.soft_at < since:
                break
            count += 1
        elif (
            letter.status == DeliveryStatus.SENT
            and not letter.came_back
            and letter.finished_at is not None
            and letter.finished_at < now - STAYED_AFTER
        ):
            break
    return count


def pause(runs: Collection[tuple[int, EventKind]]) -> list[int]:
    """Pause the mailings that are under way of which too much of a run came back or was complained
    of, as the kind beside it says; return the runs. A run that is deleted meanwhile has nothing to
    pause.

    After an owner let it go on, only what has come since counts: they have seen the rest.
    """
    limits = _limits()
    asked = [(run, kind) for run, kind in runs if kind in limits]
    if not asked:
        return []
    rows = (
        Event.objects.filter(
            run__in={run for run, _kind in asked},
            run__mailing__status__in=ACTIVE_MAILINGS,
            recorded_at__gte=F("run__mailing__status_at"),
            kind__in=limits,
        )
        .order_by()
        .values_list("run", "kind", "run__mailing", "run__sent_count", "run__uncertain_count")
        .annotate(number=Count("pk"))
    )
    paused = []
    for run, kind, mailing, was_sent, uncertain, count in rows:
        least, percent, hold = limits[EventKind(kind)]
        sent = was_sent + uncertain
        is_too_much = count >= least and count * 100 > sent * percent
        if is_too_much and (run, kind) in asked and hold(mailing, count, sent):
            paused.append(run)
    return paused


class _Limit(NamedTuple):
    least: int
    percent: float
    hold: Callable[[int, int, int], bool]


def _limits() -> dict[EventKind, _Limit]:
    return {
        EventKind.BOUNCED_HARD: _Limit(
            settings.BOUNCE_PAUSE_LEAST, settings.BOUNCE_PAUSE_PERCENT, holding.pause_for_returns
        ),
        EventKind.COMPLAINED: _Limit(
            settings.COMPLAINT_PAUSE_LEAST,
            settings.COMPLAINT_PAUSE_PERCENT,
            holding.pause_for_complaints,
        ),
    }
