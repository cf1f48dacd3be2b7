"""Words, figures and bars for the cabinet's templates; the rules are in `words` and `bars`."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from django import template
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import zones
from mailings.campaigns.services import rule_of
from mailings.clients import history
from mailings.clients.importing import outcome
from mailings.clients.importing.forms import DELIMITERS, ENCODINGS, MENDS
from mailings.models import Attempt, Event, Hit, Import, Mailing, Run, Suppression
from mailings.reports import bars
from mailings.states import (
    DeliveryStatus,
    EventKind,
    HitKind,
    ImportStatus,
    MailingStatus,
    Outcome,
    RunStatus,
)
from mailings.tracking import words as tracking
from mailings.web import keyset, words

register = template.Library()

register.filter("figure", words.figure)
register.filter("quoted", words.quoted)
register.filter("readable", words.readable)
register.filter("short_figure", words.short_figure)
register.filter("left_out", bars.left_out)
register.filter("not_wanted", bars.not_wanted)
register.filter("still_open", bars.still_open)
register.filter("share", bars.share)
register.filter("zone_city", zones.city)
register.simple_tag(bars.segments, name="segments")
register.simple_tag(bars.figures, name="run_figures")

OUTCOME_LOOKS = {
    Outcome.ACCEPTED: DeliveryStatus.SENT,
    Outcome.TEMPORARY: DeliveryStatus.DEFERRED,
    Outcome.PERMANENT: DeliveryStatus.FAILED,
    Outcome.UNAVAILABLE: DeliveryStatus.DEFERRED,
    Outcome.UNCERTAIN: DeliveryStatus.UNCERTAIN,
    Outcome.RENDER: DeliveryStatus.FAILED,
    Outcome.LOST: DeliveryStatus.UNCERTAIN,
}


@register.filter
def step_in_words(attempt: Attempt) -> str:
    return words.reached(attempt.step, attempt.outcome)


@register.filter
def kept(names: str, query: QueryDict) -> list[tuple[str, str]]:
    """Return those fields of the address that another form has to carry on."""
    return [(name, str(query[name])) for name in names.split() if query.get(name)]


@register.filter
def at(values: Mapping[Any, Any], key: Any) -> Any:
    """Return what a mapping holds for the key."""
    return values[key]


@register.filter
def unlocalised(number: float) -> str:
    """Return a number as SVG wants it, whatever the reader's decimal comma."""
    return f"{number:g}"


class Shape:
    """What the `status` tag draws, for what is not a status of its own."""

    def __init__(self, icon: str, tone: str, label: Any) -> None:
        self.icon, self.tone, self.label = icon, tone, label


_STATUSES: dict[type, Any] = {Run: RunStatus, Import: ImportStatus}


@register.filter
def state(row: Any) -> Any:
    """Return the status of a mailing, run, delivery or attempt, for the `status` tag."""
    if isinstance(row, Mailing):
        if row.is_paused_by_system:
            return Shape("triangle-alert", "is-wait", words.PAUSED_BY_SERVICE)
        return MailingStatus(row.status)
    if statuses := _STATUSES.get(type(row)):
        return statuses(row.status)
    return _shape(row) or DeliveryStatus(row.status)


def _shape(row: Any) -> Shape | None:
    """Return how a row without a status of its own is drawn."""
    if isinstance(row, Suppression):
        return Shape(*history.look_of(row.reason), words.suppressed(row.reason))
    if isinstance(row, Event):
        look = EventKind(row.kind)
        return Shape(look.icon, look.tone, event_in_words(row))
    if isinstance(row, Hit):
        kind = HitKind(row.kind)
        return Shape(kind.icon, kind.tone, kind.label)
    if hasattr(row, "outcome"):
        sign = OUTCOME_LOOKS[row.outcome]
        return Shape(sign.icon, sign.tone, Outcome(row.outcome).label)
    return None


@register.filter
def machine_in_words(hit: Hit) -> str:
    return tracking.machine(hit.kind, hit.why)


@register.filter
def event_in_words(event: Event) -> str:
    return words.event(event.kind, event.code, event.enhanced_code, event.diagnostic)


@register.filter
def count(value: keyset.Count) -> str:
    return f"{words.figure(value.number)}+" if value.capped else words.figure(value.number)


@register.filter
def moment(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    return words.moment(at, zone or words.reader_zone()) if at else ""


@register.filter
def clock(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    return words.clock(at, zone or words.reader_zone()) if at else ""


@register.filter
def seconds(at: datetime | None, zone: ZoneInfo | None = None) -> str:
    return f"{at.astimezone(zone or words.reader_zone()):%H:%M:%S}" if at else ""


@register.filter
def zoned(at: datetime | None, zone: ZoneInfo) -> str | SafeString:
    """Return the moment in the mailing's zone, which is named when it is not the reader's."""
    if at is None:
        return ""
    said = words.moment(at, zone)
    if zone.key == words.reader_zone().key:
        return format_html('<span class="v-nowrap">{}</span>', said)
    return format_html(
        '<span class="v-nowrap">{}</span><small class="v-soft d-block">{}</small>',
        said,
        zones.city(zone.key),
    )


@register.filter
def day(at: datetime | date, zone: ZoneInfo | None = None) -> str:
    return words.day(at.astimezone(zone or words.reader_zone()) if isinstance(at, datetime) else at)


@register.filter
def weekday(at: datetime, zone: ZoneInfo) -> str:
    return words.day(at.astimezone(zone), weekday=True)


@register.filter
def schedule_in_words(mailing: Mailing) -> str:
    return words.sentence(rule_of(mailing), mailing.next_occurrence)


@register.filter
def rhythm(mailing: Mailing) -> str:
    return words.rhythm(rule_of(mailing))


@register.filter
def encoding_in_words(name: str) -> str:
    return str(dict(ENCODINGS).get(name, name))


@register.filter
def mend_in_words(name: str) -> str:
    return str(dict(MENDS).get(name, name))


@register.filter
def doubt_in_words(reason: str) -> str:
    return outcome.doubt_in_words(reason)


@register.filter
def delimiter_in_words(sign: str) -> str:
    return str(dict(DELIMITERS).get(sign, sign))


@register.filter
def duration(milliseconds: int) -> str:
    return words.duration(milliseconds)
