"""When a mailing's runs are due: pure arithmetic on the owner's wall clock, no Django, no clock.

Occurrence k is computed from the anchor `start_at`, never from the one before, so nothing drifts:
31 January → 28 or 29 February → 31 March. A wall time that a DST change skips becomes the first
instant after the gap; one that happens twice counts once, the first time.
"""

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import count as count_from
from itertools import islice
from typing import NamedTuple, assert_never
from zoneinfo import ZoneInfo

_MONTHS_PER_YEAR = 12
_SECOND = timedelta(seconds=1)


class Frequency(StrEnum):
    """How often a mailing runs; how it is called in the interface stands in `states`."""

    ONCE = "once"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class _Interval(NamedTuple):
    """Between two occurrences: days or months of the wall calendar, the other one is 0."""

    days: int = 0
    months: int = 0


def _interval(frequency: Frequency) -> _Interval | None:
    """Return None for what happens once."""
    match frequency:
        case Frequency.ONCE:
            return None
        case Frequency.DAILY:
            return _Interval(days=1)
        case Frequency.WEEKLY:
            return _Interval(days=7)
        case Frequency.MONTHLY:
            return _Interval(months=1)
        case _:
            assert_never(frequency)


@dataclass(frozen=True, slots=True)
class Rule:
    """A mailing's times. `end_at` is exclusive; without it a recurring mailing never ends."""

    start_at: datetime
    zone: ZoneInfo
    frequency: Frequency
    end_at: datetime | None = None

    @property
    def is_recurring(self) -> bool:
        return _interval(self.frequency) is not None


def occurrence(rule: Rule, k: int) -> datetime | None:
    """Return occurrence k (from 0) in UTC, or None when it does not come before the end."""
    at = _unbounded(rule, k)
    if at is None or (rule.end_at is not None and at >= rule.end_at.astimezone(UTC)):
        return None
    return at


def following(rule: Rule, after: datetime) -> tuple[int, datetime] | None:
    """Return the first occurrence strictly after `after`, with its number."""
    return next(_following(rule, after), None)


def latest(rule: Rule, until: datetime) -> tuple[int, datetime] | None:
    """Return the last occurrence at or before `until`, with its number."""
    newest = None
    for k in count_from(_near(rule, until)):
        at = occurrence(rule, k)
        if at is None or at > until:
            return newest
        newest = k, at
    return newest


def upcoming(rule: Rule, after: datetime, limit: int) -> list[datetime]:
    """Return up to `limit` occurrences strictly after `after`."""
    return [at for _, at in islice(_following(rule, after), limit)]


def count(rule: Rule) -> int | None:
    """Return how many occurrences there are in all; None: without end."""
    if not rule.is_recurring:
        return 0 if occurrence(rule, 0) is None else 1
    if rule.end_at is None:
        return None
    last = latest(rule, rule.end_at)
    return 0 if last is None else last[0] + 1


def _following(rule: Rule, after: datetime) -> Iterator[tuple[int, datetime]]:
    after = after.astimezone(UTC)
    for k in count_from(_near(rule, after)):
        at = occurrence(rule, k)
        if at is None:
            return
        if at > after:
            yield k, at


def _near(rule: Rule, instant: datetime) -> int:
    """Return a number not above that of the last occurrence at or before `instant`."""
    interval = _interval(rule.frequency)
    if interval is None:
        return 0
    start, local = rule.start_at.astimezone(rule.zone), instant.astimezone(rule.zone)
    if interval.months:
        months = (local.year - start.year) * _MONTHS_PER_YEAR + local.month - start.month
        passed = months // interval.months
    else:
        passed = (local.date() - start.date()).days // interval.days
    # One less for the time of day, one more for a gap that moved an occurrence a day on.
    return max(0, passed - 2)


def _unbounded(rule: Rule, k: int) -> datetime | None:
    if k < 0:
        raise ValueError(f"Occurrences are numbered from 0, not {k}.")
    if k == 0:
        return rule.start_at.astimezone(UTC)
    interval = _interval(rule.frequency)
    if interval is None:
        return None
    wall = rule.start_at.astimezone(rule.zone).replace(tzinfo=None, fold=0)
    try:
        if interval.months:
            return _instant(_months_later(wall, k * interval.months), rule.zone)
        return _instant(wall + timedelta(days=k * interval.days), rule.zone)
    except (OverflowError, ValueError):
        return None  # beyond the year 9999


def _months_later(wall: datetime, months: int) -> datetime:
    """Return the same day `months` later, or that month's last day when it is shorter."""
    year, month = divmod(wall.year * _MONTHS_PER_YEAR + wall.month - 1 + months, _MONTHS_PER_YEAR)
    day = min(wall.day, calendar.monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the instant at which `zone`'s clocks show `wall`, as the module's docstring says."""
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None, fold=0) == wall:
        return at
    # In a gap: fold 1 lies before the change, fold 0 after it. Halve down to the change itself.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC).replace(microsecond=0)
    after = at.replace(microsecond=0) + _SECOND
    offset = before.astimezone(zone).utcoffset()
    while after - before > _SECOND:
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after
