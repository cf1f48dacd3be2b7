"""Lists of the admin: rows the user may see, a bounded count, exports that stream."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.core.paginator import Paginator
from django.db import models
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from wagtail.admin import messages
from wagtail.admin.paginator import WagtailPaginator
from wagtail.admin.views import generic
from wagtail.admin.views.mixins import SpreadsheetExportMixin
from wagtail.admin.widgets.button import Button
from wagtail.permissions import policy_registry

from mailings import audit, permissions
from mailings.addressing import addresses
from mailings.models import Attempt, Delivery
from mailings.web.keyset import Count

XLSX_ROWS = 50_000
"""A workbook is made in memory before it leaves; CSV streams and has no such limit."""

FEW_DELIVERIES = 1_000

CHUNK = 2_000
"""Rows read from the database at a time while an export streams."""


class CappedPaginator(WagtailPaginator):
    """Counts no further than it must: page 200 is as deep as an OFFSET may go."""

    @cached_property
    def _counted(self) -> Count:
        return Count.of(self.object_list)

    @cached_property
    def count(self) -> int:
        return self._counted.number

    @property
    def is_capped(self) -> bool:
        return self._counted.capped

    @cached_property
    def items_count_label(self) -> str:
        count = number_format(self.count, force_grouping=True)
        if self.is_capped:
            return _("The first %(count)s are listed. Filters bring up the others.") % {
                "count": count
            }
        return _("In all: %(count)s") % {"count": count}


class StreamedExportMixin(SpreadsheetExportMixin):
    """Wagtail's export, without holding the table in memory, and logged."""

    export_zone: Any = None

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        # Before Wagtail's own `get`, which reads the whole list to count it.
        if self.is_export:
            return self.export(self.get_queryset())
        return super().get(request, *args, **kwargs)

    def export(self, rows: QuerySet[Any]) -> HttpResponse:
        # A stream is read after the request's time zone is gone.
        self.export_zone = timezone.get_current_timezone()
        file_format = self.request.GET["export"]
        if file_format == self.FORMAT_XLSX and self._too_long(rows):
            messages.error(
                self.request,
                _(
                    "An XLSX file holds at most %(limit)s rows here. Narrow the list with filters,"
                    " or download CSV."
                )
                % {"limit": number_format(XLSX_ROWS, force_grouping=True)},
            )
            return redirect(self.request.path)
        audit.record(
            audit.Action.EXPORT,
            self.request.user,
            self.request.user,
            f"{rows.model._meta.verbose_name_plural}, {file_format.upper()}",
        )
        return self.as_spreadsheet(rows, file_format)

    @staticmethod
    def _too_long(rows: QuerySet[Any]) -> bool:
        return rows.order_by()[: XLSX_ROWS + 1].count() > XLSX_ROWS

    def write_csv_response(self, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        stream = self.stream_csv(queryset)
        # The heading is made now, in the reader's language; Excel needs the mark to see UTF-8.
        heading = "\ufeff".encode() + next(stream)
        response = StreamingHttpResponse(_joined(heading, stream), content_type="text/csv")
        response["Content-Disposition"] = f'attachment; filename="{self.get_filename()}.csv"'
        return response

    def stream_csv(self, queryset: QuerySet[Any]) -> Iterator[bytes]:
        return super().stream_csv(_Streamed(queryset))

    def preprocess_field_value(self, field: str, value: Any, export_format: str) -> Any:
        if isinstance(value, datetime):
            local = timezone.localtime(value, self.export_zone)
            if export_format == self.FORMAT_XLSX:
                return local.replace(tzinfo=None, microsecond=0)
            return local.isoformat(" ", "seconds")
        return super().preprocess_field_value(field, value, export_format)


class _Streamed:
    """Rows read in chunks; Wagtail iterates over it and asks it for its model."""

    def __init__(self, rows: QuerySet[Any]) -> None:
        self.rows = rows
        self.model = rows.model

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows.iterator(chunk_size=CHUNK))


def _joined(first: bytes, others: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


class VisibleIndexView(StreamedExportMixin, generic.IndexView):
    """A list of what the user may see. `related` names what the columns read from other tables."""

    any_permission_required = ["view"]
    paginator_class: type[Paginator[Any]] = CappedPaginator
    related: tuple[str, ...] = ()
    deferred: tuple[str, ...] = ()

    def get_base_queryset(self) -> QuerySet[models.Model]:
        rows = permissions.visible(self.model, self.request.user)
        return rows.select_related(*self.related).defer(*self.deferred)

    def search_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Search; an address is found in whatever spelling it is looked for."""
        text = self.search_query
        sought = addresses.sought(text) if "@" in text else text.lower()
        if sought == text.lower():
            return super().search_queryset(queryset)
        wanted = Q()
        for field in self.search_fields:
            wanted |= Q(**{f"{field}__icontains": text}) | Q(**{f"{field}__icontains": sought})
        return queryset.filter(wanted)

    def get_list_more_buttons(self, instance: Any) -> list[Button]:
        """The title leads to the row's page; a menu that says the same is noise."""
        return []

    def may(self, action: str) -> bool:
        policy = policy_registry.get_by_type(self.model)
        return policy.user_has_permission(self.request.user, action)


class SearchByAddress:
    """Searches attempts: an address among the deliveries, anything else in the replies too."""

    search_query: str

    def search_queryset(self, queryset: QuerySet[Attempt]) -> QuerySet[Attempt]:
        if "@" not in self.search_query:
            return super().search_queryset(queryset)  # type: ignore[misc]
        sought = addresses.sought(self.search_query)
        wanted = Q(address__icontains=self.search_query) | Q(address__icontains=sought)
        found = Delivery.objects.filter(wanted).values_list("pk", flat=True)
        few = list(found[: FEW_DELIVERIES + 1])
        if len(few) <= FEW_DELIVERIES:
            # Two steps: in one the database walks the whole log by time to find these few.
            return queryset.filter(delivery__in=few)
        return queryset.filter(delivery__address__icontains=sought)
