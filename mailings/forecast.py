"""What will happen with a mailing: to whom, when, how often – before it is agreed to."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailings import words
from mailings.delivery import schedule
from mailings.delivery.schedule import Rule
from mailings.models import ClientList, Message
from mailings.services import Recipients


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is known of a mailing so far; a part with a fault in it is None."""

    message: Message | None
    recipients: Recipients
    rule: Rule | None
    now: datetime
    lists: Sequence[ClientList] = ()
    singles: int = 0
    but_lists: Sequence[ClientList] = ()
    but_singles: int = 0
    has_run: bool = False
    """The first run has been: only what follows is told."""
    faults: Sequence[str] = field(default_factory=tuple)

    @property
    def to_whom(self) -> str:
        """Return “ from the lists “A” and “B” and 2 chosen singly”, with its leading space."""
        parts = []
        if self.lists:
            parts.append(
                ngettext("from the list %(lists)s", "from the lists %(lists)s", len(self.lists))
                % {"lists": words.quoted(self.lists)}
            )
        if self.singles and self.lists:
            parts.append(
                ngettext("%(count)d chosen singly", "%(count)d chosen singly", self.singles)
                % {"count": self.singles}
            )
        # Not inside an f-string: makemessages does not look there.
        said = _(" and ").join(parts)
        return f" {said}" if said else ""

    @property
    def except_whom(self) -> str:
        return words.except_whom(self.but_lists, self.but_singles)

    @property
    def rhythm(self) -> str:
        return words.rhythm(self.rule) if self.rule else ""

    @property
    def starts_now(self) -> bool:
        return not self.has_run and self.rule is not None and self.rule.start_at <= self.now

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
