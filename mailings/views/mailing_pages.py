"""The page of a mailing and that of one of its runs: how far it is, why not sent, the log."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.generic import DetailView

from mailings import failures, keyset, ledger, progress
from mailings.filters import AttemptFilter, DeliveryFilter
from mailings.models import Attempt, Delivery, Mailing, Run
from mailings.states import RunStatus
from mailings.views.owned import Owned

LIVE = "live"
"""The part of the page that htmx asks for while something moves."""

OPEN_RUNS = (RunStatus.PREPARING, RunStatus.SENDING)


class RunShown(Owned):
    """A page around one run: its bar and figures, its failures, its attempts and deliveries."""

    object: Any
    tabs: tuple[str, ...] = ("attempts", "deliveries")

    def shown(self) -> tuple[Mailing, Run | None]:
        raise NotImplementedError

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if self.request.htmx and self.request.htmx.target == LIVE:  # type: ignore[attr-defined]
            return render(self.request, "mailings/_live_part.html", context)
        return super().render_to_response(context, **kwargs)  # type: ignore[misc]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mailing, run = self.shown()
        now = timezone.now()
        tab = self.request.GET.get("tab", "")
        tab = tab if tab in self.tabs else self.tabs[0]
        context: dict[str, Any] = {
            "mailing": mailing,
            "run": run,
            "zone": mailing.zone,
            "progress": progress.of(mailing, run, now),
            "tab": tab,
        }
        if run is not None:
            context |= {
                "not_sent": failures.not_sent(run),
                "still_moving": failures.still_moving(run),
                "attempt_count": keyset.Count.of(attempts_of(run)),
            }
            if not self.request.htmx:  # type: ignore[attr-defined]
                context |= getattr(self, f"{tab}_context")(run)
        return super().get_context_data(**context, **kwargs)

    def attempts_context(self, run: Run) -> dict[str, Any]:
        filters = AttemptFilter(self.request.GET)
        rows = filters.apply(attempts_of(run)).select_related("delivery")
        page = keyset.page(rows, ("-started_at", "-id"), self.request.GET)
        return {"filters": filters, "page": page, "found": keyset.Count.of(rows)}

    def deliveries_context(self, run: Run) -> dict[str, Any]:
        filters = DeliveryFilter(self.request.GET)
        rows: QuerySet[Delivery] = filters.apply(run.deliveries.all())
        page = keyset.page(rows, ("id",), self.request.GET)
        ledger.with_last_attempts(page.rows)
        return {"filters": filters, "page": page, "found": keyset.Count.of(rows)}


def attempts_of(run: Run) -> QuerySet[Attempt]:
    """Return the run's attempts; the time bound lets the index by time skip other runs' rows."""
    rows = Attempt.objects.filter(delivery__run=run)
    if run.started_at:
        rows = rows.filter(started_at__gte=run.started_at)
    if run.finished_at:
        rows = rows.filter(started_at__lte=run.finished_at)
    return rows


class MailingDetail(RunShown, DetailView[Mailing]):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_detail.html"
    tabs = ("attempts", "deliveries", "runs", "message")

    def get_queryset(self) -> QuerySet[Mailing]:
        return super().get_queryset().select_related("message", "status_by")

    def shown(self) -> tuple[Mailing, Run | None]:
        """Show the run under way, else the newest one that was not merely missed or skipped."""
        mailing: Mailing = self.object
        runs = mailing.runs.defer("html", "text").order_by("-scheduled_for", "-pk")
        under_way = runs.filter(status__in=OPEN_RUNS).first()
        return mailing, under_way or runs.exclude(targeted=0).first() or runs.first()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mailing: Mailing = self.object
        context = super().get_context_data(
            lists=list(mailing.lists.all()),
            single_count=mailing.clients.count(),
            run_count=mailing.runs.count(),
            **kwargs,
        )
        if context["run"] is None:
            context["tab"] = "message"
        return context

    def runs_context(self, run: Run) -> dict[str, Any]:
        rows = self.object.runs.defer("html", "text")
        page = keyset.page(rows, ("-scheduled_for", "-id"), self.request.GET)
        return {"page": page, "found": keyset.Count.of(rows)}

    def message_context(self, run: Run) -> dict[str, Any]:
        return {}


class RunDetail(RunShown, DetailView[Run]):
    model = Run
    section = "mailings"
    template_name = "mailings/run_detail.html"

    def get_queryset(self) -> QuerySet[Run]:
        return super().get_queryset().select_related("mailing").defer("html", "text")

    def shown(self) -> tuple[Mailing, Run | None]:
        return self.object.mailing, self.object
