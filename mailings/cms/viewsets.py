"""The group “Mailing” of Wagtail's menu: eleven lists with their pages, one viewset each."""

from typing import Any

from django.db.models import QuerySet
from django.urls import path, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.tables import BaseColumn, Column
from wagtail.admin.viewsets.model import ModelViewSetGroup
from wagtail.admin.widgets.button import Button, HeaderButton, ListingButton

from mailings.cms import filters, pages
from mailings.cms.access import ReadOnlyViewSet
from mailings.cms.columns import (
    FigureColumn,
    PersonColumn,
    ReplyColumn,
    StatusColumn,
    TimeColumn,
    outcome_sign,
    title,
    worker_sign,
)
from mailings.cms.inspecting import figure_columns
from mailings.cms.listing import SearchByAddress, VisibleIndexView
from mailings.cms.stop_list import AddView, TakeOutView, called
from mailings.cms.stopping import AllowView, StopView, can_be_allowed, can_be_stopped
from mailings.cms.transports import TransportViewSet
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Mailing,
    Message,
    Run,
    Suppression,
    UnmatchedNotice,
    WorkerLease,
)
from mailings.states import DeliveryStatus, EventKind, MailingStatus, RunStatus
from mailings.suppression import stop_list


class MailingIndexView(VisibleIndexView):
    related = ("owner",)

    @cached_property
    def columns(self) -> list[BaseColumn]:
        first, *others = super().columns  # Wagtail's title column, which brings the buttons
        first.label = pgettext_lazy("thing", "Name")
        return [first, *others]

    def get_list_more_buttons(self, instance: Any) -> list[Button]:
        if not self.may("stop"):
            return []
        here = f"?next={self.index_url}"
        if can_be_allowed(instance):
            url = reverse("cms_mailing:allow", args=[instance.pk])
            return [ListingButton(_("Allow again"), url=url + here)]
        if can_be_stopped(instance):
            url = reverse("cms_mailing:stop", args=[instance.pk])
            return [ListingButton(_("Stop"), url=url + here)]
        return []


class MailingViewSet(ReadOnlyViewSet):
    model = Mailing
    url_prefix = "mailings"
    icon = "mail"
    index_view_class = MailingIndexView
    inspect_view_class = pages.MailingPage
    filterset_class = filters.MailingFilters
    search_fields = ("name", "owner__email", "owner__full_name")
    ordering = "-created_at"
    list_display = [
        "name",
        PersonColumn("owner", label=_("Owner")),
        StatusColumn("status", label=_("Status"), status=lambda row: MailingStatus(row.status)),
        Column("frequency", label=_("Frequency"), accessor="get_frequency_display"),
        TimeColumn("start_at", label=_("Start"), sort_key="start_at"),
        TimeColumn("next_run_at", label=_("Next run"), sort_key="next_run_at"),
    ]
    list_export = (
        "id", "name", "owner.email", "get_status_display", "status_at", "status_reason",
        "get_frequency_display", "start_at", "end_at", "time_zone", "next_run_at", "created_at",
    )  # fmt: skip
    export_headings = {
        "id": _("Number"),
        "owner.email": _("Owner"),
        "get_status_display": _("Status"),
        "get_frequency_display": _("Frequency"),
    }
    export_filename = "mailings"

    @property
    def stop_view(self) -> Any:
        return self.construct_view(StopView)

    @property
    def allow_view(self) -> Any:
        return self.construct_view(AllowView)

    def get_inspect_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_inspect_view_kwargs(
            stop_url_name=self.get_url_name("stop"),
            allow_url_name=self.get_url_name("allow"),
            **kwargs,
        )

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("stop/<int:pk>/", self.stop_view, name="stop"),
            path("allow/<int:pk>/", self.allow_view, name="allow"),
        ]


class RunIndexView(VisibleIndexView):
    related = ("mailing", "mailing__owner")
    deferred = ("html", "text")  # the frozen letter may be large


