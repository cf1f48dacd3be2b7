"""What will happen with a mailing: to whom, when, how often – before it is agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from mailings.campaigns.audience import Recipients, count_recipients
from mailings.delivery.queue import daily_limit
from mailings.delivery.runs.planning import rule_of
from mailings.models import ClientList, Mailing, Message, Segment
from mailings.reports.progress import DayLimit
from mailings.states import MailingStatus
from mailings.timing import schedule
from mailings.timing.schedule import Rule
from mailings.web import words

NOW, AT, SAVE = "now", "at", "save"
"""What a form's button promises: mail at once, mail at a time, or no mail by itself."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a mailing so far; a part with a fault in it is None."""

    message: Message | None
    recipients: Recipients
    rule: Rule | None
    now: datetime
    everybody: bool = False
    lists: Sequence[ClientList] = ()
    singles: int = 0
    segments: Sequence[Segment] = ()
    but_lists: Sequence[ClientList] = ()
    but_segments: Sequence[Segment] = ()
    but_singles: int = 0
    has_run: bool = False
    """The first run has been: only what follows is told."""
    faults: Sequence[str] = field(default_factory=tuple)
    remarks: Sequence[str] = field(default_factory=tuple)
    """What of the letter does not keep it from being sent, but is worth a look."""
    chosen: str = NOW
    """Now or at a time, also while the time is not known."""
    is_draft: bool = True
    moved: bool = True
    """The start is not the one that was agreed to before."""

    @property
    def to_whom(self) -> str:
        """Return “ from the lists “A” and “B” and 2 chosen singly”, with its leading space."""
        if self.everybody:
            return _(" – all you have")
        parts = []
        if self.lists:
            parts.append(
                ngettext("from the list %(lists)s", "from the lists %(lists)s", len(self.lists))
                % {"lists": words.quoted(self.lists)}
            )
        if self.segments:
            parts.append(
                ngettext(
                    "from the segment %(segments)s",
                    "from the segments %(segments)s",
                    len(self.segments),
                )
                % {"segments": words.quoted(self.segments)}
            )
        if self.singles and parts:
            parts.append(
                ngettext("%(count)d chosen singly", "%(count)d chosen singly", self.singles)
                % {"count": self.singles}
            )
        # Not inside an f-string: makemessages does not look there.
        said = _(" and ").join(parts)
        return f" {said}" if said else ""

    @property
    def except_whom(self) -> str:
        return words.except_whom(self.but_lists, self.but_singles, self.but_segments)

    @property
    def rhythm(self) -> str:
        return words.rhythm(self.rule) if self.rule else ""

    @property
    def starts_now(self) -> bool:
        return not self.has_run and self.rule is not None and self.rule.start_at <= self.now

    @property
    def day_limit(self) -> DayLimit | None:
        """Return what of the mail service’s day is in the way of a run that starts right away;
        asks for the service."""
        if not self.starts_now or self.rule is None:
            return None
        services, count = daily_limit.in_use(), self.recipients.will_get
        return DayLimit.of(services, count, self.now, self.rule.end_at)

    @property
    def is_late(self) -> bool:
        """A time was chosen, and it has passed."""
        return self.chosen == AT and self.starts_now

    @property
    def promise(self) -> str:
        """Return what the button says, for the form to bring back: “now:3”, “at” or “save”."""
        if self.starts_now and self.moved:
            return f"{NOW}:{self.recipients.will_get}"
        if not self.is_draft:
            return SAVE
        return AT if self.rule is not None or self.chosen == AT else f"{NOW}:0"

    @property
    def button(self) -> str:
        """Return what pressing the button does: “Send to 3 clients now”."""
        count = self.recipients.will_get
        if self.promise == SAVE:
            return _("Save")
        if self.promise == AT:
            if self.rule is None or self.first is None:
                return pgettext("button", "Schedule")
            return _("Plan for %(moment)s") % {"moment": words.moment(self.first, self.rule.zone)}
        if not count:
            return _("Send now")
        if self.is_draft:
            said = ngettext("Send to %(count)s client now", "Send to %(count)s clients now", count)
        else:
            said = ngettext(
                "Save and send to %(count)s client now",
                "Save and send to %(count)s clients now",
                count,
            )
        return said % {"count": words.figure(count)}

    def is_as_agreed(self, agreed: str) -> bool:
        """Return whether the button said no less than what will happen. Nothing said: a door
        without a button. Mail at a time that was not named surprises nobody today."""
        kind, _colon, number = self.promise.partition(":")
        if kind != NOW or not agreed:
            return True
        said, _colon, most = agreed.partition(":")
        # Without a number the button said only “Send now”.
        return said == NOW and (not most.strip("0") or int(number) <= _number(most))

    @property
    def first(self) -> datetime | None:
        """Return when the first run is; None: right away."""
        if self.rule is None or self.starts_now:
            return None
        return schedule.occurrence(self.rule, 0)

    @property
    def following(self) -> datetime | None:
        """Return the run after one that has been or starts right away."""
        if self.rule is None:
            return None
        found = schedule.following(self.rule, self.now)
        return found[1] if found else None

    @property
    def runs(self) -> int | None:
        """Return how many runs there will be yet; None: no end."""
        if self.rule is None:
            return 0
        total = schedule.count(self.rule)
        newest = schedule.latest(self.rule, self.now)
        if total is None or newest is None:
            return total
        return total - newest[0] - (1 if self.has_run else 0)


def of(mailing: Mailing, now: datetime) -> Forecast:
    """Return what will happen with a saved mailing."""
    lists, but_lists = list(mailing.lists.all()), list(mailing.excluded_lists.all())
    segments = list(mailing.segments.select_related("owner"))
    but_segments = list(mailing.excluded_segments.select_related("owner"))
    return Forecast(
        message=mailing.message,
        recipients=count_recipients(
            owner=mailing.owner,
            lists=lists,
            clients=mailing.clients.all(),
            everybody=mailing.to_all,
            segments=segments,
            but_segments=but_segments,
            but_lists=but_lists,
            but_clients=mailing.excluded_clients.all(),
        ),
        rule=rule_of(mailing),
        now=now,
        everybody=mailing.to_all,
        lists=lists,
        segments=segments,
        but_segments=but_segments,
        singles=mailing.clients.count(),
        but_lists=but_lists,
        but_singles=mailing.excluded_clients.count(),
        chosen=NOW if mailing.starts_at_once else AT,
        is_draft=mailing.status == MailingStatus.DRAFT,
    )


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1
