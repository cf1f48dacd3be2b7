"""The owner's coming days: what has run today, and what is due by the schedules."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from accounts.models import User
from mailings import permissions
from mailings.campaigns.services import rule_of
from mailings.models import Mailing, Run
from mailings.states import ACTIVE_MAILINGS, MailingStatus
from mailings.timing import schedule

WEEK = 7  # days
SLOTS_SHOWN = 5  # of a day
MAILINGS_SHOWN = 50
"""The soonest; a week with more would be no overview."""


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    at: datetime
    name: str
    url: str = field(compare=False)
    is_past: bool = field(default=False, compare=False)
    is_held: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class Day:
    date: date
    is_today: bool
    slots: list[Slot]

    @property
    def shown(self) -> list[Slot]:
        return self.slots if len(self.slots) <= SLOTS_SHOWN else self.slots[: SLOTS_SHOWN - 1]

    @property
    def more(self) -> int:
        return len(self.slots) - len(self.shown)


def coming(owner: User, now: datetime, number: int = WEEK) -> list[Day]:
    """Return so many days from today, in the owner's zone."""
    zone = owner.zone
    today = now.astimezone(zone).date()
    begin = _midnight(today, zone)
    until = _midnight(today + timedelta(days=number), zone)
    slots = [*_has_been(owner, begin, now), *_will_be(owner, until, now, number)]
    by_day: dict[date, list[Slot]] = {today + timedelta(days=n): [] for n in range(number)}
    for slot in sorted(slots):
        by_day.get(slot.at.astimezone(zone).date(), []).append(slot)
    return [Day(day, day == today, slots) for day, slots in by_day.items()]


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _has_been(owner: User, begin: datetime, now: datetime) -> Iterable[Slot]:
    runs = (
        permissions.owned(Run, owner)
        .filter(scheduled_for__gte=begin, scheduled_for__lte=now)
        .select_related("mailing")
        .defer("html", "text")
        .order_by("scheduled_for")[:MAILINGS_SHOWN]
    )
    for run in runs:
        yield Slot(run.scheduled_for, run.mailing.name, run.get_absolute_url(), is_past=True)


def _will_be(owner: User, until: datetime, now: datetime, number: int) -> Iterable[Slot]:
    shown = (*ACTIVE_MAILINGS, MailingStatus.PAUSED)
    mailings = permissions.owned(Mailing, owner).filter(status__in=shown)
    for mailing in mailings.order_by("next_run_at")[:MAILINGS_SHOWN]:
        is_held = mailing.status == MailingStatus.PAUSED
        for at in schedule.upcoming(rule_of(mailing), now, number + 1):
            if at < until:
                yield Slot(at, mailing.name, mailing.get_absolute_url(), is_held=is_held)