class RunViewSet(ReadOnlyViewSet):
    model = Run
    url_prefix = "runs"
    icon = "rotate"
    index_view_class = RunIndexView
    inspect_view_class = pages.RunPage
    filterset_class = filters.RunFilters
    search_fields = ("mailing__name", "mailing__owner__email")
    ordering = "-id"
    list_display = [
        title(Run, "mailing", _("Mailing")),
        PersonColumn("owner", label=_("Owner"), accessor="mailing.owner"),
        StatusColumn("status", label=_("Status"), status=lambda row: RunStatus(row.status)),
        TimeColumn("scheduled_for", label=_("Scheduled for"), sort_key="scheduled_for"),
        *figure_columns(),
    ]
    list_export = (
        "id", "mailing.name", "mailing.owner.email", "scheduled_for", "get_status_display",
        "reason", "started_at", "finished_at", "targeted", "sent_count", "pending_count",
        "deferred_count", "failed_count", "uncertain_count", "skipped_count", "expired_count",
        "cancelled_count",
    )  # fmt: skip
    export_headings = {
        "id": _("Number"),
        "mailing.name": _("Mailing"),
        "mailing.owner.email": _("Owner"),
        "get_status_display": _("Status"),
        "pending_count": _("In queue"),
    }
    export_filename = "runs"


class DeliveryIndexView(VisibleIndexView):
    related = ("run", "run__mailing", "run__mailing__owner")
    deferred = ("variables", "run__html", "run__text")


class DeliveryViewSet(ReadOnlyViewSet):
    model = Delivery
    url_prefix = "deliveries"
    icon = "list-ul"
    index_view_class = DeliveryIndexView
    inspect_view_class = pages.DeliveryPage
    filterset_class = filters.DeliveryFilters
    search_fields = ("address",)
    ordering = "-id"
    list_display = [
        title(Delivery, "address", _("Address")),
        Column("full_name", label=_("Full name")),
        StatusColumn("status", label=_("Status"), status=lambda row: DeliveryStatus(row.status)),
        Column("mailing", label=_("Mailing"), accessor="run.mailing.name"),
        PersonColumn("owner", label=_("Owner"), accessor="run.mailing.owner"),
        TimeColumn("run", label=_("Run"), accessor="run.scheduled_for"),
        FigureColumn("attempt_count", label=_("Attempts")),
        TimeColumn("next_attempt_at", label=_("Next attempt")),
        TimeColumn("finished_at", label=_("Finished")),
    ]
    list_export = (
        "id", "address", "full_name", "get_status_display", "get_reason_display",
        "run.mailing.name", "run.mailing.owner.email", "run.scheduled_for", "attempt_count",
        "next_attempt_at", "finished_at",
    )  # fmt: skip
    export_headings = {
        "id": _("Number"),
        "get_status_display": _("Status"),
        "get_reason_display": _("Reason"),
        "run.mailing.name": _("Mailing"),
        "run.mailing.owner.email": _("Owner"),
        "run.scheduled_for": _("Run"),
    }
    export_filename = "deliveries"


class AttemptIndexView(SearchByAddress, VisibleIndexView):
    related = ("delivery__run__mailing__owner", "transport")
    deferred = (
        "delivery__variables", "delivery__run__html", "delivery__run__text",
    )  # fmt: skip


ATTEMPT_COLUMNS: list[BaseColumn] = [
    TimeColumn("started_at", label=_("Time"), sort_key="started_at", exact=True),
    title(Attempt, "address", _("Address"), accessor="delivery.address"),
    StatusColumn("outcome", label=_("Status"), status=lambda row: outcome_sign(row.outcome)),
    Column("mailing", label=_("Mailing"), accessor="delivery.run.mailing.name"),
    PersonColumn("owner", label=_("Owner"), accessor="delivery.run.mailing.owner"),
    FigureColumn("number", label=_("Attempt")),
    Column("step", label=_("Step")),
    ReplyColumn("reply", label=_("Server's reply")),
]
ATTEMPT_EXPORT = (
    "started_at", "delivery.address", "delivery.run.mailing.name",
    "delivery.run.mailing.owner.email", "number", "duration_ms", "transport", "step",
    "get_outcome_display", "code", "enhanced_code", "reply",
)  # fmt: skip
ATTEMPT_HEADINGS: dict[str, Any] = {
    "delivery.address": _("Address"),
    "delivery.run.mailing.name": _("Mailing"),
    "delivery.run.mailing.owner.email": _("Owner"),
    "transport": _("Mail service"),
    "get_outcome_display": _("Status"),
}


