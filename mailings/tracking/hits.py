"""What is written when a letter is opened or one of its links followed.

In the database before the request is answered, so nothing that was answered is lost, whatever dies.
The rows of a delivery are bounded, and so are their counts: who loads a picture ten thousand times
changes one number. A token that is not of a delivery of ours, or comes long after the letter,
changes nothing.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Now

from mailings.models import Delivery, Hit, Run, TrackedLink
from mailings.states import DeliveryStatus, HitKind
from mailings.tracking import machines
from mailings.tracking.links import Token
from mailings.tracking.machines import Asked, Why

COUNTED_WITHIN = timedelta(days=90)
"""After a letter was sent. Its links lead on for as long as their rows are there."""

_HANDED_OVER = (DeliveryStatus.SENT, DeliveryStatus.UNCERTAIN)


class Target(NamedTuple):
    """Where a link leads, and what may follow of it."""

    url: str
    owner_is_active: bool
    opens_count: bool
    """A person who follows a link has opened the letter, whether pictures are shown or not."""


def target(token: Token, position: int) -> Target | None:
    """Return where a link of the token's letter leads; None where it has no such link, or nobody
    knows any more."""
    rows = TrackedLink.objects.filter(run_id=token.run_id, position=position)
    # Not by a join: the link outlives its run.
    opens = Subquery(Run.objects.filter(pk=OuterRef("run_id")).values("track_opens"))
    found = rows.values_list("url", "owner__is_active", opens).first()
    return Target(found[0], found[1], bool(found[2])) if found else None


def opened(token: Token, asked: Asked) -> None:
    """Write that the letter's picture was loaded."""
    with transaction.atomic():
        delivery = _held(token)
        if delivery is None:
            return
        why = _judged(delivery, asked)
        _write(delivery, why, (HitKind.OPENED, 0))


def followed(token: Token, position: int, asked: Asked, *, opens_count: bool) -> None:
    """Write that a link of the letter was followed."""
    with transaction.atomic():
        delivery = _held(token)
        if delivery is None:
            return
        early = list(_within_a_burst(delivery, position))
        why = _judged(delivery, asked, other_links=bool(early))
        what = [(HitKind.CLICKED, 0), (HitKind.CLICKED, position)]
        if why is None and opens_count:
            what.append((HitKind.OPENED, 0))
        if why is Why.BURST:
            _take_back(delivery, early)
        _write(delivery, why, *what)


class _Held(NamedTuple):
    pk: int
    run_id: int
    status: str
    finished_at: datetime | None
    now: datetime


def _held(token: Token) -> _Held | None:
    """Return the delivery, whose hits nobody else writes or deletes until the transaction ends."""
    rows = Delivery.objects.filter(pk=token.delivery_id, run=token.run_id)
    locked = rows.select_for_update(no_key=True).annotate(now=Now())
    found = locked.values_list("pk", "run_id", "status", "finished_at", "now").first()
    if found is None:
        return None
    held = _Held(*found)
    is_late = held.finished_at is not None and held.now - held.finished_at > COUNTED_WITHIN
    return None if is_late else held


def _judged(delivery: _Held, asked: Asked, *, other_links: bool = False) -> Why | None:
    since = None
    if delivery.status == DeliveryStatus.SENT and delivery.finished_at:
        since = delivery.now - delivery.finished_at
    why = machines.why_machine(asked, since_accepted=since, other_links=other_links)
    if why is None and delivery.status not in _HANDED_OVER:
        # Still being handed over, or refused after its last byte: only a gateway has seen it.
        return Why.UNSENT
    return why


def _within_a_burst(delivery: _Held, position: int) -> Iterator[Hit]:
    """Yield the clicks on other links of the letter, just before."""
    since = delivery.now - machines.BURST
    rows = Hit.objects.filter(delivery=delivery.pk, kind=HitKind.CLICKED, first_at__gt=since)
    yield from rows.exclude(link__in=(0, position))


def _take_back(delivery: _Held, early: list[Hit]) -> None:
    """Make a machine's of what a person seemed to do at the beginning of a burst."""
    links = [hit.link for hit in early if not hit.is_machine]
    if not links:
        return
    begun = min(hit.first_at for hit in early)
    theirs = Hit.objects.filter(delivery=delivery.pk, is_machine=False)
    theirs.filter(kind=HitKind.CLICKED, link__in=links).delete()
    # That anything was clicked at all, and so opened, was known by these clicks only.
    theirs.filter(kind=HitKind.CLICKED, link=0, first_at__gte=begun).delete()
    theirs.filter(kind=HitKind.OPENED, first_at__gte=begun).delete()
    _write(delivery, Why.BURST, *((HitKind.CLICKED, link) for link in links))


_UPSERT = f"""
INSERT INTO mailings_hit (delivery_id, run_id, kind, link, is_machine, why, first_at, count)
VALUES %s
ON CONFLICT (delivery_id, kind, link, is_machine)
DO UPDATE SET count = mailings_hit.count + 1 WHERE mailings_hit.count < {Hit.MOST_COUNTED}
"""  # noqa: S608 - a number of ours
_ROW = "(%s, %s, %s, %s, %s, %s, %s, 1)"


def _write(delivery: _Held, why: Why | None, *what: tuple[HitKind, int]) -> None:
    """Add these hits, or one to the count of those that are there; one statement for all."""
    at = connection.ops.adapt_datetimefield_value(delivery.now)
    values = [
        value
        for kind, link in what
        for value in (
            delivery.pk, delivery.run_id, kind.value, link, why is not None, why or "", at,
        )
    ]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT % ", ".join([_ROW] * len(what)), values)
