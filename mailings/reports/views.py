"""The report: what became of an owner's messages over a period, in sums, charts and reasons."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.generic import TemplateView

from accounts.models import User
from mailings import permissions
from mailings.models import Mailing, PastRun, Run
from mailings.models.suppression import SuppressionReason
from mailings.reports import charts, failures, sums
from mailings.reports.filters import MailingFilter, PeriodFilter, RunFilter
from mailings.reports.periods import Period
from mailings.states import HitKind
from mailings.suppression.filters import HERE
from mailings.web import keyset, words
from mailings.web.views import Owned

MAILINGS, RUNS = "mailings", "runs"


class Asked:
    """What an address of the report asks for: which days, one mailing or all, which rows."""

    def __init__(self, request: HttpRequest, owner: User) -> None:
        self.owner = owner
        self.query = request.GET
        self.filter = PeriodFilter(request.GET)
        self.period: Period = self.filter.span(timezone.now(), owner)
        self.table = RUNS if request.GET.get("table") == RUNS else MAILINGS

    @cached_property
    def mailing(self) -> Mailing | None:
        """Return the one mailing the report is about; somebody else's is a 404."""
        asked = self.query.get("mailing", "")
        if not asked:
            return None
        own = permissions.owned(Mailing, self.owner)
        return get_object_or_404(own, pk=asked if asked.isdecimal() else 0)

    @cached_property
    def runs(self) -> QuerySet[Run]:
        runs = sums.runs_in(self.owner, self.period)
        return runs.filter(mailing=self.mailing) if self.mailing else runs

    @cached_property
    def past(self) -> QuerySet[PastRun]:
        """Return what is kept of deleted mailings; none when the report is about another one."""
        past = sums.past_runs_in(self.owner, self.period)
        return past.none() if self.mailing else past

    def deleted(self) -> Run | None:
        """Return the sums of deleted mailings, where the table lists mailings and all of them."""
        if self.table == RUNS or self.query.get("q") or self.query.get("status"):
            return None
        kept = sums.of_past(self.past)
        return kept if kept.number else None  # type: ignore[attr-defined]

    @cached_property
    def rows_filter(self) -> MailingFilter | RunFilter:
        return RunFilter(self.query) if self.table == RUNS else MailingFilter(self.query)

    def mailings(self) -> QuerySet[Mailing]:
        """Return the mailings with a run in the period, as the table is narrowed."""
        rows = permissions.owned(Mailing, self.owner).filter(pk__in=self.runs.values("mailing"))
        return MailingFilter(self.query).apply(rows)

    def narrowed_runs(self) -> QuerySet[Run]:
        rows = RunFilter(self.query).apply(self.runs)
        return sums.with_leavers(rows.select_related("mailing").defer("html", "text"))

    def parts(self) -> list[sums.Part]:
        return sums.parts(self.owner, self.period, self.runs, self.past, self.mailing)


class Report(Owned, TemplateView):
    model = Run
    section = "report"
    template_name = "mailings/report.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        asked = Asked(self.request, self.user)
        total = sums.total(asked.runs, asked.past)
        return super().get_context_data(
            asked=asked,
            total=total,
            any_runs=bool(total.number) or self.has_run(),  # type: ignore[attr-defined]
            span=words.days(asked.period.first, asked.period.last),
            **(self.drawn(asked, total) if total.number else {}),  # type: ignore[attr-defined]
            **kwargs,
        )

    def has_run(self) -> bool:
        return self.get_queryset().exists() or permissions.owned(PastRun, self.user).exists()

    def drawn(self, asked: Asked, total: Run) -> dict[str, Any]:
        parts = asked.parts()
        context: dict[str, Any] = {
            "parts": [(words.part(asked.period.step, p.first), p) for p in parts],
            "chart": messages_chart(asked.period, parts),
            "said": messages_in_words(asked.period, parts, total),
            "why": failures.over(asked.runs) if total.failed_count else [],
            "leavers": leavers_chart(asked.period, parts),
            "leavers_said": leavers_in_words(asked.period, parts),
            "knows_complaints": sums.knows_complaints(parts),
            "unsubscribed": sum(p.unsubscribed for p in parts),
            "knows_returns": sums.knows_returns(parts),
            "returned": sum(p.returned for p in parts),
            "complained": sum(p.complained for p in parts),
            "told": (told := sums.told_of(total, parts)),
            "read": (read := {kind: sum(getattr(p, kind.value) for p in parts) for kind in told}),
            "reading": reading_chart(asked.period, parts, told) if told else None,
            "reading_said": reading_in_words(read),
            "leavers_url": leavers_url(asked.period, asked.mailing),
        }
        return context | self.rows(asked)

    def rows(self, asked: Asked) -> dict[str, Any]:
        page: keyset.Page[Any]
        rows: QuerySet[Any]
        if asked.table == RUNS:
            rows = asked.narrowed_runs()
            page = keyset.page(rows, ("-scheduled_for", "-id"), self.request.GET)
        else:
            rows = asked.mailings()
            page = keyset.page(rows, ("-created_at", "-id"), self.request.GET)
            sums.with_sums(page.rows, asked.runs)
        return {
            "page": page,
            "found": keyset.Count.of(rows),
            "filters": asked.rows_filter,
            "deleted": asked.deleted(),
        }


