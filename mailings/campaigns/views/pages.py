"""The page of a mailing and that of one of its runs: how far it is, why not sent, the log."""

from typing import Any

from django.db.models import Case, IntegerField, QuerySet, When
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.generic import DetailView

from mailings.addressing import senders
from mailings.campaigns import audience, forecast, readiness
from mailings.messages import proofreading
from mailings.models import Delivery, Mailing, Run, ledger
from mailings.reports import failures, progress, reading, slow_receivers, sums
from mailings.reports.filters import AttemptFilter, DeliveryFilter
from mailings.states import MailingStatus, RunStatus
from mailings.web import keyset, words
from mailings.web.views import Owned

PROGRESS = "mailings/_live_part.html"
LIVE_PARTS = {"live": PROGRESS, "reasons": "mailings/_reasons.html"}
"""Parts of the page that htmx asks for while something moves: element → template."""

NOT_FOLLOWED = (MailingStatus.DRAFT, MailingStatus.STOPPED)

FOLLOW_UPS_SHOWN = 5

OPEN_RUNS = (RunStatus.PREPARING, RunStatus.SENDING)


class RunShown(Owned):
    """A page around one run: its bar and figures, its failures, its attempts and deliveries."""

    object: Any
    tabs: tuple[str, ...] = ("attempts", "deliveries")

    def shown(self) -> tuple[Mailing, Run | None]:
        raise NotImplementedError

    @property
    def live(self) -> str:
        """Return the template of the part that htmx asks for; empty: the whole page is wanted."""
        htmx: Any = self.request.htmx  # type: ignore[attr-defined]
        return LIVE_PARTS.get(htmx.target or "", "") if htmx else ""

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if self.live and self.request.GET.get("state", context["state"]) != context["state"]:
            # Begun, ended, halted: head, figures and log are all other ones now.
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        if self.live:
            return render(self.request, self.live, context)
        return super().render_to_response(context, **kwargs)  # type: ignore[misc]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mailing, run = self.shown()
        samples = self.request.GET.getlist("then")
        current = progress.of(mailing, run, timezone.now(), samples)
        context: dict[str, Any] = {
            "mailing": mailing,
            "run": run,
            "zone": mailing.zone,
            "progress": current,
            "state": f"{mailing.status}-{run.pk if run else 0}-{int(current.is_open)}",
        }
        if run is not None:
            context |= self.around(run, current)
        return super().get_context_data(**context, **kwargs)

    def around(self, run: Run, current: progress.Progress) -> dict[str, Any]:
        """Return what stands around the progress. A look at a run that moves costs little."""
        context: dict[str, Any] = {}
        if current.is_open:
            context["slow_receivers"] = slow_receivers.of(run, current.now)
        if current.watched:
            context["replies"] = progress.last_replies(run)
        if self.live != PROGRESS or not current.watched:
            reasons = failures.of_run(run)
            context |= {
                "not_sent": reasons.not_sent,
                "still_moving": reasons.still_moving,
                "follow_ups": list(run.follow_ups.order_by("-pk")[:FOLLOW_UPS_SHOWN]),
                "may_follow": run.mailing.status not in NOT_FOLLOWED,
            }
        if not self.live:
            tab = self.request.GET.get("tab", "")
            tab = tab if tab in self.tabs else self.tabs[0]
            attempts = attempt_count(run)
            context |= {"tab": tab, "attempt_count": attempts, "found": attempts}
            context |= getattr(self, f"{tab}_context")(run)
        return context

    def attempts_context(self, run: Run) -> dict[str, Any]:
        filters = AttemptFilter(self.request.GET)
        rows, order, context = ledger.attempts_of(run), ("-started_at", "-id"), {}
        if filters.is_narrowed:
            rows, context["found"] = keyset.searched(filters.apply(rows), order)
        page = keyset.page(rows.select_related("delivery__client"), order, self.request.GET)
        return {"filters": filters, "page": page, **context}

    def deliveries_context(self, run: Run) -> dict[str, Any]:
        filters = DeliveryFilter(self.request.GET)
        rows: QuerySet[Delivery] = filters.apply(run.deliveries.all())
        page = keyset.page(rows.select_related("client"), ("id",), self.request.GET)
        ledger.with_last_attempts(page.rows)
        counted: Any = run
        has_events = counted.returned or counted.complained or counted.unsubscribed
        ledger.with_events(page.rows if has_events else [])
        ledger.with_hits(page.rows if run.is_tracked else [])
        found = keyset.Count.of(rows) if filters.is_narrowed else keyset.Count(run.targeted)
        return {"filters": filters, "page": page, "found": found}


