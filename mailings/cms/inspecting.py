"""Pages of one row: its facts, its figures, the rows that belong to it. Nothing here is a form."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.ui.tables import Column, Table, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import Button, HeaderButton
from wagtail.models import ModelLogEntry

from mailings import permissions
from mailings.cms.access import VisibleRows
from mailings.cms.columns import (
    FigureColumn,
    ReplyColumn,
    StatusColumn,
    TimeColumn,
    outcome_sign,
)
from mailings.states import DeliveryStatus, EventKind, MailingStatus, RunStatus

SHOWN = 10
"""Related rows on a page; the link beneath leads to the whole list."""

Facts = Sequence[tuple[Any, Any]]


@dataclass(frozen=True)
class Part:
    """A table of related rows under a heading."""

    heading: object
    rows: Sequence[models.Model]
    columns: Iterable[Column]
    empty: object
    more_url: str = ""
    more_label: object = ""

    @cached_property
    def table(self) -> Table:
        return Table(self.columns, self.rows)


class FactsView(VisibleRows, generic.InspectView):
    """Base: a subclass says its facts, and perhaps notes, figures, parts and a preview."""

    any_permission_required = ["view"]
    history_url_name = ""

    def facts(self) -> Facts:
        raise NotImplementedError

    def notes(self) -> list[tuple[str, str]]:
        """Return (info|warning|critical, sentence)."""
        return []

    def figures(self) -> Facts:
        return []

    def parts(self) -> list[Part]:
        return []

    def preview(self) -> str:
        return ""

    def letter(self) -> str:
        """Return a mail as it came, shown as plain text."""
        return ""

    def get_fields_context(self) -> list[Any]:
        """Wagtail's own list of fields is not used: `facts` says what matters, in order."""
        return []

    @cached_property
    def header_more_buttons(self) -> list[Button]:
        return []

    @cached_property
    def header_buttons(self) -> list[HeaderButton]:
        return []

    def get_page_title(self) -> str:
        return capfirst(str(self.model._meta.verbose_name))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            facts=self.facts(),
            notes=self.notes(),
            figures=self.figures(),
            parts=self.parts(),
            preview=self.preview(),
            letter=self.letter(),
            history_url=reverse(self.history_url_name, args=[self.object.pk]),
            **kwargs,
        )


def person(user: Any) -> str:
    """Name and address of a user, and whether they are blocked."""
    if user is None:
        return ""
    words = f"{user.full_name} <{user.email}>" if user.full_name else user.email
    return str(_("%(person)s – blocked") % {"person": words}) if user.is_blocked else words


def filtered(list_name: str, **filters: Any) -> str:
    """Return the address of a list, narrowed."""
    query = "&".join(f"{name}={value}" for name, value in filters.items())
    return f"{reverse(f'cms_{list_name}:index')}?{query}"


def run_columns() -> list[Column]:
    return [
        TitleColumn(
            "scheduled_for",
            label=_("Scheduled for"),
            accessor="scheduled_for",
            url_name="cms_run:inspect",
        ),
        StatusColumn("status", label=_("Status"), status=lambda run: RunStatus(run.status)),
        *figure_columns(),
    ]


def figure_columns() -> list[Column]:
    """The counters of a run; together with what is still open they add up to its recipients."""
    return [
        FigureColumn("targeted", label=_("Recipients")),
        FigureColumn("sent_count", label=_("Sent")),
        FigureColumn("pending_count", label=_("In queue")),
        FigureColumn("deferred_count", label=_("Deferred")),
        FigureColumn("failed_count", label=_("Failed")),
        FigureColumn("uncertain_count", label=_("Uncertain")),
        FigureColumn("not_sent", label=_("Will not be sent"), accessor=will_not_be_sent),
    ]


def will_not_be_sent(run: Any) -> int:
    return run.skipped_count + run.expired_count + run.cancelled_count


def attempt_columns(*, with_address: bool = True) -> list[Column]:
    columns = [
        TimeColumn("started_at", label=_("Time"), exact=True),
        StatusColumn("outcome", label=_("Status"), status=lambda row: outcome_sign(row.outcome)),
        Column("step", label=_("Step")),
        ReplyColumn("reply", label=_("Server's reply")),
    ]
    address = TitleColumn(
        "address",
        label=_("Address"),
        accessor="delivery.address",
        url_name="cms_delivery:inspect",
        id_accessor="delivery_id",
    )
    return [address, *columns] if with_address else columns


def attempts_part(rows: Any, *, more_url: str, with_address: bool = True) -> Part:
    return Part(
        heading=_("Last attempts"),
        rows=list(rows.select_related("delivery").order_by("-started_at", "-id")[:SHOWN]),
        columns=attempt_columns(with_address=with_address),
        empty=_("Nothing was tried yet."),
        more_url=more_url,
        more_label=_("All attempts"),
    )


def event_columns() -> list[Column]:
    return [
        TimeColumn("happened_at", label=_("Time"), exact=True),
        StatusColumn("kind", label=_("What happened"), status=lambda row: EventKind(row.kind)),
        ReplyColumn("reply", label=_("Server's words")),
    ]


def events_part(rows: Any, *, more_url: str) -> Part:
    return Part(
        heading=_("What came back"),
        rows=list(rows.order_by("-happened_at", "-id")[:SHOWN]),
        columns=event_columns(),
        empty=_("Nothing came back."),
        more_url=more_url,
        more_label=_("All that came back"),
    )


def runs_part(rows: Any, *, more_url: str) -> Part:
    return Part(
        heading=_("Runs"),
        rows=list(rows.defer("html", "text").order_by("-scheduled_for")[:SHOWN]),
        columns=run_columns(),
        empty=_("There was no run yet."),
        more_url=more_url,
        more_label=_("All runs"),
    )


def deliveries_part(rows: Any, *, more_url: str) -> Part:
    return Part(
        heading=_("Deliveries"),
        rows=list(rows.order_by("-id")[:SHOWN]),
        columns=[
            TitleColumn("address", label=_("Address"), url_name="cms_delivery:inspect"),
            StatusColumn(
                "status", label=_("Status"), status=lambda row: DeliveryStatus(row.status)
            ),
            FigureColumn("attempt_count", label=_("Attempts")),
            TimeColumn("finished_at", label=_("Finished")),
        ],
        empty=_("There are no deliveries yet."),
        more_url=more_url,
        more_label=_("All deliveries"),
    )


def mailings_part(rows: Any, *, more_url: str = "") -> Part:
    return Part(
        heading=_("Mailings"),
        rows=list(rows.order_by("-created_at")[:SHOWN]),
        columns=[
            TitleColumn(
                "name", label=pgettext_lazy("thing", "Name"), url_name="cms_mailing:inspect"
            ),
            StatusColumn("status", label=_("Status"), status=lambda row: MailingStatus(row.status)),
            TimeColumn("start_at", label=_("Start")),
            TimeColumn("next_run_at", label=_("Next run")),
        ],
        empty=_("There are no mailings."),
        more_url=more_url,
        more_label=_("All mailings"),
    )


def log_part(instance: models.Model) -> Part:
    """Who did what, when and why; the newest first."""
    return Part(
        heading=_("What was done"),
        rows=list(ModelLogEntry.objects.for_instance(instance).select_related("user")[:SHOWN]),
        columns=[
            TimeColumn("timestamp", label=_("Time")),
            Column("message", label=_("Action")),
            Column("user_display_name", label=_("User")),
        ],
        empty=_("Nothing is in the log yet."),
    )


def visible_to(view: FactsView, model: type[models.Model], **lookup: Any) -> Any:
    return permissions.visible(model, view.request.user).filter(**lookup)
