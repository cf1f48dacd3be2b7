"""How far a run is, how fast it goes, and when it will be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

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
    speed = _per_second([run], now).get(run.pk, 0.0) if run is not None else 0.0
    return _progress(mailing, run, now, speed)


def of_runs(runs: Sequence[Run], now: datetime) -> list[Progress]:
    """Return how far each run is, by one query for all of their speeds."""
    speeds = _per_second(runs, now)
    return [_progress(run.mailing, run, now, speeds.get(run.pk, 0.0)) for run in runs]


def _progress(mailing: Mailing, run: Run | None, now: datetime, speed: float) -> Progress:
    moving = mailing.status in MOVING
    is_open = run is not None and run.status not in FINAL[RunStatus]
    due = mailing.next_run_at is not None and mailing.next_run_at <= now + SOON
    return Progress(run, now, speed if moving else 0.0, watched=moving and (is_open or due))


def _per_second(runs: Sequence[Run], now: datetime) -> dict[int, float]:
    """Return each open run's attempts a second, over the window or since it began."""
    began = {
        run.pk: max(now - WINDOW, run.started_at or now)
        for run in runs
        if run.status not in FINAL[RunStatus]
    }
    if not began:
        return {}
    tried = (
        Attempt.objects.filter(delivery__run__in=list(began), started_at__gte=now - WINDOW)
        .values_list("delivery__run")
        .annotate(number=Count("pk"))
        .order_by()
    )
    return {pk: number / max((now - began[pk]).total_seconds(), 1.0) for pk, number in tried}
