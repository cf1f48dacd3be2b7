"""The report: the owner's mailings and runs with sums by status."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.views.generic import TemplateView

from mailings import keyset, permissions
from mailings.models import Mailing, Run
from mailings.views.owned import Owned

RUNS_SHOWN = 10

SUMS: dict[str, Any] = {
    "runs": Count("pk"),
    "last": Max("scheduled_for"),
    **{name: Sum(name, default=0) for name in ("targeted", *(f"{n}_count" for n in Run.COUNTED))},
}


class Report(Owned, TemplateView):
    model = Mailing
    section = "report"
    template_name = "mailings/report.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        runs = permissions.owned(Run, self.user)
        mailings = self.get_queryset().filter(runs__isnull=False).distinct()
        page = keyset.page(mailings, ("-created_at", "-id"), self.request.GET)
        with_sums(page.rows, runs)
        newest = runs.select_related("mailing").defer("html", "text")
        return super().get_context_data(
            page=page,
            found=keyset.Count.of(mailings),
            total=summed(runs.aggregate(**SUMS)),
            runs=newest.order_by("-scheduled_for", "-pk")[:RUNS_SHOWN],
            **kwargs,
        )


def with_sums(mailings: list[Mailing], runs: QuerySet[Run]) -> None:
    """Give each mailing the sums of its runs, by one query for all."""
    rows = runs.filter(mailing__in=mailings).values("mailing").annotate(**SUMS).order_by()
    by_mailing: dict[int, Run] = {row["mailing"]: summed(row) for row in rows}
    for mailing in mailings:
        mailing.sums = by_mailing[mailing.pk]  # type: ignore[attr-defined]


def summed(row: Mapping[str, Any]) -> Run:
    """Return the sums as one run that is never stored, so that it is drawn like one."""
    total = Run(**{name: row[name] for name in SUMS if name not in ("runs", "last")})
    total.number, total.last = row["runs"], row["last"]  # type: ignore[attr-defined]
    return total
