"""Who opened a run's letters and followed their links: people and machines, each link, over time.

A person is counted once for each thing, however often they did it. Read from the rows of hits by
two statements that group them, however many there are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncDay, TruncHour
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from mailings.models import Hit, Run, TrackedLink
from mailings.reports import charts
from mailings.states import HitKind
from mailings.web import words

LINKS_SHOWN = 50
IN_HOURS = timedelta(days=2)
"""So long a run is drawn by the hour; then by the day."""
DAYS_MOST = 30  # drawn
HOURS_MOST = 48


@dataclass(frozen=True, slots=True)
class Number:
    """How many did something: people, and machines for whoever they look at letters."""

    people: int = 0
    machines: int = 0

    def percent_of(self, sent: int) -> str:
        """Return how many of those the letter was sent to that are; empty: it was sent to none."""
        if not sent:
            return ""
        part = self.people / sent * 100
        return number_format(part, decimal_pos=0 if part >= 10 or not part else 1)  # noqa: PLR2004


@dataclass(frozen=True, slots=True)
class LinkRead:
    url: str
    label: str
    number: Number


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of how a run was read; what was not tracked has no number."""

    sent: int
    opened: Number | None
    clicked: Number | None
    links: list[LinkRead]
    more_links: int
    chart: charts.Chart | None
    said: str

    @property
    def figures(self) -> list[tuple[HitKind, Number, str]]:
        """Return what was done, by how many, and by how many per cent of those written to."""
        both = ((HitKind.OPENED, self.opened), (HitKind.CLICKED, self.clicked))
        return [(kind, n, n.percent_of(self.sent)) for kind, n in both if n is not None]


def of_run(run: Run, now: datetime) -> Reading:
    numbers = _numbers(run)
    links = links_of(run, numbers)
    chart, said = _over_time(run, now)
    return Reading(
        sent=run.sent_count,
        opened=numbers.get((HitKind.OPENED, 0), Number()) if run.track_opens else None,
        clicked=numbers.get((HitKind.CLICKED, 0), Number()) if run.track_clicks else None,
        links=links[:LINKS_SHOWN],
        more_links=max(0, len(links) - LINKS_SHOWN),
        chart=chart,
        said=said,
    )


def links_of(run: Run, numbers: dict[tuple[str, int], Number] | None = None) -> list[LinkRead]:
    """Return the links of a run's letters, those that most people followed first."""
    numbers = _numbers(run) if numbers is None else numbers
    found = [
        LinkRead(url, label, numbers.get((HitKind.CLICKED, position), Number()))
        for position, url, label in TrackedLink.objects.filter(run=run)
        .order_by("position")
        .values_list("position", "url", "label")
    ]
    return sorted(found, key=lambda link: -link.number.people)


def _numbers(run: Run) -> dict[tuple[str, int], Number]:
    """Return by kind and link how many there were."""
    rows = Hit.objects.filter(run=run).order_by().values_list("kind", "link", "is_machine")
    counted = {(kind, link, by): n for kind, link, by, n in rows.annotate(n=Count("pk"))}
    return {
        (kind, link): Number(
            counted.get((kind, link, False), 0), counted.get((kind, link, True), 0)
        )
        for kind, link, _by in counted
    }


# ---------------------------------------------------------------- over time


def _over_time(run: Run, now: datetime) -> tuple[charts.Chart | None, str]:
    begun = run.started_at or run.scheduled_for
    by_hour = now - begun < IN_HOURS
    zone = run.mailing.zone
    trunc = TruncHour if by_hour else TruncDay
    rows = Hit.objects.filter(run=run, link=0, is_machine=False).order_by()
    at = rows.annotate(part=trunc("first_at", tzinfo=zone)).values_list("kind", "part")
    counted = {(kind, part): n for kind, part, n in at.annotate(n=Count("pk"))}
    if not counted:
        return None, _("Nobody has opened it yet.") if run.track_opens else ""
    # The hour that the clock shows twice, once a year, is one: the database cannot tell them apart.
    parts = list(dict.fromkeys(_parts(begun, now, zone, by_hour=by_hour)))
    if len(parts) < 2:  # noqa: PLR2004 - one point makes no line
        return None, ""
    series = [
        charts.Series(str(kind.label), [counted.get((kind, p), 0) for p in parts], css=css)
        for kind, css, tracked in (
            (HitKind.OPENED, "", run.track_opens),
            (HitKind.CLICKED, "is-2", run.track_clicks),
        )
        if tracked
    ]
    names = [_name(part, by_hour=by_hour) for part in parts]
    return charts.lines(names, series), _in_words(parts, series, by_hour=by_hour)


def _parts(begun: datetime, now: datetime, zone: ZoneInfo, *, by_hour: bool) -> Iterator[datetime]:
    """Yield the beginnings of hours or days since the run began, in the mailing's zone."""
    step, most = (timedelta(hours=1), HOURS_MOST) if by_hour else (timedelta(days=1), DAYS_MOST)
    first = begun.astimezone(zone).replace(minute=0, second=0, microsecond=0)
    part = first if by_hour else first.replace(hour=0)
    for number in range(most):
        # Hours are counted as they pass, days by the calendar: a day may have 23 hours.
        at = (
            (part.astimezone(UTC) + number * step).astimezone(zone)
            if by_hour
            else (part + number * step)
        )
        if at > now:
            return
        yield at


def _name(part: datetime, *, by_hour: bool) -> str:
    pattern = "H:i" if by_hour else pgettext("date format of a chart", "j M")
    return date_format(part, pattern)


def _in_words(parts: Sequence[datetime], series: Sequence[charts.Series], *, by_hour: bool) -> str:
    """Return what the lines show, for whoever does not see them."""
    first = series[0]
    if not parts or not any(first.values):
        return ""
    most = max(range(len(parts)), key=lambda n: first.values[n])
    when = words.day(parts[most])
    if by_hour:
        when = words.moment(parts[most], parts[most].tzinfo)  # type: ignore[arg-type]
        return _("Most within one hour: %(number)s, from %(when)s.") % {
            "number": words.figure(first.values[most]), "when": when,
        }  # fmt: skip
    return _("Most on one day: %(number)s, on %(when)s.") % {
        "number": words.figure(first.values[most]), "when": when,
    }  # fmt: skip
