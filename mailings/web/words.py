"""Dates and schedules in words, in the reader's language and the mailing's zone."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, assert_never
from zoneinfo import ZoneInfo

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext, pgettext, pgettext_lazy

from accounts import zones
from mailings.models.suppression import SuppressionReason
from mailings.refusals import RefusalKind, classify
from mailings.rendering.variables import VARIABLE
from mailings.states import RETURNED, EventKind, Outcome
from mailings.timing import schedule
from mailings.timing.schedule import Frequency, Rule

SHORTEST_MONTH = 28  # days

_EVERY_WEEKDAY = (
    gettext_lazy("Every Monday at %(time)s"),
    gettext_lazy("Every Tuesday at %(time)s"),
    gettext_lazy("Every Wednesday at %(time)s"),
    gettext_lazy("Every Thursday at %(time)s"),
    gettext_lazy("Every Friday at %(time)s"),
    gettext_lazy("Every Saturday at %(time)s"),
    gettext_lazy("Every Sunday at %(time)s"),
)


_WEEKDAYS = (
    pgettext_lazy("in a sentence", "Monday"),
    pgettext_lazy("in a sentence", "Tuesday"),
    pgettext_lazy("in a sentence", "Wednesday"),
    pgettext_lazy("in a sentence", "Thursday"),
    pgettext_lazy("in a sentence", "Friday"),
    pgettext_lazy("in a sentence", "Saturday"),
    pgettext_lazy("in a sentence", "Sunday"),
)


def day(value: date, weekday: bool = False) -> str:
    """Return “1 December”, with the year unless it is the present one."""
    pattern = "j E" if value.year == timezone.localdate().year else "j E Y"
    said = date_format(value, pattern)
    return f"{_WEEKDAYS[value.weekday()]}, {said}" if weekday else said


def days(first: date, last: date) -> str:
    """Return “1 December – 24 December”."""
    return day(first) if first == last else f"{day(first)} – {day(last)}"


def part(step: str, first: date) -> str:
    """Return how a day, week or month that begins on `first` is called in a table."""
    if step == "week":
        return _("week from %(day)s") % {"day": day(first)}
    return date_format(first, "F Y") if step == "month" else day(first)


def part_in_short(step: str, first: date) -> str:
    """Return the same below a chart: “24 Dec”."""
    if step == "month":
        return date_format(first, pgettext("date format of a chart", "M Y"))
    return date_format(first, pgettext("date format of a chart", "j M"))


def reader_zone() -> ZoneInfo:
    zone = timezone.get_current_timezone()
    return zone if isinstance(zone, ZoneInfo) else ZoneInfo(str(zone))


def clock(at: datetime, zone: ZoneInfo) -> str:
    return date_format(at.astimezone(zone), "H:i")


def moment(at: datetime, zone: ZoneInfo) -> str:
    """Return “1 December, 09:00”."""
    return f"{day(at.astimezone(zone))}, {clock(at, zone)}"


def moment_in_sentence(at: datetime, zone: ZoneInfo) -> str:
    """Return “1 December at 09:00”."""
    return _("%(day)s at %(time)s") % {"day": day(at.astimezone(zone)), "time": clock(at, zone)}


def offset(zone: ZoneInfo, at: datetime) -> str:
    """Return “Europe/Moscow, UTC+3”."""
    minutes = int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return f"{zones.city(zone.key)}, UTC{sign}{hours}{f':{rest:02d}' if rest else ''}"


def rhythm(rule: Rule) -> str:
    """Return how often: “Every day at 09:00”."""
    start = rule.start_at.astimezone(rule.zone)
    values = {"time": clock(start, rule.zone), "day": day(start), "number": start.day}
    match rule.frequency:
        case Frequency.ONCE:
            return _("Once, on %(day)s at %(time)s") % values
        case Frequency.DAILY:
            return _("Every day at %(time)s") % values
        case Frequency.WEEKLY:
            return str(_EVERY_WEEKDAY[start.weekday()]) % values
        case Frequency.MONTHLY:
            return _monthly(start.day) % values
        case _:
            assert_never(rule.frequency)


def _monthly(day_of_month: int) -> str:
    if day_of_month > SHORTEST_MONTH:
        return _("Every month on day %(number)d, or the last day of a shorter month, at %(time)s")
    return _("Every month on day %(number)d at %(time)s")


def ending(rule: Rule) -> str:
    if rule.end_at is None:
        return ""
    return _("until %(day)s") % {"day": moment(rule.end_at, rule.zone)}


def runs_left(rule: Rule, next_occurrence: int) -> str:
    """Return “37 runs left”; nothing for a mailing that runs once or without end."""
    total = schedule.count(rule)
    if total is None or not rule.is_recurring:
        return ""
    left = max(0, total - next_occurrence)
    return ngettext("%(count)d run left", "%(count)d runs left", left) % {"count": left}


def sentence(rule: Rule, next_occurrence: int = 0) -> str:
    """Return the whole schedule: rhythm, zone, end, and how many runs are left."""
    said = f"{rhythm(rule)} ({zones.city(rule.zone.key)})"
    if until := ending(rule):
        said = f"{said}, {until}"
    if left := runs_left(rule, next_occurrence):
        said = f"{said}: {left}"
    return f"{said}."


def quoted(names: Iterable[object]) -> str:
    """Return “A”, “B” and “C”."""
    marked = [_("“%(name)s”") % {"name": name} for name in names]
    if len(marked) < 2:  # noqa: PLR2004 - one name needs no “and”
        return "".join(marked)
    return _("%(names)s and %(last)s") % {"names": ", ".join(marked[:-1]), "last": marked[-1]}


NAMES_SHOWN = 5
"""Rows named in a refusal before “…”."""


def named_in_short(rows: QuerySet[Any]) -> str:
    """Return “A”, “B”, … of rows with a name."""
    names = [_("“%(name)s”") % {"name": row.name} for row in rows[: NAMES_SHOWN + 1]]
    return ", ".join(names[:NAMES_SHOWN] + (["…"] if len(names) > NAMES_SHOWN else []))


def except_whom(lists: Sequence[object], clients: int, segments: Sequence[object] = ()) -> str:
    """Return “, except the list “C” and 1 client”, with its leading comma."""
    parts = []
    if lists:
        parts.append(
            ngettext("the list %(lists)s", "the lists %(lists)s", len(lists))
            % {"lists": quoted(lists)}
        )
    if segments:
        parts.append(
            ngettext("the segment %(segments)s", "the segments %(segments)s", len(segments))
            % {"segments": quoted(segments)}
        )
    if clients:
        parts.append(
            ngettext("%(count)d client", "%(count)d clients", clients) % {"count": clients}
        )
    if not parts:
        return ""
    return _(", except %(whom)s") % {"whom": _(" and ").join(parts)}


def figure(number: int) -> str:
    """Return a number with a no-break space between thousands."""
    return f"{number:,}".replace(",", "\N{NO-BREAK SPACE}").replace("-", "\N{MINUS SIGN}")


def short_figure(number: int) -> str:
    """Return a round number for an axis: “10 k”, “1.5 M”."""
    for size, text in ((1_000_000, _("%(number)s M")), (1_000, _("%(number)s k"))):
        if number >= size * (1 if size > 1_000 else 10):  # noqa: PLR2004 - 2 500 stays as it is
            whole = number % size == 0
            return text % {"number": number_format(number / size, decimal_pos=0 if whole else 1)}
    return figure(number)


def readable(text: str) -> str:
    """Return a subject with its variables as a reader understands them: “Hello, [first name]”."""
    return VARIABLE.sub(lambda match: f"[{_variable(match['name'])}]", text)


def _variable(name: str) -> str:
    known = {
        "full_name": pgettext("variable", "name"),
        "first_name": pgettext("variable", "first name"),
        "email": pgettext("variable", "address"),
    }
    return known.get(name, name)


def duration(milliseconds: int) -> str:
    """Return “48 ms” or “30.0 s”."""
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return _("%(number)d ms") % {"number": milliseconds}
    return _("%(number)s s") % {"number": number_format(milliseconds / 1000, decimal_pos=1)}


SUPPRESSED = {
    SuppressionReason.UNSUBSCRIBED: pgettext_lazy("client", "Unsubscribed"),
    SuppressionReason.BOUNCED: pgettext_lazy("client", "Address does not work"),
    SuppressionReason.COMPLAINED: pgettext_lazy("client", "Complained about spam"),
    SuppressionReason.MANUAL: pgettext_lazy("client", "Suppressed by hand"),
    SuppressionReason.NO_CONSENT: pgettext_lazy("client", "Did not agree to get mail"),
}
"""What is shown of a client who must not be written to."""


def suppressed(reason: str) -> str:
    return str(SUPPRESSED[SuppressionReason(reason)])


K = RefusalKind

RETURNED_BECAUSE = {
    K.UNKNOWN_MAILBOX: gettext_lazy("there is no such mailbox"),
    K.DISABLED_MAILBOX: gettext_lazy("the mailbox is switched off"),
    K.FULL_MAILBOX: gettext_lazy("the mailbox is full"),
    K.BAD_DOMAIN: gettext_lazy("there is no such domain"),
    K.SPAM: gettext_lazy("it was taken for spam"),
    K.SIZE: gettext_lazy("it is too large"),
    K.CONTENT: gettext_lazy("its content was refused"),
    K.REPUTATION: gettext_lazy("the recipient’s server does not trust the sender"),
    K.POLICY: gettext_lazy("the recipient’s server has rules against it"),
    K.SENDER: gettext_lazy("the sender’s address was refused"),
    K.RELAY: gettext_lazy("the mail service did not pass it on"),
    K.QUOTA: gettext_lazy("the mail service’s allowance was used up"),
    K.RATE: gettext_lazy("the recipient’s server took no more"),
    K.TRANSIENT: gettext_lazy("the recipient’s server did not take it in time"),
    K.UNKNOWN: gettext_lazy("the server’s words tell why"),
}
"""Why a letter came back, behind “The letter came back: …”."""


def event(kind: str, code: int | None, enhanced_code: str, diagnostic: str) -> str:
    """Return what an event says to whoever wrote the letter."""
    if kind not in RETURNED:
        return str(EventKind(kind).label)
    why = RETURNED_BECAUSE[classify(code, enhanced_code, diagnostic).kind]
    return _("The letter came back: %(why)s") % {"why": why}


PAUSED_BY_SERVICE = pgettext_lazy("mailing", "Paused by the service")

_STEPS = {
    "connect": gettext_lazy("reaching the mail service"),
    "banner": gettext_lazy("first answer of the mail service"),
    "ehlo": gettext_lazy("getting acquainted"),
    "tls": gettext_lazy("encryption"),
    "auth": gettext_lazy("sign-in to the mail service"),
    "mail": gettext_lazy("sender’s address"),
    "rcpt": gettext_lazy("recipient’s address"),
    "data": gettext_lazy("readiness for the message"),
    "dot": gettext_lazy("taking over the message"),
    "http": gettext_lazy("answer of the mail service"),
    "render": gettext_lazy("making the message"),
}
_TAKEN = gettext_lazy("message taken over")


def step(name: str) -> str:
    """Return where in the dialogue with the mail service a try ended."""
    return str(_STEPS.get(name, name))


def reached(name: str, outcome: str) -> str:
    """Return the same of one try: one that was accepted did not end at a step."""
    return str(_TAKEN) if outcome == Outcome.ACCEPTED else step(name)


def step_choices() -> list[tuple[str, str]]:
    return [(name, str(label)) for name, label in _STEPS.items()]
