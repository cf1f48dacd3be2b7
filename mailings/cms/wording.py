"""A mailing's schedule and status as sentences, in the owner's time zone."""

from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.models import Mailing
from mailings.states import Actor, Frequency

SHORTEST_MONTH = 28  # days; a later day does not exist in every month

EVERY_WEEKDAY = (
    gettext_lazy("Every Monday at %(time)s"),
    gettext_lazy("Every Tuesday at %(time)s"),
    gettext_lazy("Every Wednesday at %(time)s"),
    gettext_lazy("Every Thursday at %(time)s"),
    gettext_lazy("Every Friday at %(time)s"),
    gettext_lazy("Every Saturday at %(time)s"),
    gettext_lazy("Every Sunday at %(time)s"),
)


def schedule_in_words(mailing: Mailing) -> str:
    """Say when the mailing runs: “Every Monday at 09:00, from 7 December 2026 (Asia/Omsk)”."""
    start = timezone.localtime(mailing.start_at, mailing.zone)
    date, time = formats.date_format(start), formats.time_format(start, "H:i")
    if mailing.frequency == Frequency.ONCE:
        sentence = _("Once, on %(date)s at %(time)s") % {"date": date, "time": time}
    else:
        sentence = _("%(rule)s, from %(date)s") % {
            "rule": _rule_in_words(mailing.frequency, start.weekday(), start.day, time),
            "date": date,
        }
    if mailing.end_at:
        end = timezone.localtime(mailing.end_at, mailing.zone)
        sentence = _("%(sentence)s until %(date)s, %(time)s") % {
            "sentence": sentence,
            "date": formats.date_format(end),
            "time": formats.time_format(end, "H:i"),
        }
    return f"{sentence} ({mailing.time_zone})"


def _rule_in_words(frequency: str, weekday: int, day: int, time: str) -> str:
    if frequency == Frequency.DAILY:
        return _("Every day at %(time)s") % {"time": time}
    if frequency == Frequency.WEEKLY:
        return str(EVERY_WEEKDAY[weekday]) % {"time": time}
    sentence = _("On day %(day)s of every month at %(time)s") % {"day": day, "time": time}
    if day > SHORTEST_MONTH:
        sentence = _("%(sentence)s (in shorter months on the last day)") % {"sentence": sentence}
    return sentence


def who_set_status(mailing: Mailing) -> str:
    """Say who brought the mailing into its status: a person by name, or the service."""
    if mailing.status_actor == Actor.SYSTEM:
        return _("the service itself")
    if mailing.status_by is None:
        return str(Actor(mailing.status_actor).label)
    return f"{mailing.status_by} ({Actor(mailing.status_actor).label})"
