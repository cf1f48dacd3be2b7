"""Importing clients from a file, step by step: file, columns, check, import, report."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext
from django.views.generic import DetailView, FormView, TemplateView, View
from django.views.generic.detail import SingleObjectMixin

from mailings import permissions
from mailings.clients.importing import outcome
from mailings.clients.importing import services as imports
from mailings.clients.importing.forms import ColumnsForm, LayoutForm, UploadForm
from mailings.clients.importing.word_forms import WordsForm
from mailings.errors import Refused
from mailings.models import Client, Import
from mailings.models.importing import ImportKind
from mailings.spreadsheets import downloads
from mailings.states import ImportStatus
from mailings.web import keyset
from mailings.web.asking import Asking
from mailings.web.files import as_file
from mailings.web.tabs import tab_counts
from mailings.web.views import Cabinet, Owned

LIVE = "live"
"""The part of the page that htmx asks for while a worker is at it."""


class ImportIndex(Owned, TemplateView):
    model = Import
    section = "clients"
    template_name = "mailings/import_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = self.get_queryset().defer("sample", "examples", "findings", "answers")
        rows = rows.select_related("target")
        counts = tab_counts(self.user)
        return super().get_context_data(
            page=keyset.page(rows, ("-id",), self.request.GET),
            found=keyset.Count(counts["import_count"]),
            total=keyset.Count.of(permissions.owned(Client, self.user)),
            **counts,
            **kwargs,
        )


class ImportCreate(Cabinet, FormView[UploadForm]):
    form_class = UploadForm
    section = "clients"
    template_name = "mailings/import_form.html"

    @property
    def kind(self) -> ImportKind:
        """Return what the page was opened for; the next step can still change it."""
        asked = self.request.GET.get("kind")
        return ImportKind.STOP_LIST if asked == ImportKind.STOP_LIST else ImportKind.CLIENTS

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        is_stop_list = self.kind == ImportKind.STOP_LIST
        return super().get_context_data(is_stop_list=is_stop_list, **kwargs)

    def form_valid(self, form: UploadForm) -> HttpResponse:
        file = form.cleaned_data["file"]
        try:
            row = imports.upload(
                owner=self.user, name=file.name, content=file.read(), kind=self.kind
            )
        except Refused as refusal:
            form.add_error("file", str(refusal))
            return self.form_invalid(form)
        return redirect("mailings:import_columns", row.pk)


class ImportColumns(Owned, DetailView[Import]):
    """What is in which column; and, if that was guessed wrong, how the file is written down."""

    model = Import
    section = "clients"
    template_name = "mailings/import_columns.html"
    context_object_name = "import"

    def get(self, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()
        if self.object.status not in (ImportStatus.NEW, ImportStatus.CHECKED):
            return redirect(self.object)
        return self.render_to_response(self.get_context_data())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        kwargs.setdefault("form", ColumnsForm(row=self.object))
        kwargs.setdefault("layout_form", LayoutForm(row=self.object))
        return super().get_context_data(**kwargs)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.object = self.get_object()
        if request.POST.get("action") == "layout":
            return self.read_anew(LayoutForm(request.POST, row=self.object))
        form = ColumnsForm(request.POST, row=self.object)
        if form.is_valid():
            try:
                imports.check(row=self.object, by=self.user, **form.order())
            except Refused as refusal:
                form.add_error(None, str(refusal))
        if form.errors:
            return self.render_to_response(self.get_context_data(form=form))
        return redirect(self.object)

    def read_anew(self, form: LayoutForm) -> HttpResponse:
        if form.is_valid():
            try:
                imports.read_anew(row=self.object, by=self.user, layout=form.layout())
            except Refused as refusal:
                messages.error(self.request, str(refusal))
        return redirect("mailings:import_columns", self.object.pk)


class ImportDetail(Owned, DetailView[Import]):
    model = Import
    section = "clients"
    template_name = "mailings/import_detail.html"
    context_object_name = "import"

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if self.request.htmx and self.request.htmx.target == LIVE:  # type: ignore[attr-defined]
            if self.object.is_waiting:
                return render(self.request, "mailings/_import_live.html", context)
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        if self.object.status == ImportStatus.NEW:
            return redirect("mailings:import_columns", self.object.pk)
        return super().render_to_response(context, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            figures=outcome.figures(self.object),
            balance=outcome.balance(self.object),
            words=None if self.object.started_at else WordsForm(row=self.object),
            examples=outcome.examples(self.object),
            has_report=self.object.parts.exists(),
            now=timezone.now(),
            layout_form=self.layout_form(),
            **kwargs,
        )

    def layout_form(self) -> LayoutForm | None:
        """What was checked can still be read in another way."""
        is_checked = self.object.status == ImportStatus.CHECKED
        return LayoutForm(row=self.object) if is_checked else None


class ImportWords(Owned, SingleObjectMixin[Import], View):
    """What the owner says about words that are not known; then the file is checked once more."""

    model = Import

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return redirect(self.get_object())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.get_object()
        form = WordsForm(request.POST, row=row)
        if not form.is_valid():
            messages.error(request, _("Answer for each word."))
            return redirect(row)
        try:
            imports.answer(row=row, by=self.user, answers=form.answers())
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect(row)


class ImportAction(Owned, SingleObjectMixin[Import], View):
    """A POST acts and returns to the import; a GET (after a new login) only returns."""

    model = Import
    service: Callable[..., None]

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        return redirect(self.get_object())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        row = self.get_object()
        try:
            type(self).service(row=row, by=self.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
        return redirect(row)


class ImportStart(ImportAction):
    service = staticmethod(imports.start)


class ImportCancel(ImportAction):
    service = staticmethod(imports.cancel)


class ImportDelete(Asking):
    model = Import
    section = "clients"
    verb = gettext_lazy("Delete the import")
    keep = gettext_lazy("Keep the import")

    def question(self) -> str:
        return _("Delete import “%(file)s”?") % {"file": self.object}

    def consequences(self) -> list[str]:
        return [
            _("the uploaded file and the report are deleted;"),
            _("clients that were imported stay, and so does the list."),
        ]

    def act(self) -> None:
        imports.delete(row=self.object, by=self.user)

    def done(self) -> str:
        return _("Import “%(file)s” is deleted.") % {"file": self.object}

    def after(self) -> str:
        return "mailings:import_list"


class ImportReport(Owned, SingleObjectMixin[Import], View):
    """What became of each row, as CSV."""

    model = Import

    def get(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        row = self.get_object()
        return as_file(self.rows(row), downloads.CSV, f"import-{row.pk}")

    def rows(self, row: Import) -> Iterator[downloads.Row]:
        yield [_("Row"), _("E-mail"), pgettext("import", "What happened"), _("Why")]
        for number, kind, address, detail in outcome.report(row):
            yield number, address, outcome.kind_in_words(kind), outcome.why(kind, detail)
