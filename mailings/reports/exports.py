"""Tables of the cabinet as downloads: the same rows and filters as on the page, all of them."""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from django.db.models import F, Model, QuerySet
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.generic import View

from accounts.models import User
from mailings import audit, permissions, refusals
from mailings.models import Attempt, Delivery, Event, Mailing, Run, ledger
from mailings.reports import failures, reading, sums
from mailings.reports.filters import AttemptFilter, DeliveryFilter
from mailings.reports.views import Asked
from mailings.spreadsheets import downloads
from mailings.spreadsheets.downloads import Row
from mailings.states import DeliveryStatus, HitKind, MailingStatus, Outcome, RunStatus
from mailings.tracking import words as tracking
from mailings.web import words
from mailings.web.files import as_file
from mailings.web.views import Owned

CHUNK = 2000
"""Rows fetched at a time."""


def _in_chunks(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    waiting = rows.iterator(CHUNK)
    while chunk := list(islice(waiting, CHUNK)):
        yield chunk


class Export(Owned, View):
    """A table by its name; a name or a kind of file that there is not is a 404."""

    model = Run
    tables: dict[str, Callable[..., Iterable[Row]]]

    def table(self, name: str, kind: str) -> Callable[..., Iterable[Row]]:
        if name not in self.tables or kind not in downloads.KINDS:
            raise Http404
        return self.tables[name]

    def log(self, row: Model, what: str) -> None:
        audit.record(audit.Action.EXPORT, row, self.user, what)


# ---------------------------------------------------------------- the report's


class Known(NamedTuple):
    """What of the owner's letters can be known at all: else there is no column for it."""

    heard: bool
    """What comes back."""
    told: list[HitKind]
    """Who opens and clicks."""

    @classmethod
    def of(cls, owner: User) -> "Known":
        return cls(sums.has_heard(owner), sums.ever_told_of(owner))


READERS = {
    HitKind.OPENED: gettext_lazy("Opened, people"),
    HitKind.CLICKED: gettext_lazy("Clicked, people"),
}


def _sums_heading(known: Known) -> list[str]:
    return [
        _("Recipients"),
        *(str(DeliveryStatus(name).label) for name in Run.COUNTED),
        pgettext("delivery", "Queued"),
        _("Unsubscribed"),
        *([pgettext("figure", "Returned"), _("Complained")] if known.heard else []),
        *(str(READERS[kind]) for kind in known.told),
    ]


def _sums(run: Run, beside: Any, known: Known) -> list[int | None]:
    """`beside` has what is counted beside the statuses. Nobody tells of no complaints: where none
    is known the cell is empty, and so is that of what these letters did not tell."""
    counts = (getattr(run, f"{name}_count") for name in Run.COUNTED)
    back = [beside.returned, beside.complained or None] if known.heard else []
    numbers = [(kind, getattr(beside, kind.value)) for kind in known.told]
    read = [number if sums.is_told(run, kind, number) else None for kind, number in numbers]
    return [run.targeted, *counts, run.pending_count, beside.unsubscribed, *back, *read]


def mailings_table(asked: Asked) -> Iterator[Row]:
    known = Known.of(asked.owner)
    yield [_("Mailing"), _("Status"), _("Last run"), _("Runs"), *_sums_heading(known)]
    for mailings in _in_chunks(asked.mailings().order_by("-created_at")):
        sums.with_sums(mailings, asked.runs)
        for mailing in mailings:
            total: Any = mailing.sums
            yield [
                mailing.name,
                MailingStatus(mailing.status).label,
                total.last and total.last.astimezone(mailing.zone),
                total.number,
                *_sums(total, total, known),
            ]
    if deleted := asked.deleted():
        kept: Any = deleted
        last = kept.last.astimezone(asked.period.zone)
        figures = _sums(kept, kept, known)
        yield [_("Deleted mailings"), "", last, kept.number, *figures]


def runs_table(asked: Asked) -> Iterator[Row]:
    known = Known.of(asked.owner)
    yield _runs_heading(known)
    for run in asked.narrowed_runs().order_by("-scheduled_for", "-pk").iterator(CHUNK):
        yield _run(run, run.mailing, known)


def days_table(asked: Asked) -> Iterator[Row]:
    known = Known.of(asked.owner)
    yield [_("Date"), _("Runs"), *_sums_heading(known)]
    for part in asked.parts():
        number: int = part.sums.number  # type: ignore[attr-defined]
        yield [part.first.isoformat(), number, *_sums(part.sums, part, known)]


def failures_table(asked: Asked) -> Iterator[Row]:
    yield [
        _("Mailing"), _("Run"), _("Address"), _("Name"), _("Attempts"), _("Last attempt"),
        _("Reason"), _("Code"), _("Server’s reply"), _("What to do"),
    ]  # fmt: skip
    last = Attempt.objects.filter(
        delivery__run__in=asked.runs,
        delivery__unusual_status=DeliveryStatus.FAILED,
        number=F("delivery__attempt_count"),
    ).select_related("delivery__run__mailing")
    last = last.defer("delivery__variables", "delivery__run__html", "delivery__run__text")
    for attempt in last.order_by("pk").iterator(CHUNK):
        delivery, run = attempt.delivery, attempt.delivery.run
        title, advice = failures.why_failed(
            Outcome(attempt.outcome),
            attempt.step,
            attempt.code or 0,
            refusals.classify(attempt.code, attempt.enhanced_code, attempt.reply),
        )
        yield [
            run.mailing.name,
            run.scheduled_for.astimezone(run.mailing.zone),
            delivery.address,
            delivery.full_name,
            delivery.attempt_count,
            attempt.started_at.astimezone(run.mailing.zone),
            title,
            _code(attempt),
            attempt.reply,
            advice,
        ]


class ReportExport(Export):
    tables = {
        "mailings": mailings_table,
        "runs": runs_table,
        "days": days_table,
        "failures": failures_table,
    }

    def get(self, request: HttpRequest, table: str, kind: str) -> StreamingHttpResponse:
        make = self.table(table, kind)
        asked = Asked(request, self.user)
        if table == "failures":  # it names people
            self.log(asked.mailing or self.user, table)
        return as_file(make(asked), kind, f"report-{table}")


# ---------------------------------------------------------------- a mailing's and a run's


def _runs_heading(known: Known) -> Row:
    head = [_("Mailing"), _("Run"), _("Time zone"), _("Status"), _("Reason")]
    return [*head, *_sums_heading(known)]


def _run(run: Any, mailing: Mailing, known: Known) -> Row:
    return [
        mailing.name,
        run.scheduled_for.astimezone(mailing.zone),
        mailing.time_zone,
        RunStatus(run.status).label,
        run.reason,
        *_sums(run, run, known),
    ]


class MailingRunsExport(Export):
    def get(self, request: HttpRequest, pk: int, kind: str) -> StreamingHttpResponse:
        if kind not in downloads.KINDS:
            raise Http404
        mailing = get_object_or_404(permissions.owned(Mailing, self.user), pk=pk)
        return as_file(self.rows(mailing), kind, "runs")

    def rows(self, mailing: Mailing) -> Iterator[Row]:
        known = Known.of(self.user)
        yield _runs_heading(known)
        rows = sums.with_leavers(mailing.runs.defer("html", "text"))
        for run in rows.order_by("-scheduled_for", "-pk").iterator(CHUNK):
            yield _run(run, mailing, known)


def deliveries_table(run: Run, query: Any) -> Iterator[Row]:
    yield [
        _("Address"), _("Name"), _("Status"), _("Reason"), _("Attempts"), _("Last attempt"),
        _("Code"), _("Server’s reply"), _("What came back"),
        *(_read_heading() if run.is_tracked else []),
    ]  # fmt: skip
    rows = DeliveryFilter(query).apply(Delivery.objects.filter(run=run)).defer("variables")
    for chunk in _in_chunks(rows.order_by("pk")):
        ledger.with_events(chunk)
        ledger.with_hits(chunk if run.is_tracked else [])
        for row in ledger.with_last_attempts(chunk):
            last: Attempt | None = row.last_attempt  # type: ignore[attr-defined]
            came_back: list[Event] = row.came_back  # type: ignore[attr-defined]
            yield [
                row.address,
                row.full_name,
                DeliveryStatus(row.status).label,
                row.get_reason_display(),
                row.attempt_count,
                last and last.started_at.astimezone(run.mailing.zone),
                last and _code(last),
                last and last.reply,
                "; ".join(
                    words.event(e.kind, e.code, e.enhanced_code, e.diagnostic) for e in came_back
                ),
                *(_read(row, run.mailing.zone) if run.is_tracked else []),
            ]


def _read_heading() -> list[str]:
    return [*(str(kind.label) for kind in HitKind), _("Links"), _("By machines")]


def _read(row: Any, zone: ZoneInfo) -> Row:
    """Return when a person first opened and clicked, in which links, and what machines did."""
    people = {hit.kind: hit.first_at.astimezone(zone) for hit in row.hits_by_people}
    return [
        people.get(HitKind.OPENED),
        people.get(HitKind.CLICKED),
        " ".join(link.url for link in row.links_followed),
        "; ".join(tracking.machine(hit.kind, hit.why) for hit in row.hits_by_machines),
    ]


def links_table(run: Run, query: Any) -> Iterator[Row]:
    yield [_("Link"), _("Words"), pgettext("hit", "People"), pgettext("hit", "Machines")]
    for link in reading.links_of(run):
        yield [link.url, link.label, link.number.people, link.number.machines]


def attempts_table(run: Run, query: Any) -> Iterator[Row]:
    yield [
        _("Time"), _("Address"), _("Name"), _("Attempt"), _("Status"), _("Step"), _("Code"),
        _("Server’s reply"), _("Took, ms"),
    ]  # fmt: skip
    rows = AttemptFilter(query).apply(ledger.attempts_of(run)).select_related("delivery")
    for attempt in rows.defer("delivery__variables").order_by("-started_at", "-pk").iterator(CHUNK):
        yield [
            attempt.started_at.astimezone(run.mailing.zone),
            attempt.delivery.address,
            attempt.delivery.full_name,
            attempt.number,
            Outcome(attempt.outcome).label,
            words.reached(attempt.step, attempt.outcome),
            _code(attempt),
            attempt.reply,
            attempt.duration_ms,
        ]


class RunExport(Export):
    tables = {"deliveries": deliveries_table, "attempts": attempts_table, "links": links_table}

    def get(self, request: HttpRequest, pk: int, table: str, kind: str) -> StreamingHttpResponse:
        make = self.table(table, kind)
        own = permissions.owned(Run, self.user).select_related("mailing").defer("html", "text")
        run = get_object_or_404(own, pk=pk)
        self.log(run.mailing, table)
        return as_file(make(run, request.GET), kind, f"{table}-{run.pk}")


def _code(attempt: Attempt) -> str:
    return " ".join(str(part) for part in (attempt.code, attempt.enhanced_code) if part)
