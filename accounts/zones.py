"""Time zones to choose from, each with its offset from UTC beside the name."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.forms import ChoiceField, Field
from django.utils import timezone

AREAS = (
    "Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/",
    "Indian/", "Pacific/",
)  # fmt: skip
"""What a person looks for. The rest (Etc/GMT+3, EST5EDT, …) are spellings for machines."""


def choices(keep: str = "") -> list[tuple[str, str]]:
    """Return (name, label) from west to east: “Europe/Moscow (UTC+03:00)”.

    `keep` is the zone in use: a machine's spelling (Etc/GMT-3) comes first instead of being lost.
    """
    rows = _choices(timezone.now().astimezone(UTC).date().isoformat())
    return [(keep, keep), *rows] if keep and keep not in dict(rows) else list(rows)


def label(name: str) -> str:
    """Return the zone's name with its offset now; a name that is no zone is returned as it is."""
    return dict(choices(keep=name)).get(name, name)


def offer(field: Field, current: str) -> None:
    """Fill a form's field with the zones; `current` is chosen."""
    if not isinstance(field, ChoiceField):
        raise TypeError("zones are offered by a ChoiceField")
    field.choices = choices(keep=current)
    field.initial = current


@lru_cache(maxsize=2)  # a day's list: offsets change with summer time
def _choices(day: str) -> list[tuple[str, str]]:
    now = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    rows = []
    for name in available_timezones():
        if name == "UTC" or name.startswith(AREAS):
            offset = now.astimezone(ZoneInfo(name)).utcoffset() or timedelta()
            rows.append((offset, name))
    return [(name, f"{name} ({_utc(offset)})") for offset, name in sorted(rows)]


def _utc(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    sign = "+" if minutes >= 0 else "−"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours:02}:{rest:02}"
