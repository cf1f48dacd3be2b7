"""A span of days in the reader's zone, and how it is cut for a chart."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

DAYS_MOST = 92
"""Up to here a chart shows days, then weeks, then months: more columns cannot be told apart."""
WEEKS_MOST = 52

LONGEST = timedelta(days=10 * 366)


@dataclass(frozen=True, slots=True)
class Period:
    first: date
    last: date
    """The last day itself is included."""
    zone: ZoneInfo

    @classmethod
    def of_days(cls, days: int, now: datetime, zone: ZoneInfo) -> "Period":
        today = now.astimezone(zone).date()
        return cls(today - timedelta(days=days - 1), today, zone)

    @property
    def begin(self) -> datetime:
        return datetime.combine(self.first, time(), self.zone)

    @property
    def end(self) -> datetime:
        """Return the instant after the last day."""
        return datetime.combine(self.last + timedelta(days=1), time(), self.zone)

    @property
    def number_of_days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def step(self) -> str:
        if self.number_of_days <= DAYS_MOST:
            return "day"
        return "week" if self.number_of_days <= WEEKS_MOST * 7 else "month"

    def part_of(self, day: date) -> date:
        """Return the first day of the part of the chart in which `day` lies."""
        if self.step == "day":
            return day
        if self.step == "week":
            return max(self.first, day - timedelta(days=day.weekday()))
        return max(self.first, day.replace(day=1))

    def parts(self) -> Iterator[date]:
        """Yield the first day of every part, also of those in which nothing happened."""
        before = None
        for number in range(self.number_of_days):
            part = self.part_of(self.first + timedelta(days=number))
            if part != before:
                yield part
            before = part
