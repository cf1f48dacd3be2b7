"""What became of an owner's messages over a period: sums of runs, and of those who left."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.db.models.functions import TruncDate

from accounts.models import User
from mailings import permissions
from mailings.models import Mailing, Run, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.statistics.periods import Period

SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "last": Max("scheduled_for"),
    **{name: Sum(name, default=0) for name in ("targeted", *(f"{n}_count" for n in Run.COUNTED))},
}


@dataclass(frozen=True, slots=True)
class Part:
    """One column of the chart: a day, week or month that begins on `first`."""

    first: date
    sums: Run
    unsubscribed: int = 0
    complained: int = 0


def runs_in(
    owner: User, period: Period, mailings: QuerySet[Mailing] | None = None
) -> QuerySet[Run]:
    """Return the owner's runs whose time lies in the period."""
    runs = permissions.owned(Run, owner).filter(
        scheduled_for__gte=period.begin, scheduled_for__lt=period.end
    )
    return runs if mailings is None else runs.filter(mailing__in=mailings)


def total(runs: QuerySet[Run]) -> Run:
    return _summed(runs.order_by().aggregate(**SUMS))


def with_sums(mailings: list[Mailing], runs: QuerySet[Run]) -> None:
    """Give each mailing the sums of its runs and how many left through them, by two queries."""
    runs = runs.filter(mailing__in=mailings).order_by()
    rows = runs.values("mailing").annotate(**SUMS)
    by_mailing: dict[int, Run] = {row["mailing"]: _summed(row) for row in rows}
    left = _left_through(runs, "run__mailing")
    for mailing in mailings:
        total: Any = by_mailing.get(mailing.pk) or _summed({})
        total.unsubscribed = left.get(mailing.pk, 0)
        mailing.sums = total  # type: ignore[attr-defined]


def with_leavers(runs: Sequence[Run]) -> None:
    """Give each run the number of those who left through its letters, by one query for all."""
    left = unsubscribed(runs)
    for run in runs:
        run.unsubscribed = left.get(run.pk, 0)  # type: ignore[attr-defined]


def parts(
    owner: User, period: Period, runs: QuerySet[Run], mailing: Mailing | None = None
) -> list[Part]:
    """Return the period part by part; `mailing`: the only one whose runs these are."""
    names = [name for name in SUMS if name not in ("last",)]
    sums: dict[date, dict[str, int]] = {part: dict.fromkeys(names, 0) for part in period.parts()}
    by_day = (
        runs.order_by().annotate(day=TruncDate("scheduled_for", tzinfo=period.zone)).values("day")
    )
    rows: Any = by_day.annotate(**SUMS)
    for row in rows:
        part = sums[period.part_of(row["day"])]
        for name in names:
            part[name] += row[name]
    left = leavers(owner, period, mailing)
    return [
        Part(
            first,
            _summed(values),
            left.get((first, SuppressionReason.UNSUBSCRIBED), 0),
            left.get((first, SuppressionReason.COMPLAINED), 0),
        )
        for first, values in sums.items()
    ]


def leavers(
    owner: User, period: Period, mailing: Mailing | None = None
) -> dict[tuple[date, str], int]:
    """Return how many unsubscribed and complained in each part of the period; of one mailing those
    who did it through its letters, while the run is still there."""
    entries = permissions.owned(Suppression, owner)
    if mailing is not None:
        entries = entries.filter(run__mailing=mailing)
    rows = (
        entries.filter(
            reason__in=[SuppressionReason.UNSUBSCRIBED, SuppressionReason.COMPLAINED],
            created_at__gte=period.begin,
            created_at__lt=period.end,
        )
        .order_by()
        .values("reason", day=TruncDate("created_at", tzinfo=period.zone))
        .annotate(number=Count("pk"))
    )
    found: dict[tuple[date, str], int] = {}
    for row in rows:
        key = (period.part_of(row["day"]), row["reason"])
        found[key] = found.get(key, 0) + row["number"]
    return found


def _summed(row: Mapping[str, Any]) -> Run:
    """Return the sums as one run that is never stored, so that it is drawn like one."""
    names = [name for name in SUMS if name not in ("runs", "last")]
    run = Run(**{name: row.get(name, 0) for name in names})
    run.number, run.last = row.get("runs", 0), row.get("last")  # type: ignore[attr-defined]
    return run


def unsubscribed(runs: Iterable[Run]) -> dict[int, int]:
    """Return how many people left through the letters of each run, by one query for all."""
    return _left_through([run.pk for run in runs], "run")


def _left_through(runs: QuerySet[Run] | list[int], by: str) -> dict[int, int]:
    rows = Suppression.objects.filter(run__in=runs, reason=SuppressionReason.UNSUBSCRIBED)
    return dict(rows.order_by().values_list(by).annotate(Count("pk")))
