"""What the mailings add to Wagtail's admin: lists, pages, dashboard, report, the log's actions."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from wagtail import hooks
from wagtail.admin.menu import MenuItem
from wagtail.admin.site_summary import SummaryItem
from wagtail.admin.ui.components import Component
from wagtail.log_actions import LogActionRegistry
from wagtail.permissions import register_permission_policy

from mailings import audit, permissions
from mailings.cms.access import ReadOnlyPolicy, StopListPolicy, SuperuserPolicy
from mailings.cms.overview import AttentionPanel, OverviewItem
from mailings.cms.reports import AttemptsReportView
from mailings.cms.viewsets import MailingGroup
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Mailing,
    Message,
    Run,
    Suppression,
    Transport,
    UnmatchedNotice,
    WorkerLease,
)

# Without its own policy a model gets Wagtail's, which lets superusers edit.
register_permission_policy(Mailing, ReadOnlyPolicy(Mailing, "stop"))
for model in (Run, Delivery, Attempt, Event, UnmatchedNotice, Client, Message, WorkerLease):
    register_permission_policy(model, ReadOnlyPolicy(model))
register_permission_policy(Suppression, StopListPolicy(Suppression))
register_permission_policy(Transport, SuperuserPolicy(Transport))


@hooks.register("register_admin_viewset")
def register_viewsets() -> MailingGroup:
    return MailingGroup()


@hooks.register("register_log_actions")
def register_log_actions(actions: LogActionRegistry) -> None:
    audit.register(actions)


@hooks.register("construct_homepage_summary_items")
def add_overview(request: HttpRequest, items: list[SummaryItem]) -> None:
    items.append(OverviewItem(request))


@hooks.register("construct_homepage_panels")
def add_attention(request: HttpRequest, panels: list[Component]) -> None:
    if permissions.is_manager(request.user):
        panels.append(AttentionPanel(request))


class AttemptsMenuItem(MenuItem):
    def is_shown(self, request: HttpRequest) -> bool:
        return permissions.is_manager(request.user)


@hooks.register("register_reports_menu_item")
def register_attempts_report() -> MenuItem:
    return AttemptsMenuItem(
        _("Attempts"),
        reverse("attempts_report"),
        name="attempts",
        icon_name="history",
        order=600,
    )


@hooks.register("register_admin_urls")
def register_attempts_report_urls() -> list[URLPattern]:
    return [
        path("reports/attempts/", AttemptsReportView.as_view(), name="attempts_report"),
        path(
            "reports/attempts/results/",
            AttemptsReportView.as_view(results_only=True),
            name="attempts_report_results",
        ),
    ]


@hooks.register("insert_global_admin_css")
def dress_the_admin() -> SafeString:
    return format_html('<link rel="stylesheet" href="{}">', static("css/cms.css"))
