"""How many mails a mail service is given in a day, and how that grows while it is new to those who
receive them. Counted in the database, for all workers; days are those of `TIME_ZONE`.

The first day of a warm-up gives `warm_up_from` mails. Each day that used half of what it gave makes
the next one give twice as much, up to `mails_per_day`, or until it is over after `STEPS` such days.
A day on which little was sent proves nothing to anybody, and nor does a clock that jumps: whatever
it says, a new day is at most one step. One that goes back over midnight gives nothing anew: the day
that was counted goes on. A count from further ahead is of a clock that was wrong, and is today's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import F

from mailings.delivery.queue import lease
from mailings.models import Transport

STEPS = 14
"""200 mails on the first day have become three millions by then."""
AT_ONCE_LEAST, AT_ONCE_MOST = 10, 2_000
"""Mails that a worker takes for itself at a time, else a quarter of what is left. One that is
killed takes them with it."""
DAYS_AHEAD = 1_000  # an estimate that goes further is worth nothing
DAY = timedelta(days=1)


class Lot(NamedTuple):
    """Mails of a day that somebody has taken for itself."""

    mails: int
    day: date
    ends_at: datetime
    """When what is left of them is worth nothing any more."""


@dataclass(frozen=True, slots=True)
class Today:
    """What holds today for a mail service."""

    day: date
    step: int
    allowed: int | None
    """None: as many as there are."""
    taken: int
    is_warm_up: bool
    """Whether there will be more tomorrow because of today."""

    @property
    def left(self) -> int | None:
        return None if self.allowed is None else max(0, self.allowed - self.taken)

    @property
    def is_used_up(self) -> bool:
        return self.left == 0

    @property
    def ends_at(self) -> datetime:
        """Return when the next day begins."""
        return datetime.combine(self.day + DAY, time(), ZoneInfo(settings.TIME_ZONE))


def today(transport: Transport, now: datetime) -> Today:
    """Return what holds at this instant."""
    day = _date_of(now)
    step, taken = transport.warm_up_step, transport.counted
    if transport.counted_on is not None and day > transport.counted_on:
        step, taken = _following(transport, step, taken), 0
    elif transport.counted_on == day + DAY:
        day += DAY
    allowed = allowed_on(transport, step)
    return Today(day, step, allowed, taken, _grows(transport, step))


def _date_of(now: datetime) -> date:
    return now.astimezone(ZoneInfo(settings.TIME_ZONE)).date()


def set_right(transport: Transport, now: datetime) -> None:
    """Take what was counted on a day further ahead than tomorrow for today's: else nothing would
    leave until then."""
    day, counted_on = _date_of(now), transport.counted_on
    if counted_on is not None and counted_on > day + DAY:
        rows = Transport.objects.filter(pk=transport.pk, counted_on=counted_on)
        rows.update(counted_on=day)
        transport.counted_on = day


def allowed_on(transport: Transport, step: int) -> int | None:
    """Return how many mails a day gives after so many steps; None: no limit."""
    first, most = transport.warm_up_from, transport.mails_per_day
    if not first or step >= STEPS:
        return most
    grown = first << step
    return grown if most is None else min(grown, most)


def _grows(transport: Transport, step: int) -> bool:
    allowed = allowed_on(transport, step)
    return allowed is not None and allowed != allowed_on(transport, step + 1)


def _following(transport: Transport, step: int, taken: int) -> int:
    """Return the step of the day after one that gave so many."""
    allowed = allowed_on(transport, step)
    return step + 1 if _grows(transport, step) and allowed and taken * 2 >= allowed else step


def done_on(transport: Transport, now: datetime, mails: int) -> datetime | None:
    """Return when the day begins on which the last of so many more mails may go; None: today, or
    nobody can tell."""
    at = today(transport, now)
    if at.left is None or mails <= at.left:
        return None
    mails -= at.left
    step, taken = at.step, at.allowed or 0
    for days in range(1, DAYS_AHEAD):
        step = _following(transport, step, taken)
        allowed = allowed_on(transport, step)
        if allowed is None or mails <= allowed:
            return at.ends_at + (days - 1) * DAY
        mails, taken = mails - allowed, allowed
    return None


def take(transport_id: int, now: datetime) -> Lot:
    """Count some mails as sent today, for whoever is about to send them; none: the day is used up
    or the mail service gone."""
    with transaction.atomic():
        row = Transport.objects.select_for_update().filter(pk=transport_id).first()
        at = today(row or Transport(), now)
        number = 0
        if row is not None:
            # Without a limit, which was lifted meanwhile, as well: what is left is given back.
            left = AT_ONCE_MOST if at.left is None else at.left
            number = min(left, max(AT_ONCE_LEAST, min(left // 4, AT_ONCE_MOST)))
        if number:
            Transport.objects.filter(pk=transport_id).update(
                counted_on=at.day, counted=at.taken + number, warm_up_step=at.step
            )
    return Lot(number, at.day, at.ends_at)


def held_most(transports: Iterable[Transport], now: datetime) -> int:
    """Return how many of the mails that are counted workers may still have to send. Asks for the
    workers, where days have a limit."""
    lefts = [left for row in transports if (left := today(row, now).left) is not None]
    if not lefts:
        return 0
    # A lot was a third of what it left, and is fetched when fewer than the least are left of one.
    lots = [max(AT_ONCE_LEAST, min(left // 3 + 1, AT_ONCE_MOST)) for left in lefts]
    return lease.count_sending(now) * sum(AT_ONCE_LEAST - 1 + lot for lot in lots)


def give_back(transport_id: int, number: int, day: date) -> None:
    """So many of those that were counted on a day were not sent."""
    rows = Transport.objects.filter(pk=transport_id, counted_on=day, counted__gte=number)
    rows.update(counted=F("counted") - number)


def in_use() -> list[Transport]:
    """Return the mail services that mailings leave through, as far as there are any."""
    return list(Transport.objects.filter(is_active=True).order_by("pk"))
