"""How many recipients complained of an owner's letters, of how many: what receivers judge by."""

from datetime import datetime
from typing import NamedTuple

from django.db.models import Sum

from accounts.models import User
from mailings.models import Event, Run
from mailings.states import EventKind


class Complaints(NamedTuple):
    """Of the letters of some time."""

    complained: int
    sent: int

    @property
    def percent(self) -> float:
        """Per cent of what was sent; 0 where nothing was."""
        return 100 * self.complained / self.sent if self.sent else 0.0


def of(owner: User, since: datetime) -> Complaints:
    """Return the complaints about the owner's runs that began after `since`; two queries."""
    runs = Run.objects.filter(mailing__owner=owner, started_at__gte=since)
    complained = Event.objects.filter(
        run__mailing__owner=owner, run__started_at__gte=since, kind=EventKind.COMPLAINED
    ).count()
    sent: int = runs.aggregate(n=Sum("sent_count", default=0))["n"]
    return Complaints(complained, sent)
