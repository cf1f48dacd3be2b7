"""The report “Attempts”: every try to send, who it was for and what the mail server answered."""

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from wagtail.admin.views.reports import ReportView

from mailings import permissions
from mailings.cms.filters import AttemptFilters
from mailings.cms.listing import CappedPaginator, StreamedExportMixin
from mailings.cms.viewsets import (
    ATTEMPT_COLUMNS,
    ATTEMPT_EXPORT,
    ATTEMPT_HEADINGS,
    AttemptIndexView,
)
from mailings.models import Attempt


class AttemptsReportView(StreamedExportMixin, ReportView):
    index_url_name = "attempts_report"
    index_results_url_name = "attempts_report_results"
    page_title = _("Attempts")
    header_icon = "history"
    model = Attempt
    any_permission_required = ["view"]
    paginator_class = CappedPaginator
    results_template_name = "mailings/cms/report_results.html"
    filterset_class = AttemptFilters
    default_ordering = ("-started_at", "-id")
    columns = ATTEMPT_COLUMNS
    list_export = ATTEMPT_EXPORT
    export_headings = ATTEMPT_HEADINGS
    export_filename = "attempts"

    def get_base_queryset(self) -> QuerySet[Attempt]:
        rows = permissions.visible(Attempt, self.request.user)
        return rows.select_related(*AttemptIndexView.related).defer(*AttemptIndexView.deferred)

    def get_filtered_queryset(self) -> QuerySet[Attempt]:
        """`get_queryset` has filtered already; Wagtail's own does it twice."""
        return self.get_queryset()
