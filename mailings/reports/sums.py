"""What became of an owner's messages over a period: sums of runs, and of those who left.

Runs of deleted mailings count too: their sums are kept (`models.past`), so the past stays.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from typing import Any

from django.conf import settings
from django.db.models import (
    BigIntegerField,
    Count,
    F,
    IntegerField,
    Max,
    Model,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)
from django.db.models.functions import Coalesce, TruncDate

from accounts.models import User
from mailings import permissions
from mailings.models import Event, Hit, Mailing, PastRun, Run, Suppression
from mailings.models.past import FIGURES
from mailings.models.suppression import SuppressionReason
from mailings.reports.periods import Period
from mailings.states import CAME_BACK, EventKind, HitKind

SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "last": Max("scheduled_for"),
    **{name: Sum(name, default=0) for name in ("targeted", *(f"{n}_count" for n in Run.COUNTED))},
}

BESIDES = (*FIGURES, *(kind.value for kind in HitKind))

BESIDE: dict[str, Any] = {f"{name}_sum": Sum(name, default=0) for name in BESIDES}
"""Sums of what is counted beside the statuses; kept of deleted mailings under the same names."""

FIGURE_OF = {kind.value: name for name, kinds in FIGURES.items() for kind in kinds} | {
    kind.value: kind.value for kind in HitKind
}
"""Under which figure an event or a hit is counted."""

PEOPLE: dict[str, Any] = {"link": 0, "is_machine": False}
"""Which hits are counted: a person's, of the letter as a whole."""


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
    returned: int = 0
    complained: int = 0
    opened: int = 0
    clicked: int = 0


TRACKED = {HitKind.OPENED: "track_opens", HitKind.CLICKED: "track_clicks"}
"""By which column of a run its letters tell of each."""

TELLING: dict[str, Any] = {name: Count("pk", filter=Q(**{name: True})) for name in TRACKED.values()}
"""How many runs tell of it; not known of deleted ones."""


def is_told(summed: Run, kind: HitKind, number: int) -> bool:
    """Return whether the letters of these runs, or of one, told of it. Else “nobody opened it” must
    not be said. Of deleted ones only what was told is known."""
    return bool(getattr(summed, TRACKED[kind]) or number)


def told_of(summed: Run, parts: Sequence[Part]) -> list[HitKind]:
    """Return what of their readers the letters of a period (`total`) told."""
    return [
        kind
        for kind in HitKind
        if is_told(summed, kind, sum(getattr(part, kind.value) for part in parts))
    ]


def ever_told_of(owner: User) -> list[HitKind]:
    """Return the same before any row is known, for the head of a table."""
    runs, past = permissions.owned(Run, owner), permissions.owned(PastRun, owner)
    return [
        kind
        for kind, column in TRACKED.items()
        if runs.filter(**{column: True}).exists()
        or past.filter(**{f"{kind.value}__gt": 0}).exists()
    ]


def knows_complaints(parts: Iterable[Part]) -> bool:
    """Return whether any was told of in these parts.

    Few receivers tell of complaints, and only those who ask them: where none is known, “none” must
    not be said.
    """
    return any(part.complained for part in parts)


def knows_returns(rows: Iterable[Any]) -> bool:
    """Return whether mail that comes back is heard of: there is an address for it, or some of these
    parts or runs came back another way. Else “none” must not be said."""
    return _is_taken_in() or any(row.returned or row.complained for row in rows)


def _is_taken_in() -> bool:
    """Whether any way is set up by which what comes back is heard of."""
    return bool(settings.BOUNCE_DOMAIN or settings.BOUNCE_MAILBOX_URL or settings.WEBHOOK_SECRETS)


def has_heard(owner: User) -> bool:
    """Return the same before any row is known, for the head of a table."""
    came = permissions.owned(Event, owner).filter(kind__in=CAME_BACK)
    if _is_taken_in() or came.exists():
        return True
    past = permissions.owned(PastRun, owner)
    return past.filter(Q(returned__gt=0) | Q(complained__gt=0)).exists()


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
    row = runs.order_by().aggregate(**SUMS, **TELLING)
    if past is not None:
        row |= _added(row, past.order_by().aggregate(**SUMS))
    return _summed(row)


def of_past(past: QuerySet[PastRun]) -> Run:
    """Return the sums of deleted mailings as one run, with how many left through them."""
    return _with_beside(past.order_by().aggregate(**SUMS, **BESIDE))


def _added(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: one[name] + other[name] for name in SUMS if name != "last"}
    return both | {"last": max(filter(None, (one["last"], other["last"])), default=None)}


def with_sums(mailings: list[Mailing], runs: QuerySet[Run]) -> None:
    """Give each mailing the sums of its runs, how many left through them and how much came back, in
    one query."""
    runs = runs.filter(mailing__in=mailings).order_by()
    rows = runs.alias(**_counted_beside()).values("mailing").annotate(**SUMS, **BESIDE, **TELLING)
    by_mailing = {row["mailing"]: _with_beside(row) for row in rows}
    for mailing in mailings:
        mailing.sums = by_mailing.get(mailing.pk) or _with_beside({})  # type: ignore[attr-defined]