def attempt_count(run: Run) -> keyset.Count:
    """Return how many attempts the run has; when the counters tell that it is “more than”, nothing
    is counted: each of these deliveries was tried at least once."""
    if run.sent_count + run.failed_count + run.uncertain_count > keyset.COUNT_CAP:
        return keyset.Count(keyset.COUNT_CAP, capped=True)
    return keyset.Count.of(ledger.attempts_of(run))


class MailingDetail(RunShown, DetailView[Mailing]):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_detail.html"
    tabs = ("attempts", "deliveries", "runs", "message")

    def get_queryset(self) -> QuerySet[Mailing]:
        rows = (
            super()
            .get_queryset()
            .select_related("message__owner", "owner", "status_by", "follows__mailing")
        )
        return rows.annotate(
            run_count=sums.number_of(Run, "mailing"),
            single_count=sums.number_of(Mailing.clients.through, "mailing"),
            excluded_count=sums.number_of(Mailing.excluded_clients.through, "mailing"),
        )

    def shown(self) -> tuple[Mailing, Run | None]:
        """Show the run under way, else the newest one that was not merely missed or skipped."""
        mailing: Mailing = self.object
        rank = Case(
            When(status__in=OPEN_RUNS, then=0),
            When(targeted__gt=0, then=1),
            default=2,
            output_field=IntegerField(),
        )
        runs = sums.with_leavers(mailing.runs.defer("html", "text"))
        return mailing, runs.order_by(rank, "-scheduled_for", "-pk").first()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        mailing: Mailing = self.object
        names = audience.names_of(mailing)
        context = super().get_context_data(
            lists=names["lists"],
            single_count=self.object.single_count,
            segments=names["segments"],
            except_whom=words.except_whom(
                names["excluded_lists"],
                self.object.excluded_count,
                names["excluded_segments"],
            ),
            run_count=self.object.run_count,
            **kwargs,
        )
        context.setdefault("tab", "message")
        return context | (self.before_it_goes() if mailing.status == MailingStatus.DRAFT else {})

    def before_it_goes(self) -> dict[str, Any]:
        """Return what the button of a draft would do, and what has to be mended before."""
        mailing: Mailing = self.object
        change = reverse("mailings:mailing_update", args=[mailing.pk])
        letter = reverse("mailings:message_update", args=[mailing.message_id])
        plan = forecast.of(mailing, timezone.now())
        to_mend = [(problem.message, letter) for problem in proofreading.faults(mailing.message)]
        if not senders.name_of(mailing.sender_name, mailing.owner):
            to_mend.append((readiness.name_wanted(), change))
        try:
            readiness.require_sender_address(mailing)
        except readiness.DomainNotReady as refusal:
            to_mend.append((str(refusal), change))
        if not plan.recipients.will_get:
            to_mend.append((_("Nobody would get this mailing."), change))
        return {"plan": plan, "to_mend": to_mend}

    def runs_context(self, run: Run) -> dict[str, Any]:
        rows = sums.with_leavers(self.object.runs.defer("html", "text"))
        page = keyset.page(rows, ("-scheduled_for", "-id"), self.request.GET)
        return {"page": page, "found": keyset.Count.of(rows)}

    def message_context(self, run: Run) -> dict[str, Any]:
        return {}


class RunDetail(RunShown, DetailView[Run]):
    model = Run
    section = "mailings"
    template_name = "mailings/run_detail.html"

    def get_queryset(self) -> QuerySet[Run]:
        rows = super().get_queryset().select_related("mailing").defer("html", "text")
        return sums.with_leavers(rows)

    def shown(self) -> tuple[Mailing, Run | None]:
        return self.object.mailing, self.object

    def around(self, run: Run, current: progress.Progress) -> dict[str, Any]:
        context = super().around(run, current)
        if run.is_tracked and not self.live:
            context["reading"] = reading.of_run(run, current.now)
        return context