class AttemptViewSet(ReadOnlyViewSet):
    model = Attempt
    url_prefix = "attempts"
    icon = "history"
    index_view_class = AttemptIndexView
    inspect_view_class = pages.AttemptPage
    filterset_class = filters.AttemptFilters
    search_fields = ("delivery__address", "reply")
    ordering = ("-started_at", "-id")
    list_display = ATTEMPT_COLUMNS
    list_export = ATTEMPT_EXPORT
    export_headings = ATTEMPT_HEADINGS
    export_filename = "attempts"


class EventIndexView(VisibleIndexView):
    related = ("delivery", "run__mailing__owner")
    deferred = ("evidence", "delivery__variables", "run__html", "run__text")


class EventViewSet(ReadOnlyViewSet):
    model = Event
    url_prefix = "events"
    icon = "mail"
    index_view_class = EventIndexView
    inspect_view_class = pages.EventPage
    filterset_class = filters.EventFilters
    search_fields = ("delivery__address", "diagnostic")
    ordering = ("-happened_at", "-id")
    list_display = [
        TimeColumn("happened_at", label=_("Time"), sort_key="happened_at", exact=True),
        title(Event, "address", _("Address"), accessor="delivery.address"),
        StatusColumn("kind", label=_("What happened"), status=lambda row: EventKind(row.kind)),
        Column("mailing", label=_("Mailing"), accessor="run.mailing.name"),
        PersonColumn("owner", label=_("Owner"), accessor="run.mailing.owner"),
        ReplyColumn("reply", label=_("Server's words")),
    ]
    list_export = (
        "happened_at", "delivery.address", "run.mailing.name", "run.mailing.owner.email",
        "get_kind_display", "get_source_display", "code", "enhanced_code", "diagnostic",
    )  # fmt: skip
    export_headings = {
        "delivery.address": _("Address"),
        "run.mailing.name": _("Mailing"),
        "run.mailing.owner.email": _("Owner"),
        "get_kind_display": _("What happened"),
        "get_source_display": _("Source"),
    }
    export_filename = "events"


class UnmatchedNoticeIndexView(VisibleIndexView):
    deferred = ("raw",)


class UnmatchedNoticeViewSet(ReadOnlyViewSet):
    model = UnmatchedNotice
    url_prefix = "reports-not-understood"
    icon = "warning"
    index_view_class = UnmatchedNoticeIndexView
    inspect_view_class = pages.UnmatchedNoticePage
    filterset_class = filters.UnmatchedNoticeFilters
    search_fields = ("address", "diagnostic")
    ordering = "-id"
    list_display = [
        title(UnmatchedNotice, "received_at", _("Received")),
        Column("reason", label=_("Why nothing followed"), accessor="get_reason_display"),
        Column("address", label=_("Whom it claims to be about")),
        Column("kind", label=_("What it claims"), accessor="get_kind_display"),
        Column("diagnostic", label=_("Server's words"), accessor="beginning"),
    ]
    list_export = (
        "received_at", "get_reason_display", "address", "get_kind_display", "diagnostic",
    )  # fmt: skip
    export_headings = {
        "get_reason_display": _("Why nothing followed"),
        "address": _("Whom it claims to be about"),
        "get_kind_display": _("What it claims"),
    }
    export_filename = "reports_not_understood"


class ClientIndexView(VisibleIndexView):
    related = ("owner",)


class ClientViewSet(ReadOnlyViewSet):
    model = Client
    url_prefix = "clients"
    icon = "group"
    index_view_class = ClientIndexView
    inspect_view_class = pages.ClientPage
    filterset_class = filters.ClientFilters
    search_fields = ("email_normalised", "full_name")
    ordering = "-id"
    list_display = [
        title(Client, "email", _("E-mail")),
        Column("full_name", label=_("Full name")),
        PersonColumn("owner", label=_("Owner")),
        Column("consent_source", label=_("How they agreed")),
        TimeColumn("created_at", label=_("Added")),
    ]
    list_export = (
        "id", "email", "full_name", "owner.email", "comment", "consent_source", "consent_at",
        "created_at",
    )  # fmt: skip
    export_headings = {"id": _("Number"), "owner.email": _("Owner")}
    export_filename = "clients"


