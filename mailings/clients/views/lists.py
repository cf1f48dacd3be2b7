"""Lists of clients."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from mailings import permissions
from mailings.clients import services
from mailings.clients.bulk_forms import REMOVE, BulkForm
from mailings.clients.filters import ClientFilter
from mailings.clients.forms import ListForm
from mailings.clients.views import bulk
from mailings.clients.views.clients import show_states
from mailings.models import Client, ClientList
from mailings.web import keyset
from mailings.web.asking import Asking
from mailings.web.tabs import tab_counts
from mailings.web.views import Owned, Saved


class ListIndex(Owned, ListView[ClientList]):
    model = ClientList
    section = "clients"
    template_name = "mailings/list_list.html"
    context_object_name = "lists"

    def get_queryset(self) -> Any:
        return super().get_queryset().annotate(size=Count("clients"))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        clients = permissions.owned(Client, self.user)
        return super().get_context_data(
            total=keyset.Count.of(clients), **tab_counts(self.user), **kwargs
        )


class ListDetail(Owned, DetailView[ClientList]):
    model = ClientList
    section = "clients"
    template_name = "mailings/list_detail.html"
    context_object_name = "list"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        query = self.request.GET
        filters = ClientFilter(query, owner=self.user)
        every = permissions.owned(Client, self.user).filter(lists=self.object)
        rows = filters.apply(every)
        page = keyset.page(rows, ClientFilter.ORDERS["name"], query)
        show_states(page.rows, self.user.pk)
        total = keyset.Count.of(every)
        return super().get_context_data(
            filters=filters,
            page=page,
            total=total,
            found=keyset.Count.of(rows) if filters.is_narrowed else total,
            mailings=self.object.mailings.order_by("-created_at")[:5],
            **kwargs,
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Act on clients of the list; what is not said otherwise takes them off it."""
        self.object = self.get_object()
        data = request.POST.copy()
        if data.setdefault("action", REMOVE) == REMOVE:
            data["target"] = str(self.object.pk)
        every = permissions.owned(Client, self.user).filter(lists=self.object)
        found = ClientFilter(request.GET, owner=self.user).apply(every)
        form = BulkForm(data, owner=self.user, found=found)
        back = f"{request.path}?{request.GET.urlencode()}"
        return bulk.answer(request, self.user, form, back, f"list-{self.object.pk}")


class ListCreate(Saved, CreateView[ClientList, ListForm]):
    model = ClientList
    form_class = ListForm
    section = "clients"
    template_name = "mailings/list_form.html"
    context_object_name = "list"

    def done(self) -> str:
        return _("List “%(list)s” is made. Add clients to it.") % {"list": self.object}


class ListUpdate(Saved, UpdateView[ClientList, ListForm]):
    model = ClientList
    form_class = ListForm
    section = "clients"
    template_name = "mailings/list_form.html"
    context_object_name = "list"

    def done(self) -> str:
        return _("List “%(list)s” is saved.") % {"list": self.object}


class ListDelete(Asking):
    model = ClientList
    section = "clients"
    verb = gettext_lazy("Delete the list")
    keep = gettext_lazy("Keep the list")

    def question(self) -> str:
        return _("Delete list “%(list)s”?") % {"list": self.object}

    def consequences(self) -> list[str]:
        size = self.object.clients.count()
        kept = ngettext(
            "its %(count)d client stays, only the list goes;",
            "its %(count)d clients stay, only the list goes;",
            size,
        )
        return [
            kept % {"count": size} if size else _("there are no clients on it;"),
            _("past mailings and their log stay."),
        ]

    def act(self) -> None:
        services.delete_list(client_list=self.object, by=self.user)

    def done(self) -> str:
        return _("List “%(list)s” is deleted.") % {"list": self.object}

    def after(self) -> str:
        return "mailings:list_list"
