"""Dates and times as the clocks of a chosen zone show them."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import zones
from mailings.web import words

YEARS = range(2000, 2100)
TYPED = "%d.%m.%Y %H:%M"
"""What a browser without a date picker lets people write."""


class WallClockField(forms.Field):
    """A naive date and time: `instant` makes a moment of it once the form knows the zone."""

    widget = forms.DateTimeInput(format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local"})
    default_error_messages = {
        "invalid": gettext_lazy("Write the date and time like 01.12.2026 09:00."),
    }

    def to_python(self, value: Any) -> datetime | None:
        if value in self.empty_values or isinstance(value, datetime):
            return value or None
        wall = _parsed(str(value).strip())
        if wall is None or wall.tzinfo is not None or wall.year not in YEARS:
            raise ValidationError(self.error_messages["invalid"], "invalid")
        return wall


def _parsed(text: str) -> datetime | None:
    try:
        return parse_datetime(text) or datetime.strptime(text, TYPED)  # noqa: DTZ007 - wall time
    except ValueError:
        return None


def wall(at: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks of `zone` show at `at`, to the minute, as a form shows it."""
    return at.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0, fold=0)


def instant(wall_time: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment at which clocks show this; of two such moments the first.

    A time that the change to summer time skips is refused: no clock shows it.
    """
    at = wall_time.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if wall(at, zone) != wall_time.replace(second=0, microsecond=0):
        raise ValidationError(
            _("On %(day)s clocks in %(zone)s skip %(time)s. Choose another time.")
            % {
                "day": words.day(wall_time),
                "zone": zones.city(zone.key),
                "time": f"{wall_time:%H:%M}",
            },
            "skipped",
        )
    return at
