"""What must hold in the ledger whatever went wrong: asked by `manage.py check_ledger` and after
every fault test. Each check is a few statements over all rows and changes nothing; `mend` does.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from mailings.delivery.queue import backlog
from mailings.models import (
    Attempt,
    Chunk,
    Client,
    Delivery,
    Event,
    Hit,
    Mailing,
    Run,
    Suppression,
    WorkerLease,
)
from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.models.tracking import forget_hits
from mailings.states import (
    CAME_BACK,
    FINAL,
    HANDED_OVER,
    OPEN_DELIVERIES,
    DeliveryStatus,
    EventKind,
    MailingStatus,
    Outcome,
    RunStatus,
)

SHOWN = 5
"""Rows named for each broken invariant."""
TOLERANCE = timedelta(minutes=2)
"""For what was in flight when the rule changed."""

D = DeliveryStatus


def mend() -> int:
    """Let go of clients who are gone: what is open of it is skipped, the log stays. Return how
    many deliveries that were. Nothing else that may be broken has one right answer."""
    there = Client._base_manager.filter(pk=OuterRef("client_id"))
    lost = Delivery.objects.filter(~Exists(there), client_id__isnull=False)
    with transaction.atomic():
        forget_hits(lost)
        return lost.update(client=None)


def broken(now: datetime) -> Iterator[str]:
    """Yield one line for each invariant that does not hold, naming some of its rows."""
    for name, find in CHECKS.items():
        rows = find(now)
        found = list(rows.values_list("pk", flat=True)[: SHOWN + 1])
        if found:
            more = "…" if len(found) > SHOWN else ""
            words = ", ".join(map(str, found[:SHOWN]))
            yield f"{name}: {rows.model._meta.model_name} {words}{more}"


def _miscounted(now: datetime) -> QuerySet[Run]:
    """Runs whose counters are not what their deliveries say."""
    actual = {
        f"actual_{name}": Count("deliveries", filter=Q(deliveries__status=name))
        for name in Run.COUNTED
    }
    differs = ~Q(targeted=F("actual_all"))
    for name in Run.COUNTED:
        differs |= ~Q(**{f"{name}_count": F(f"actual_{name}")})
    return Run.objects.annotate(actual_all=Count("deliveries"), **actual).filter(differs)


def _finished_with_open_deliveries(now: datetime) -> QuerySet[Run]:
    still_open = Delivery.objects.filter(
        Q(status__in=OPEN_DELIVERIES) | Q(status=D.UNCERTAIN, next_attempt_at__isnull=False),
        run=OuterRef("pk"),
    )
    return Run.objects.filter(Exists(still_open), status__in=FINAL[RunStatus])


def _accepted() -> Count:
    return Count("attempts", filter=Q(attempts__outcome=Outcome.ACCEPTED))


def _sent_without_one_acceptance(now: datetime) -> QuerySet[Delivery]:
    rows = Delivery.objects.annotate(accepted=_accepted())
    return rows.filter(Q(status=D.SENT) & ~Q(accepted=1) | ~Q(status=D.SENT) & Q(accepted__gt=0))


def _too_many_copies(now: datetime) -> QuerySet[Delivery]:
    handed = Count("attempts", filter=Q(attempts__outcome__in=HANDED_OVER))
    return Delivery.objects.annotate(handed=handed).filter(handed__gt=F("uncertain_resends") + 1)


def _leased_by_nobody(now: datetime) -> QuerySet[Delivery]:
    living = WorkerLease.objects.filter(pk=OuterRef("lease_owner"), expires_at__gt=now - TOLERANCE)
    return Delivery.objects.with_status(D.SENDING).filter(~Exists(living))


def _pending_in_no_chunk(now: datetime) -> QuerySet[Delivery]:
    """Deliveries that nobody would ever take up, unless one has them in flight."""
    chunks = Chunk.objects.filter(
        run=OuterRef("run"), first_id__lte=OuterRef("pk"), last_id__gte=OuterRef("pk")
    )
    handed = [pk for ids in WorkerLease.objects.values_list("in_flight", flat=True) for pk in ids]
    rows = Delivery.objects.with_status(D.PENDING).filter(
        run__status=RunStatus.SENDING, run__mailing__status=MailingStatus.RUNNING
    )
    return rows.filter(~Exists(chunks)).exclude(pk__in=handed)


def _leased_by_the_dead(now: datetime) -> QuerySet[Chunk]:
    return Chunk.objects.filter(worker__expires_at__lt=now - TOLERANCE)


def _of_nothing(now: datetime) -> QuerySet[Delivery]:
    """Deliveries whose run or client is gone: the database has no constraint for them."""
    return Delivery.objects.filter(
        ~Exists(Run.objects.filter(pk=OuterRef("run_id")))
        | Q(client_id__isnull=False)
        & ~Exists(Client._base_manager.filter(pk=OuterRef("client_id")))
    )


def _attempted_nothing(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(~Exists(Delivery.objects.filter(pk=OuterRef("delivery_id"))))


def _event_of_nothing(now: datetime) -> QuerySet[Event]:
    """Events whose delivery is gone, or that name another run than it has."""
    theirs = Delivery.objects.filter(pk=OuterRef("delivery_id"), run=OuterRef("run_id"))
    return Event.objects.filter(~Exists(theirs))


def _came_back_unsent(now: datetime) -> QuerySet[Event]:
    """Reports of deliveries that were never handed over; one in flight has no attempt yet. Who
    unsubscribed has the letter, whatever the server answered."""
    handed = Attempt.objects.filter(delivery=OuterRef("delivery"), outcome__in=HANDED_OVER)
    rows = Event.objects.filter(~Exists(handed), kind__in=CAME_BACK)
    in_flight = [
        pk for ids in WorkerLease.objects.values_list("in_flight", flat=True) for pk in ids
    ]
    return rows.exclude(delivery__in=in_flight)


def _came_back_too_early(now: datetime) -> QuerySet[Event]:
    """Events that happened before their delivery was tried, or after they were recorded."""
    earlier = Attempt.objects.filter(
        delivery=OuterRef("delivery"),
        number=1,
        started_at__gt=OuterRef("happened_at") + TOLERANCE,
    )
    return Event.objects.filter(Exists(earlier) | Q(happened_at__gt=F("recorded_at")))


def _left_unrecorded(now: datetime) -> QuerySet[Suppression]:
    """Entries of people who left by a letter that is still there, without the event of it."""
    events = Event.objects.filter(
        run=OuterRef("run_id"), kind=EventKind.UNSUBSCRIBED, delivery__address=OuterRef("address")
    )
    letters = Delivery.objects.filter(run=OuterRef("run_id"), address=OuterRef("address"))
    return Suppression.objects.filter(
        Exists(letters),
        ~Exists(events),
        reason=SuppressionReason.UNSUBSCRIBED,
        source__in=SuppressionSource.values,
        is_imported=False,
    )


def _hit_of_nothing(now: datetime) -> QuerySet[Hit]:
    """Hits whose delivery or client is gone, or that name another run than it has, or one that
    told of nothing."""
    theirs = Delivery.objects.filter(
        pk=OuterRef("delivery_id"), run=OuterRef("run_id"), client__isnull=False
    )
    told = Run.objects.filter(Q(track_opens=True) | Q(track_clicks=True), pk=OuterRef("run_id"))
    return Hit.objects.filter(~Exists(theirs) | ~Exists(told))


def _read_unsent(now: datetime) -> QuerySet[Hit]:
    """Letters that people read though they were never handed over."""
    handed = Attempt.objects.filter(delivery=OuterRef("delivery"), outcome__in=HANDED_OVER)
    return Hit.objects.filter(~Exists(handed), is_machine=False)


def _tried_after_suppression(now: datetime) -> QuerySet[Attempt]:
    rows = Attempt.objects.annotate(lower_address=Lower("delivery__address"))
    entries = Suppression.objects.filter(
        Q(owner=None) | Q(owner=OuterRef("delivery__run__mailing__owner")),
        address=OuterRef("lower_address"),
        created_at__lt=OuterRef("started_at") - TOLERANCE,
    )
    return rows.filter(Exists(entries))


def _tried_after_the_end(now: datetime) -> QuerySet[Attempt]:
    return Attempt.objects.filter(started_at__gt=F("delivery__run__finished_at") + TOLERANCE)


def _misnumbered(now: datetime) -> QuerySet[Delivery]:
    counted = Delivery.objects.annotate(
        rows=Count("attempts"), first=Min("attempts__number"), last=Max("attempts__number")
    )
    return counted.filter(
        ~Q(rows=F("attempt_count")) | Q(rows__gt=0) & (~Q(first=1) | ~Q(last=F("rows")))
    )


def _going_back_in_time(now: datetime) -> QuerySet[Attempt]:
    earlier = Attempt.objects.filter(
        delivery=OuterRef("delivery"),
        number__lt=OuterRef("number"),
        started_at__gt=OuterRef("started_at"),
    )
    return Attempt.objects.filter(Exists(earlier), number__gt=1)


def _settled_without_a_date(now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(status__in=FINAL[DeliveryStatus], finished_at=None)


def _foreign_message(now: datetime) -> QuerySet[Mailing]:
    return Mailing.objects.exclude(message__owner=F("owner"))


def _foreign_client(now: datetime) -> QuerySet[Delivery]:
    # Without those that are being deleted: they are nobody's.
    return Delivery.objects.filter(client__owner__isnull=False).exclude(
        client__owner=F("run__mailing__owner")
    )


def _stuck(now: datetime) -> QuerySet[Run]:
    return backlog.stuck_runs(now)


def _going_on_after_the_end(now: datetime) -> QuerySet[Mailing]:
    """Completed or cancelled mailings with an occurrence to come, or a run that still sends."""
    sending = Run.objects.filter(
        mailing=OuterRef("pk"), status__in=[RunStatus.PREPARING, RunStatus.SENDING]
    )
    completed = Q(status=MailingStatus.COMPLETED) & Exists(sending)
    return Mailing.objects.filter(
        completed | Q(status__in=FINAL[MailingStatus], next_run_at__isnull=False)
    )


def _resent_after_acceptance(now: datetime) -> QuerySet[Attempt]:
    """Attempts that follow one that was accepted."""
    accepted = Attempt.objects.filter(
        delivery=OuterRef("delivery"), number__lt=OuterRef("number"), outcome=Outcome.ACCEPTED
    )
    return Attempt.objects.filter(Exists(accepted), number__gt=1)


CHECKS: dict[str, Callable[[datetime], QuerySet[Any]]] = {
    "The counters of a run differ from its deliveries": _miscounted,
    "A finished run has open deliveries": _finished_with_open_deliveries,
    "Sent does not mean exactly one accepted attempt": _sent_without_one_acceptance,
    "More copies were handed over than the resends allow": _too_many_copies,
    "A delivery is being sent by no living worker": _leased_by_nobody,
    "A pending delivery is in no chunk": _pending_in_no_chunk,
    "A chunk is leased by a worker that is gone": _leased_by_the_dead,
    "A delivery of no run, or to no client": _of_nothing,
    "An attempt of no delivery": _attempted_nothing,
    "An event of no delivery": _event_of_nothing,
    "An event of a delivery that was never handed over": _came_back_unsent,
    "An event happened before its delivery was tried": _came_back_too_early,
    "Somebody unsubscribed by a letter and no event says so": _left_unrecorded,
    "A hit of no delivery, of nobody, or of a run that tells of none": _hit_of_nothing,
    "People read a letter that was never handed over": _read_unsent,
    "An attempt came after the address was suppressed": _tried_after_suppression,
    "An attempt came after its run had finished": _tried_after_the_end,
    "Attempts are not numbered 1 to n": _misnumbered,
    "An attempt is earlier than the one before it": _going_back_in_time,
    "A settled delivery has no date": _settled_without_a_date,
    "A run has been due for minutes and nobody sends it": _stuck,
    "A mailing that has ended goes on": _going_on_after_the_end,
    "An accepted mail was tried again": _resent_after_acceptance,
    "A mailing sends somebody else's message": _foreign_message,
    "A delivery goes to somebody else's client": _foreign_client,
}
"""Uniqueness (one run an occurrence, one delivery a client and address) is the database's own."""
