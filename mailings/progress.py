"""How far a run is, how fast it goes, and when it will be done."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mailings import bars
from mailings.models import Attempt, Mailing, Run
from mailings.states import FINAL, MailingStatus, RunStatus

WINDOW = timedelta(seconds=10)
"""The speed is that of the last seconds: an average would hide a stand-still."""
SOON = timedelta(minutes=1)
"""A page about a mailing that is due within this watches for the start."""

MOVING = (MailingStatus.CREATED, MailingStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Progress:
    run: Run | None
    now: datetime
    per_second: float = 0.0
    watched: bool = False
    """Something is about to change, so the page should ask again soon."""

    @property
    def percent(self) -> int:
        return bars.percent(self.run) if self.run else 0

    @property
    def is_open(self) -> bool:
        return self.run is not None and self.run.status not in FINAL[RunStatus]

    @property
    def ends_at(self) -> datetime | None:
        if self.run is None or not self.per_second or not self.run.pending_count:
            return None
        return self.now + timedelta(seconds=self.run.pending_count / self.per_second)


def of(mailing: Mailing, run: Run | None, now: datetime) -> Progress:
    moving = mailing.status in MOVING
    is_open = run is not None and run.status not in FINAL[RunStatus]
    due = mailing.next_run_at is not None and mailing.next_run_at <= now + SOON
    speed = _per_second(run, now) if run is not None and is_open and moving else 0.0
    return Progress(run, now, speed, watched=moving and (is_open or due))


def _per_second(run: Run, now: datetime) -> float:
    since = max(now - WINDOW, run.started_at or now)
    tried = Attempt.objects.filter(delivery__run=run, started_at__gte=since).count()
    return tried / max((now - since).total_seconds(), 1.0)
