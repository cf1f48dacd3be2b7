"""A superuser's pages of a mail service: add one, change it, see whether a session opens."""

from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy
from django.views.generic import TemplateView
from wagtail.admin.ui.tables import Column
from wagtail.admin.views import generic
from wagtail.admin.views.generic.base import WagtailAdminTemplateMixin
from wagtail.admin.views.generic.permissions import PermissionCheckedMixin

from accounts.models import User
from mailings import audit
from mailings.cms import pages
from mailings.cms.access import ReadOnlyViewSet, VisibleRows
from mailings.cms.columns import FigureColumn, StatusColumn, TimeColumn, breaker_sign, title
from mailings.cms.examining import examine
from mailings.cms.listing import VisibleIndexView
from mailings.cms.transport_form import TransportForm, shown
from mailings.models import Transport


class Logged:
    """Writes who added or changed the mail service, and which fields, in the same transaction."""

    logged_as: audit.Action
    form: TransportForm
    request: HttpRequest

    def save_instance(self) -> Transport:
        transport = self.form.save()
        audit.record(
            self.logged_as, transport, cast("User", self.request.user), self.form.what_changed()
        )
        return transport


class TransportCreateView(Logged, generic.CreateView):
    form_class = TransportForm
    permission_required = "add"
    logged_as = audit.Action.CREATE
    inspect_url_name = ""
    fields: None = None

    def get_success_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])


class TransportEditView(Logged, VisibleRows, generic.EditView):
    form_class = TransportForm
    permission_required = "change"
    logged_as = audit.Action.CHANGE
    inspect_url_name = ""
    fields: None = None

    def get_success_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])

    def get_queryset(self) -> Any:
        return Transport.objects.all()


class TransportTestView(
    VisibleRows, PermissionCheckedMixin, WagtailAdminTemplateMixin, TemplateView
):
    """GET says what will be done; POST opens a session and says how far it came."""

    model = Transport
    template_name = "mailings/cms/transport_test.html"
    permission_required = "change"
    header_icon = "site"
    index_url_name = ""
    inspect_url_name = ""
    object: Transport

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.object = cast("Transport", self.get_object())

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return self.render_to_response(self.get_context_data(found=examine(self.object)))

    @cached_property
    def inspect_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])

    def get_page_title(self) -> str:
        return _("Test the connection")

    def get_page_subtitle(self) -> str:
        return str(self.object)

    def get_breadcrumbs_items(self) -> list[dict[str, str]]:
        plural = capfirst(str(self.model._meta.verbose_name_plural))
        return [
            *self.breadcrumbs_items,
            {"url": reverse(self.index_url_name), "label": plural},
            {"url": self.inspect_url, "label": str(self.object)},
            {"url": "", "label": self.get_page_title()},
        ]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            object=self.object,
            address=shown(self.object.url or settings.EMAIL_URL),
            inspect_url=self.inspect_url,
            **kwargs,
        )


class TransportViewSet(ReadOnlyViewSet):
    model = Transport
    url_prefix = "transports"
    icon = "site"
    index_view_class = VisibleIndexView
    inspect_view_class = pages.TransportPage
    list_display = [
        title(Transport, "name", pgettext_lazy("thing", "Name")),
        Column("address", label=gettext_lazy("Address"), accessor=pages.address_without_secret),
        StatusColumn("state", label=gettext_lazy("State"), status=breaker_sign),
        FigureColumn("max_connections", label=gettext_lazy("Connections")),
        FigureColumn("rate_per_minute", label=gettext_lazy("Mails a minute")),
        TimeColumn("last_ok_at", label=gettext_lazy("Last success")),
        TimeColumn("last_error_at", label=gettext_lazy("Last fault")),
    ]

    @property
    def add_view(self) -> Any:
        return self.construct_view(
            TransportCreateView,
            add_url_name=self.get_url_name("add"),
            edit_url_name=self.get_url_name("edit"),
        )

    @property
    def edit_view(self) -> Any:
        return self.construct_view(TransportEditView, edit_url_name=self.get_url_name("edit"))

    @property
    def test_view(self) -> Any:
        return self.construct_view(TransportTestView)

    def get_index_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_index_view_kwargs(add_url_name=self.get_url_name("add"), **kwargs)

    def get_inspect_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_inspect_view_kwargs(
            edit_page_url_name=self.get_url_name("edit"),
            test_url_name=self.get_url_name("test"),
            **kwargs,
        )

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("add/", self.add_view, name="add"),
            path("edit/<int:pk>/", self.edit_view, name="edit"),
            path("test/<int:pk>/", self.test_view, name="test"),
        ]
