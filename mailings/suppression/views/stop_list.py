"""The owner's stop-list: who gets no mail, why and since when; added by hand, taken off, as a file.

Files of other services come in by the import of clients, which knows a stop-list when it sees one.
"""

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.generic import DetailView, FormView, TemplateView, View

from mailings import audit, permissions
from mailings.errors import Invalid, Refused
from mailings.models import Client, Suppression
from mailings.spreadsheets import downloads
from mailings.suppression import exporting, services, stop_list
from mailings.suppression.filters import StopListFilter
from mailings.suppression.forms import AddForm, TakeOutForm
from mailings.web import kept_forms, keyset
from mailings.web.files import as_file
from mailings.web.tabs import tab_counts
from mailings.web.views import Cabinet, Owned, form_token, mark_saved
from mailings.web.words import figure

ORDER = ("-created_at", "-id")


class StopList(Owned, TemplateView):
    """The list, newest first, with search and filters."""

    model = Suppression
    section = "clients"
    template_name = "mailings/stop_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = StopListFilter(self.request.GET, zone=self.user.zone)
        every = self.get_queryset()
        rows = filters.apply(every)
        all_of_them = keyset.Count.of(every)
        if filters.value("q"):
            rows, found = keyset.searched(rows, ORDER)
        else:
            found = keyset.Count.of(rows) if filters.is_narrowed else all_of_them
        return super().get_context_data(
            filters=filters,
            page=keyset.page(rows, ORDER, self.request.GET),
            found=found,
            entries=all_of_them,
            for_everybody=self.for_everybody(filters.whole_address),
            total=keyset.Count.of(permissions.owned(Client, self.user)),
            **tab_counts(self.user),
            **kwargs,
        )

    def for_everybody(self, address: str) -> Suppression | None:
        """Return the entry that keeps everybody from writing to the very address looked for: the
        list of the whole service is not the owner's to read."""
        if not address:
            return None
        return stop_list.entries_about(self.user.pk, address).filter(owner=None).first()


class StopListEntry(Owned, DetailView[Suppression]):
    """Why one address gets no mail, since when, and who did what."""

    model = Suppression
    section = "clients"
    template_name = "mailings/stop_list_entry.html"
    context_object_name = "entry"

    def get_queryset(self) -> QuerySet[Suppression]:
        rows: QuerySet[Suppression] = super().get_queryset()
        return rows.select_related("run__mailing").defer("run__html", "run__text")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        entry = self.object
        clients = permissions.owned(Client, self.user)
        return super().get_context_data(
            client=clients.filter(email_normalised=entry.address or None).first(),
            log=audit.entries_of(entry)[:LOG_SHOWN],
            **kwargs,
        )


LOG_SHOWN = 10  # entries


class StopListAdd(Cabinet, FormView[AddForm]):
    """Addresses by hand."""

    section = "clients"
    holds_text = True
    form_class = AddForm
    template_name = "mailings/stop_list_add.html"

    def get_initial(self) -> dict[str, Any]:
        return {"addresses": self.request.GET.get("address", "")}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {
            "form_token": form_token(self.request),
            "writer": kept_forms.writer(self.user),
        }
        return super().get_context_data(**context | kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == kept_forms.AGAIN:
            form = self.get_form()
            form.full_clean()
            form.errors.clear()
            return self.render_to_response(self.get_context_data(form=form))
        return super().post(request, *args, **kwargs)

    def form_valid(self, form: AddForm) -> HttpResponse:
        try:
            added = services.add(data=form.input(), owner=self.user, by=self.user)
        except Invalid as refusal:
            for name, errors in refusal.faults.error_dict.items():
                form.add_error(name, errors)
            return self.form_invalid(form)
        messages.success(self.request, told(added))
        kept_forms.forget(self.request)
        return mark_saved(self.request, redirect("mailings:stop_list"))


def told(added: services.Added) -> str:
    """Return in words what became of the addresses."""
    said = []
    if added.new:
        text = ngettext(
            "%(count)s address is on the suppression list now.",
            "%(count)s addresses are on the suppression list now.",
            added.new,
        )
        said.append(text % {"count": figure(added.new)})
    if added.raised:
        text = ngettext(
            "%(count)s was there already; it is marked as a complaint now.",
            "%(count)s were there already; they are marked as complaints now.",
            added.raised,
        )
        said.append(text % {"count": figure(added.raised)})
    if added.there:
        text = ngettext(
            "%(count)s was there already and stays as it was.",
            "%(count)s were there already and stay as they were.",
            added.there,
        )
        said.append(text % {"count": figure(added.there)})
    return " ".join(said)


class StopListTakeOut(Owned, FormView[TakeOutForm]):
    """Asks why, says what it means, and takes the chosen entries off."""

    model = Suppression
    section = "clients"
    form_class = TakeOutForm
    template_name = "mailings/stop_list_take_out.html"

    def chosen(self) -> Sequence[Suppression]:
        """Return the entries that are asked for, of those that are the owner's and still there."""
        if self.request.method == "POST":
            numbers = [seen.pk for seen in services.seen_in(self.request.POST.getlist("seen"))]
        else:
            numbers = [pk for pk, _stamp in services.seen_in(self.request.GET.getlist("chosen"))]
        rows = self.get_queryset().filter(pk__in=numbers[: services.MOST_TAKEN])
        return list(rows.order_by(*ORDER))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        entries = self.chosen()
        return super().get_context_data(
            entries=entries,
            seen=services.as_seen(entries),
            own_wishes=[entry for entry in entries if entry.is_own_wish],
            **kwargs,
        )

    def form_valid(self, form: TakeOutForm) -> HttpResponse:
        try:
            taken = services.take_out(owner=self.user, by=self.user, **form.order())
        except services.NothingLeft as refusal:
            messages.info(self.request, str(refusal))
            return redirect("mailings:stop_list")
        except services.NotConfirmed as refusal:
            form.add_error("confirmed", str(refusal))
            return self.form_invalid(form)
        except Refused as refusal:
            form.add_error(None, str(refusal))
            return self.form_invalid(form)
        said = ngettext(
            "%(count)s address is off the suppression list: it gets mail from the next run on.",
            "%(count)s addresses are off the suppression list: they get mail from the next run on.",
            taken.number,
        )
        messages.success(self.request, said % {"count": figure(taken.number)})
        if taken.still:
            still = _("Another entry still keeps mail from %(addresses)s.")
            messages.warning(self.request, still % {"addresses": ", ".join(taken.still)})
        return redirect("mailings:stop_list")


class StopListExport(Owned, View):
    """What is found, as CSV or XLSX: it can be imported as a suppression list elsewhere."""

    model = Suppression

    def get(self, request: HttpRequest, kind: str) -> StreamingHttpResponse:
        if kind not in downloads.KINDS:
            raise Http404
        audit.record(audit.Action.EXPORT, self.user, self.user, _("Suppression list"))
        filters = StopListFilter(request.GET, zone=self.user.zone)
        chosen = filters.apply(self.get_queryset())
        return as_file(exporting.stop_list(chosen), kind, "stop-list")
