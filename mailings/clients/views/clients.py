"""Clients: the list with search, order and bulk actions; a page for each."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import CreateView, DetailView, TemplateView, UpdateView

from mailings import permissions
from mailings.clients import deleting, history, services
from mailings.clients.bulk_forms import BulkForm
from mailings.clients.filters import ClientFilter, DeliveryStatusFilter
from mailings.clients.forms import ClientForm
from mailings.clients.views import bulk
from mailings.models import Client, ClientDeletion, ClientList, Delivery, ledger
from mailings.suppression import stop_list
from mailings.web import keyset
from mailings.web.asking import Asking
from mailings.web.tabs import tab_counts
from mailings.web.views import Owned, Saved

DEFAULT_ORDER = "name"
LIVE = "live"
"""The part of the page that htmx asks for while a worker is at it."""


class ClientIndex(Owned, TemplateView):
    model = Client
    section = "clients"
    template_name = "mailings/client_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query = self.request.GET
        filters = ClientFilter(query, owner=self.user)
        order = query.get("order", "")
        order = order if order in ClientFilter.ORDERS else DEFAULT_ORDER
        every = self.get_queryset()
        rows = filters.apply(every)
        page = keyset.page(rows.prefetch_related("lists"), ClientFilter.ORDERS[order], query)
        show_states(page.rows, self.user.pk)
        ledger.with_last_deliveries(page.rows)
        total = keyset.Count.of(every)
        return super().get_context_data(
            filters=filters,
            order=order,
            page=page,
            total=total,
            found=keyset.Count.of(rows) if filters.is_narrowed else total,
            bulk=BulkForm(owner=self.user, found=rows),
            deletion=deleting.open_of(self.user),
            **tab_counts(self.user),
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponseBase:
        found = ClientFilter(request.GET, owner=self.user).apply(self.get_queryset())
        form = BulkForm(request.POST, owner=self.user, found=found)
        back = f"{request.path}?{request.GET.urlencode()}"
        return bulk.answer(request, self.user, form, back, "clients")


class ClientDetail(Owned, DetailView[Client]):
    model = Client
    section = "clients"
    template_name = "mailings/client_detail.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        client = self.object
        show_states([client], self.user.pk)
        filters = DeliveryStatusFilter(self.request.GET)
        every = permissions.owned(Delivery, self.user).filter(client=client)
        rows = filters.apply(every)
        page = keyset.page(
            rows.select_related("run__mailing").defer("run__html", "run__text"),
            ("-id",),
            self.request.GET,
        )
        ledger.with_attempts(page.rows)
        ledger.with_events(page.rows)
        ledger.with_hits([row for row in page.rows if row.run.is_tracked])
        return super().get_context_data(
            filters=filters,
            page=page,
            found=keyset.Count.of(rows),
            events=history.events(client),
            lists=client.lists.all(),
            **kwargs,
        )


class ClientCreate(Saved, CreateView[Client, ClientForm]):
    model = Client
    form_class = ClientForm
    section = "clients"
    template_name = "mailings/client_form.html"

    def get_initial(self) -> dict[str, Any]:
        on = permissions.owned(ClientList, self.user).filter(
            pk__in=[pk for pk in self.request.GET.getlist("on") if pk.isdecimal()]
        )
        return {"lists": on} if on else {}

    def done(self) -> str:
        return _("Client %(client)s is added.") % {"client": called(self.object)}


class ClientUpdate(Saved, UpdateView[Client, ClientForm]):
    model = Client
    form_class = ClientForm
    section = "clients"
    template_name = "mailings/client_form.html"

    def done(self) -> str:
        return _("Client %(client)s is saved.") % {"client": called(self.object)}


class ClientDelete(Asking):
    model = Client
    section = "clients"
    verb = gettext_lazy("Delete the client")
    keep = gettext_lazy("Keep the client")

    def question(self) -> str:
        return _("Delete client %(client)s?") % {"client": called(self.object)}

    def consequences(self) -> list[str]:
        lists = self.object.lists.count()
        said = [
            _("name, comment, details and consent are deleted for good;"),
            _("what is queued for them is not sent;"),
            _("in the log of past mailings the address stays;"),
            _("if they unsubscribed, the address stays on the suppression list."),
        ]
        if lists:
            gone = ngettext(
                "the client leaves %(count)d list;", "the client leaves %(count)d lists;", lists
            )
            said.insert(1, gone % {"count": lists})
        return said

    def act(self) -> None:
        services.delete_client(client=self.object, by=self.user)

    def done(self) -> str:
        return _("Client %(client)s is deleted.") % {"client": called(self.object)}

    def after(self) -> str:
        return "mailings:client_list"


class DeletionDetail(Owned, DetailView[ClientDeletion]):
    """How far a worker is that deletes very many clients."""

    model = ClientDeletion
    section = "clients"
    template_name = "mailings/client_deletion.html"
    context_object_name = "deletion"

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:
        if self.request.htmx and self.request.htmx.target == LIVE:  # type: ignore[attr-defined]
            if self.object.finished_at is None:
                return render(self.request, "mailings/_client_deletion_live.html", context)
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return super().render_to_response(context, **kwargs)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(now=timezone.now(), **kwargs)


def called(client: Client) -> str:
    return client.full_name or client.email


def show_states(clients: list[Client], owner_id: int) -> None:
    """Give each client `suppression`, the entry that keeps mail from them, by one query for all."""
    held = stop_list.entries_by_address(owner_id, [c.email_normalised for c in clients])
    for client in clients:
        client.suppression = held.get(client.email_normalised)  # type: ignore[attr-defined]