def with_leavers(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Count with each run, in the same query, those who left through its letters, the letters that
    came back, the complaints, and the people who opened and clicked."""
    return runs.annotate(**_counted_beside())


def _counted_beside() -> dict[str, Coalesce]:
    return {name: number_of(Event, "run", kind__in=kinds) for name, kinds in FIGURES.items()} | {
        kind.value: number_of(Hit, "run", kind=kind, **PEOPLE) for kind in HitKind
    }


def number_of(model: type[Model], path: str, **only: Any) -> Coalesce:
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
    names = [name for name in (*SUMS, *TELLING) if name not in ("last",)]
    sums: dict[date, dict[str, int]] = {part: dict.fromkeys(names, 0) for part in period.parts()}
    day = TruncDate("scheduled_for", tzinfo=period.zone)
    sources: list[QuerySet[Any]] = [runs] if past is None else [runs, past]
    for row in chain.from_iterable(
        rows.order_by()
        .annotate(day=day)
        .values("day")
        .annotate(**SUMS, **(TELLING if rows.model is Run else {}))
        for rows in sources
    ):
        part = sums[period.part_of(row["day"])]
        for name in names:
            part[name] += row.get(name, 0)
    left = leavers(owner, period, mailing)
    came = known_later(period, runs, past)
    return [
        Part(
            first,
            _summed(values),
            left.get(first, 0),
            **{name: came.get((first, name), 0) for name in LATER},
        )
        for first, values in sums.items()
    ]


LATER = BESIDES[1:]
"""What becomes known of letters after they were sent: all but who left."""


def known_later(
    period: Period, runs: QuerySet[Run], past: QuerySet[PastRun] | None
) -> dict[tuple[date, str], int]:
    """Return how many letters of the runs of each part were returned, complained of, opened and
    clicked in, whenever that was: beside the number sent."""
    found: dict[tuple[date, str], int] = {}

    def add(day: date, name: str, number: int) -> None:
        key = (period.part_of(day), name)
        found[key] = found.get(key, 0) + number

    day = TruncDate("run__scheduled_for", tzinfo=period.zone)
    theirs = {"run__in": runs.order_by().values("pk")}
    came_back = Event.objects.filter(**theirs, kind__in=CAME_BACK)
    events = came_back.order_by().values_list(day, "kind")
    hits = Hit.objects.filter(**theirs, **PEOPLE).order_by().values_list(day, "kind")
    both = events.annotate(number=Count("pk")).union(hits.annotate(number=Count("pk")), all=True)
    for at, kind, number in both:
        add(at, FIGURE_OF[kind], number)
    if past is not None:
        days = past.order_by().values_list(TruncDate("scheduled_for", tzinfo=period.zone))
        for at, *numbers in days.annotate(
            **{f"{name}_sum": BESIDE[f"{name}_sum"] for name in LATER}
        ):
            for name, number in zip(LATER, numbers, strict=True):
                add(at, name, number)
    return found


def leavers(owner: User, period: Period, mailing: Mailing | None = None) -> dict[date, int]:
    """Return how many unsubscribed in each part of the period; of one mailing those who did it
    through its letters, while the run is still there."""
    events = permissions.owned(Event, owner).filter(kind=EventKind.UNSUBSCRIBED)
    if mailing is not None:
        events = events.filter(run__mailing=mailing)
    sources: list[tuple[QuerySet[Any], str]] = [(events, "happened_at")]
    if mailing is None:
        sources.append((left_by_no_letter(owner), "created_at"))
    counted = [
        rows.filter(**{f"{at}__gte": period.begin, f"{at}__lt": period.end})
        .order_by()
        .values_list(TruncDate(at, tzinfo=period.zone))
        .annotate(number=Count("pk"))
        for rows, at in sources
    ]
    found: dict[date, int] = {}
    for day, number in counted[0].union(*counted[1:], all=True):
        first = period.part_of(day)
        found[first] = found.get(first, 0) + number
    return found


def left_by_no_letter(owner: User) -> QuerySet[Suppression]:
    """Return who unsubscribed by no letter that is still there: its mailing was deleted, or
    somebody entered it. Who came with a file did it elsewhere, and long ago."""
    return permissions.owned(Suppression, owner).filter(
        reason=SuppressionReason.UNSUBSCRIBED, is_imported=False, run=None
    )


def _with_beside(row: Mapping[str, Any]) -> Run:
    run = _summed(row)
    for name in BESIDE:
        setattr(run, name.removesuffix("_sum"), row.get(name, 0))
    return run


def _summed(row: Mapping[str, Any]) -> Run:
    """Return the sums as one run that is never stored, so that it is drawn like one."""
    names = [name for name in SUMS if name not in ("runs", "last")]
    run = Run(**{name: row.get(name, 0) for name in names})
    for name in TELLING:
        setattr(run, name, bool(row.get(name)))
    run.number, run.last = row.get("runs", 0), row.get("last")  # type: ignore[attr-defined]
    return run