def messages_chart(period: Period, parts: Sequence[sums.Part]) -> charts.Chart:
    def values(*names: str) -> list[int]:
        return [sum(getattr(part.sums, f"{name}_count") for name in names) for part in parts]

    return charts.columns(
        [words.part_in_short(period.step, part.first) for part in parts],
        [
            charts.Series(pgettext("delivery", "Sent"), values("sent"), css="s-sent"),
            charts.Series(
                _("Skipped or cancelled"), values("skipped", "cancelled"), css="s-skipped"
            ),
            charts.Series(pgettext("delivery", "Expired"), values("expired"), fill="url(#h-off)"),
            charts.Series(pgettext("delivery", "Failed"), values("failed"), css="s-failed"),
        ],
    )


def leavers_url(period: Period, mailing: Mailing | None) -> str:
    """Return the address of the stop-list with those whom the figure counts and who are on it
    still."""
    query = {
        "reason": SuppressionReason.UNSUBSCRIBED.value,
        "origin": HERE,
        "since": period.first.isoformat(),
        "until": period.last.isoformat(),
    }
    if mailing is not None:
        query["mailing"] = str(mailing.pk)
    return f"{reverse('mailings:stop_list')}?{urlencode(query)}"


def leavers_chart(period: Period, parts: Sequence[sums.Part]) -> charts.Chart:
    lines = [charts.Series(_("Unsubscribed"), [part.unsubscribed for part in parts])]
    if sums.knows_complaints(parts):
        lines.append(
            charts.Series(_("Complained"), [part.complained for part in parts], css="is-2")
        )
    return charts.lines([words.part_in_short(period.step, part.first) for part in parts], lines)


def reading_chart(
    period: Period, parts: Sequence[sums.Part], told: Sequence[HitKind]
) -> charts.Chart:
    """Return who opened and clicked the letters that left in each part, whenever they did."""
    return charts.lines(
        [words.part_in_short(period.step, part.first) for part in parts],
        [
            charts.Series(str(kind.label), [getattr(part, kind.value) for part in parts], css=css)
            for kind, css in ((HitKind.OPENED, ""), (HitKind.CLICKED, "is-2"))
            if kind in told
        ],
    )


def reading_in_words(read: Mapping[HitKind, int]) -> str:
    numbers = {kind.value: words.figure(number) for kind, number in read.items()}
    if len(read) > 1:
        return _("People: %(opened)s opened a letter, %(clicked)s followed a link.") % numbers
    if HitKind.OPENED in read:
        return _("People: %(opened)s opened a letter.") % numbers
    return _("People: %(clicked)s followed a link.") % numbers if read else ""


def messages_in_words(period: Period, parts: Sequence[sums.Part], total: Run) -> str:
    """Return what the columns show, for whoever does not see them."""
    said = ngettext(
        "%(number)s message sent of %(all)s.", "%(number)s messages sent of %(all)s.",
        total.sent_count,
    )  # fmt: skip
    most = max(parts, key=lambda part: part.sums.targeted)
    return " ".join(
        [
            said % {"number": words.figure(total.sent_count), "all": words.figure(total.targeted)},
            _("Most recipients: %(when)s, %(number)s.")
            % {
                "when": words.part(period.step, most.first),
                "number": words.figure(most.sums.targeted),
            },
        ]
    )


def leavers_in_words(period: Period, parts: Sequence[sums.Part]) -> str:
    most = max(parts, key=lambda part: part.unsubscribed + part.complained)
    if not most.unsubscribed and not most.complained:
        return _("Nobody unsubscribed.")
    if not sums.knows_complaints(parts):
        return _("Most on one date: %(when)s, %(left)s unsubscribed.") % {
            "when": words.part(period.step, most.first),
            "left": words.figure(most.unsubscribed),
        }
    return _("Most on one date: %(when)s, %(left)s unsubscribed, %(complained)s complained.") % {
        "when": words.part(period.step, most.first),
        "left": words.figure(most.unsubscribed),
        "complained": words.figure(most.complained),
    }
