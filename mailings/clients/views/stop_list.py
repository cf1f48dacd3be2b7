"""The owner's suppression list: who gets no mail, why and since when; as a file too."""

from typing import Any

from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.generic import TemplateView, View

from mailings import audit, permissions
from mailings.clients import exporting
from mailings.clients.filters import StopListFilter
from mailings.clients.views.clients import tab_counts
from mailings.models import Client, Suppression
from mailings.spreadsheets import downloads
from mailings.web import keyset
from mailings.web.files import as_file
from mailings.web.views import Owned


class StopList(Owned, TemplateView):
    model = Suppression
    section = "clients"
    template_name = "mailings/stop_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = StopListFilter(self.request.GET)
        every = self.get_queryset()
        rows = filters.apply(every)
        all_of_them = keyset.Count.of(every)
        return super().get_context_data(
            filters=filters,
            page=keyset.page(rows, ("-created_at", "-id"), self.request.GET),
            found=keyset.Count.of(rows) if filters.is_narrowed else all_of_them,
            entries=all_of_them,
            total=keyset.Count.of(permissions.owned(Client, self.user)),
            **tab_counts(self.user),
            **kwargs,
        )


class StopListExport(Owned, View):
    """What is found, as CSV or XLSX: it can be imported as a suppression list elsewhere."""

    model = Suppression

    def get(self, request: HttpRequest, kind: str) -> StreamingHttpResponse:
        if kind not in downloads.KINDS:
            raise Http404
        audit.record(audit.Action.EXPORT, self.user, self.user, str(_("Suppression list")))
        chosen = StopListFilter(request.GET).apply(self.get_queryset())
        return as_file(exporting.stop_list(chosen), kind, "stop-list")
