"""What became of an owner's messages over a period: sums of runs, and of those who left.

Runs of deleted mailings count too: their sums are kept (`models.past`), so the past stays.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

from django.db.models import (
    BigIntegerField,
    Count,
    F,
    IntegerField,
    Max,
    Model,
    OuterRef,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce, TruncDate

from accounts.models import User
from mailings import permissions
from mailings.models import Mailing, PastRun, Run, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.reports.periods import Period

SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "last": Max("scheduled_for"),
    **{name: Sum(name, default=0) for name in ("targeted", *(f"{n}_count" for n in Run.COUNTED))},
}


class Summed(Subquery):
    """A sum over rows as a column: sums over several tables in one query, 0 where there is none."""

    template = "(SELECT COALESCE(SUM(_rows.summed), 0) FROM (%(subquery)s) _rows)"
    output_field = BigIntegerField()

    def __init__(self, rows: QuerySet[Any], column: Any) -> None:
        what = F(column) if isinstance(column, str) else column
        super().__init__(rows.order_by().values(summed=what))


@dataclass(frozen=True, slots=True)
class Part:
    """One column of the chart: a day, week or month that begins on `first`."""

    first: date
    sums: Run
    unsubscribed: int = 0
    complained: int = 0


def knows_complaints(parts: Iterable[Part]) -> bool:
    """Return whether any stands on the stop-list in these parts.

    No mail service tells us of complaints yet: where none is known, “none” must not be said.
    """
    return any(part.complained for part in parts)


def runs_in(
    owner: User, period: Period, mailings: QuerySet[Mailing] | None = None
) -> QuerySet[Run]:
    """Return the owner's runs whose time lies in the period."""
    runs = permissions.owned(Run, owner).filter(
        scheduled_for__gte=period.begin, scheduled_for__lt=period.end
    )
    return runs if mailings is None else runs.filter(mailing__in=mailings)


def past_runs_in(owner: User, period: Period) -> QuerySet[PastRun]:
    """Return what is kept of the runs of the owner's deleted mailings in the period."""
    return permissions.owned(PastRun, owner).filter(
        scheduled_for__gte=period.begin, scheduled_for__lt=period.end
    )


def total(runs: QuerySet[Run], past: QuerySet[PastRun] | None = None) -> Run:
    row = runs.order_by().aggregate(**SUMS)
    if past is not None:
        row = _added(row, past.order_by().aggregate(**SUMS))
    return _summed(row)


def of_past(past: QuerySet[PastRun]) -> Run:
    """Return the sums of deleted mailings as one run, with how many left through them."""
    row: Any = past.order_by().aggregate(**SUMS, left=Sum("unsubscribed", default=0))
    run: Any = _summed(row)
    run.unsubscribed = row["left"]
    return run


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: one[name] + other[name] for name in SUMS if name != "last"}
    return both | {"last": max(filter(None, (one["last"], other["last"])), default=None)}


def with_sums(mailings: list[Mailing], runs: QuerySet[Run]) -> None:
    """Give each mailing the sums of its runs and how many left through them, by two queries."""
    runs = runs.filter(mailing__in=mailings).order_by()
    rows = runs.values("mailing").annotate(**SUMS)
    by_mailing: dict[int, Run] = {row["mailing"]: _summed(row) for row in rows}
    gone = Suppression.objects.filter(run__in=runs, reason=SuppressionReason.UNSUBSCRIBED)
    left = dict(gone.order_by().values_list("run__mailing").annotate(Count("pk")))
    for mailing in mailings:
        total: Any = by_mailing.get(mailing.pk) or _summed({})
        total.unsubscribed = left.get(mailing.pk, 0)
        mailing.sums = total  # type: ignore[attr-defined]


def with_leavers(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Count with each run, in the same query, those who left through its letters."""
    return runs.annotate(
        unsubscribed=number_of(Suppression, "run", reason=SuppressionReason.UNSUBSCRIBED)
    )


def number_of(model: type[Model], path: str, **only: str) -> Coalesce:
    """Count the rows of `model` that belong to the row of the outer query."""
    rows = model._default_manager.filter(**{path: OuterRef("pk")}, **only).order_by().values(path)
    counted = rows.annotate(number=Count("pk")).values("number")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def parts(
    owner: User,
    period: Period,
    runs: QuerySet[Run],
    past: QuerySet[PastRun] | None = None,
    mailing: Mailing | None = None,
) -> list[Part]:
    """Return the period part by part; `mailing`: the only one whose runs these are."""
    names = [name for name in SUMS if name not in ("last",)]
    sums: dict[date, dict[str, int]] = {part: dict.fromkeys(names, 0) for part in period.parts()}
    day = TruncDate("scheduled_for", tzinfo=period.zone)
    sources: list[QuerySet[Any]] = [runs] if past is None else [runs, past]
    for row in chain.from_iterable(
        rows.order_by().annotate(day=day).values("day").annotate(**SUMS) for rows in sources
    ):
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
    who did it through its letters, while the run is still there. Who came with a file as
    unsubscribed did it elsewhere, and long ago."""
    entries = permissions.owned(Suppression, owner).filter(is_imported=False)
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
