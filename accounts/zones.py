"""Time zones as people name them – by a city, in the reader's language – and the list of them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from django.forms import ChoiceField, Field
from django.utils import timezone, translation

AREAS = (
    "Africa/", "America/", "Antarctica/", "Arctic/", "Asia/", "Atlantic/", "Australia/", "Europe/",
    "Indian/", "Pacific/",
)  # fmt: skip
"""What a person looks for. The rest (Etc/GMT+3, EST5EDT, …) are spellings for machines."""


def city(name: str) -> str:
    """Return the zone's city in the language of now: «Москва», “Moscow”."""
    return _city(name, _language())


def choices(keep: str = "") -> list[tuple[str, str]]:
    """Return (name, label) from west to east: “Moscow (UTC+03:00)”.

    `keep` is the zone in use: an older spelling (Asia/Calcutta) or a machine's (Etc/GMT-3) that the
    list lacks comes first instead of being lost.
    """
    rows = _choices(timezone.now().astimezone(UTC).date().isoformat(), _language())
    return [(keep, keep), *rows] if keep and keep not in dict(rows) else list(rows)


def label(name: str) -> str:
    """Return the zone's city with its offset now; a name that is no zone is returned as it is."""
    return dict(choices(keep=name)).get(name, name)


def offer(field: Field, current: str) -> None:
    """Fill a form's field with the zones; `current` is chosen."""
    if not isinstance(field, ChoiceField):
        raise TypeError("zones are offered by a ChoiceField")
    field.choices = choices(keep=current)
    field.initial = current


def _language() -> str:
    return translation.get_language() or "en"


@lru_cache(maxsize=2048)
def _city(name: str, language: str) -> str:
    if name == "UTC" or not name.startswith(AREAS):
        return name
    # Here: a worker names no places (docs/decisions/0075).
    from babel import Locale
    from babel.dates import get_timezone_location

    # From Unicode's CLDR; it knows old spellings (Asia/Calcutta), too.
    found = get_timezone_location(name, locale=Locale.parse(language, sep="-"), return_city=True)
    return str(found) or name


@lru_cache(maxsize=4)  # a day's list in each language: offsets change with summer time
def _choices(day: str, language: str) -> list[tuple[str, str]]:
    now = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    rows = []
    for name in available_timezones():
        if name == "UTC" or name.startswith(AREAS):
            offset = now.astimezone(ZoneInfo(name)).utcoffset() or timedelta()
            rows.append((offset, _city(name, language), name))
    return [(name, f"{called} ({_utc(offset)})") for offset, called, name in _once(sorted(rows))]


def _once(rows: list[tuple[timedelta, str, str]]) -> list[tuple[timedelta, str, str]]:
    """Leave out older names of the same place: Asia/Calcutta beside Asia/Kolkata."""
    kept: dict[tuple[timedelta, str], str] = {}
    for offset, called, name in rows:
        place = offset, called
        kept[place] = max(kept.get(place, name), name, key=_is_current)
    return [row for row in rows if kept[row[:2]] == row[2]]


def _is_current(name: str) -> tuple[bool, int]:
    """Sort the name now in use behind older ones: it ends with the city, and says more before."""
    spelled = name.rpartition("/")[2].replace("_", " ")
    return spelled == _city(name, "en"), len(name)


def _utc(offset: timedelta) -> str:
    minutes = int(offset.total_seconds() // 60)
    sign = "+" if minutes >= 0 else "−"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{sign}{hours:02}:{rest:02}"
