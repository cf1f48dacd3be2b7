"""How far a run is, how fast it goes, and when it will be done – from the run's counters alone, so
that a look costs the same however many recipients there are.

The speed is the change since the last look, which the page brings back with its next request.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.conf import settings

from mailings.delivery.queue import daily_limit
from mailings.models import Attempt, Mailing, Run, Transport
from mailings.reports import bars
from mailings.states import FINAL, MailingStatus, RunStatus

SOON = timedelta(minutes=1)
"""A page about a mailing that is due within this watches for the start."""
SMOOTHING = 5.0
"""Seconds over which the speed is smoothed: an average of the whole would hide a stand-still."""
FAR_OFF = 30 * 24 * 3600.0  # seconds; nothing that far ahead is worth telling
SAMPLE_LASTS = 60.0  # seconds; an older look says nothing about now

REPLIES_SHOWN = 5
REPLIES_LOOKED_AT = 500
"""Newest attempts, of all runs, among which a run's last replies are looked for."""

MOVING = (MailingStatus.CREATED, MailingStatus.RUNNING)


@dataclass(frozen=True, slots=True)
class Sample:
    """What a page saw when it last looked: it travels in the page's next request."""

    run_id: int
    at: float
    settled: int
    speed: float

    def __str__(self) -> str:
        return f"{self.run_id}_{self.at:.1f}_{self.settled}_{self.speed:.3f}"

    @classmethod
    def read(cls, text: str) -> "Sample | None":
        """Return None for what is no sample: it comes from outside."""
        try:
            run_id, at, settled, speed = text.split("_")
            sample = cls(int(run_id), float(at), int(settled), float(speed))
        except ValueError:
            return None
        return sample if math.isfinite(sample.at) and math.isfinite(sample.speed) else None


@dataclass(frozen=True, slots=True)
class Progress:
    run: Run | None
    now: datetime
    per_second: float = 0.0
    starts_in: int | None = None
    """Seconds until a mailing begins that has never run, if that is soon: it can be taken back."""
    watched: bool = False
    """Something is about to change, so the page should ask again soon."""
    day_limit: "DayLimit | None" = None
    """Not all of it can go today."""

    @property
    def sample(self) -> Sample | None:
        if self.run is None:
            return None
        return Sample(self.run.pk, self.now.timestamp(), self.run.settled_count, self.per_second)

    @property
    def percent(self) -> int:
        return bars.percent(self.run) if self.run else 0

    @property
    def is_open(self) -> bool:
        return self.run is not None and self.run.status not in FINAL[RunStatus]

    @property
    def ends_at(self) -> datetime | None:
        if self.run is None or self.per_second <= 0 or not self.run.pending_count or self.day_limit:
            return None
        seconds = self.run.pending_count / self.per_second
        return self.now + timedelta(seconds=seconds) if seconds < FAR_OFF else None


@dataclass(frozen=True, slots=True)
class DayLimit:
    """The mail services in use take fewer mails today than a run still has."""

    allowed: int
    is_warm_up: bool
    rest_from: datetime
    """When there are more."""
    done_on: datetime | None
    """The beginning of the day on which the last go; None: nobody can tell."""
    is_cut_short: bool = False
    """The mailing ends before they do."""

    @property
    def last_day(self) -> date | None:
        """Return the day of the last ones, in the service’s own zone."""
        return self.done_on.date() if self.done_on else None

    @property
    def takes_days(self) -> bool:
        """Return whether tomorrow will not do."""
        return self.done_on is not None and self.done_on > self.rest_from

    @classmethod
    def of(
        cls,
        transports: Sequence[Transport],
        mails: int,
        now: datetime,
        end_at: datetime | None = None,
    ) -> "DayLimit | None":
        """Return it, if so many mails are more than what is left of today; `end_at`: what has not
        gone by then is not sent."""
        days = [daily_limit.today(transport, now) for transport in transports]
        allowed = [day.allowed for day in days if day.allowed is not None]
        if not days or len(allowed) < len(days):
            return None  # one of them takes as many as there are
        if mails <= sum(day.left or 0 for day in days):
            return None
        rest_from = min(day.ends_at for day in days)
        done_on = daily_limit.done_on(transports[0], now, mails) if len(days) == 1 else None
        return cls(
            sum(allowed),
            any(day.is_warm_up for day in days),
            rest_from,
            done_on,
            is_cut_short=end_at is not None and end_at <= (done_on or rest_from),
        )


def of(mailing: Mailing, run: Run | None, now: datetime, samples: Iterable[str] = ()) -> Progress:
    transports = daily_limit.in_use() if run is not None and _sends(run) else []
    held = daily_limit.held_most(transports, now)
    return _progress(mailing, run, now, _by_run(samples), transports, held)


def of_runs(runs: Sequence[Run], now: datetime, samples: Iterable[str] = ()) -> list[Progress]:
    known = _by_run(samples)
    transports = daily_limit.in_use() if any(map(_sends, runs)) else []
    held = daily_limit.held_most(transports, now)
    return [_progress(run.mailing, run, now, known, transports, held) for run in runs]


def _sends(run: Run) -> bool:
    return run.status not in FINAL[RunStatus] and run.pending_count > 0


def last_replies(run: Run) -> list[Attempt]:
    """Return the run's newest attempts among the newest of all: a fixed number of rows is read."""
    newest = Attempt.objects.order_by("-started_at", "-id")[:REPLIES_LOOKED_AT]
    ids = list(newest.values_list("pk", flat=True))
    rows = Attempt.objects.filter(pk__in=ids, delivery__run=run).select_related("delivery")
    return list(rows.order_by("-started_at", "-id")[:REPLIES_SHOWN])


def _by_run(samples: Iterable[str]) -> dict[int, Sample]:
    found = (Sample.read(text) for text in samples)
    return {sample.run_id: sample for sample in found if sample is not None}


def _progress(
    mailing: Mailing,
    run: Run | None,
    now: datetime,
    samples: dict[int, Sample],
    transports: Sequence[Transport],
    held: int,
) -> Progress:
    moving = mailing.status in MOVING
    is_open = run is not None and run.status not in FINAL[RunStatus]
    soon = max(SOON, timedelta(seconds=settings.UNDO_SECONDS))
    due = mailing.next_run_at is not None and mailing.next_run_at <= now + soon
    speed = _per_second(run, now, samples.get(run.pk)) if run and is_open and moving else 0.0
    starts_in = None
    if run is None and due and mailing.next_run_at and mailing.next_run_at > now:
        starts_in = math.ceil((mailing.next_run_at - now).total_seconds())
    limit = None
    if run and is_open and moving:
        limit = DayLimit.of(transports, run.pending_count, now, mailing.end_at)
    if limit and run and not DayLimit.of(transports, run.pending_count - held, now):
        limit = None  # workers may have counted it already, and be about to send it
    return Progress(run, now, speed, starts_in, moving and (is_open or due), limit)


def _per_second(run: Run, now: datetime, before: Sample | None) -> float:
    """Return the speed since the look before; at the first look, that since the run began."""
    passed = now.timestamp() - before.at if before else 0.0
    if before is None or not 0 < passed < SAMPLE_LASTS:
        seconds = (now - (run.started_at or now)).total_seconds()
        return run.settled_count / max(seconds, 1.0)
    latest = max(0, run.settled_count - before.settled) / passed
    weight = 1 - math.exp(-passed / SMOOTHING)
    return latest * weight + max(0.0, before.speed) * (1 - weight)