class MessageIndexView(VisibleIndexView):
    related = ("owner",)
    deferred = ("body",)


class MessageViewSet(ReadOnlyViewSet):
    model = Message
    url_prefix = "messages"
    icon = "doc-full"
    index_view_class = MessageIndexView
    inspect_view_class = pages.MessagePage
    filterset_class = filters.MessageFilters
    search_fields = ("subject", "owner__email")
    ordering = "-id"
    list_display = [
        title(Message, "subject", _("Subject")),
        PersonColumn("owner", label=_("Owner")),
        TimeColumn("created_at", label=_("Created")),
        TimeColumn("updated_at", label=_("Changed")),
    ]
    list_export = ("id", "subject", "preheader", "owner.email", "created_at", "updated_at")
    export_headings = {"id": _("Number"), "owner.email": _("Owner")}
    export_filename = "messages"


class SuppressionIndexView(VisibleIndexView):
    related = ("owner",)

    def search_queryset(self, queryset: QuerySet[Suppression]) -> QuerySet[Suppression]:
        """Find by a whole address also the entries whose address was erased."""
        found = super().search_queryset(queryset)
        if "@" not in self.search_query:
            return found
        known_by = stop_list.hashes([self.search_query])
        return found | queryset.filter(address_hash__in=known_by)

    @cached_property
    def header_buttons(self) -> list[HeaderButton]:
        if not self.may("add"):
            return []
        url = reverse("cms_suppression:add")
        return [HeaderButton(_("Add for everybody"), url=url, icon_name="plus")]


class SuppressionViewSet(ReadOnlyViewSet):
    model = Suppression
    url_prefix = "suppressions"
    icon = "no-view"
    index_view_class = SuppressionIndexView
    inspect_view_class = pages.SuppressionPage
    filterset_class = filters.SuppressionFilters
    search_fields = ("address", "owner__email")
    ordering = "-id"
    list_display = [
        title(Suppression, "address", _("Address"), accessor=called),
        PersonColumn("owner", label=_("Applies to"), nobody=_("everybody")),
        Column("reason", label=_("Reason"), accessor="get_reason_display"),
        Column("source", label=_("Source"), accessor="source_in_words"),
        TimeColumn("created_at", label=_("Since")),
    ]
    list_export = ("address", "owner", "get_reason_display", "source_in_words", "created_at")
    export_headings = {
        "owner": _("Applies to"),
        "get_reason_display": _("Reason"),
        "source_in_words": _("Source"),
    }
    export_filename = "suppression_list"

    @property
    def add_view(self) -> Any:
        return self.construct_view(AddView)

    @property
    def take_out_view(self) -> Any:
        return self.construct_view(TakeOutView)

    def get_inspect_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        take_out = self.get_url_name("take_out")
        return super().get_inspect_view_kwargs(take_out_url_name=take_out, **kwargs)

    def get_urlpatterns(self) -> list[Any]:
        return [
            *super().get_urlpatterns(),
            path("add/", self.add_view, name="add"),
            path("take-off/<int:pk>/", self.take_out_view, name="take_out"),
        ]


class WorkerViewSet(ReadOnlyViewSet):
    model = WorkerLease
    url_prefix = "workers"
    icon = "cogs"
    index_view_class = VisibleIndexView
    inspect_view_class = pages.WorkerPage
    ordering = "-heartbeat_at"
    list_display = [
        title(WorkerLease, "host", _("Host")),
        Column("pid", label=_("Process")),
        StatusColumn("state", label=_("State"), status=worker_sign),
        FigureColumn("in_flight", label=_("In hand"), accessor=lambda row: len(row.in_flight)),
        TimeColumn("started_at", label=_("Started")),
        TimeColumn("heartbeat_at", label=_("Last heartbeat"), sort_key="heartbeat_at"),
    ]


class MailingGroup(ModelViewSetGroup):
    menu_label = _("Mailing")
    menu_name = "mailing"
    menu_icon = "mail"
    menu_order = 150
    items = (
        MailingViewSet,
        RunViewSet,
        DeliveryViewSet,
        AttemptViewSet,
        EventViewSet,
        UnmatchedNoticeViewSet,
        ClientViewSet,
        MessageViewSet,
        SuppressionViewSet,
        TransportViewSet,
        WorkerViewSet,
    )
