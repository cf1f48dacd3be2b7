"""Filters of the admin's lists. Owners are typed, not chosen: there may be thousands."""

from typing import Any

import django_filters
from django import forms
from django.utils.translation import gettext_lazy as _
from wagtail.admin.filters import DateRangePickerWidget, WagtailFilterSet

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
)
from mailings.models.feedback import UnmatchedReason
from mailings.models.suppression import SuppressionReason
from mailings.states import (
    FREQUENCY_CHOICES,
    Actor,
    DeliveryStatus,
    EventKind,
    MailingStatus,
    Outcome,
    RunStatus,
    SkipReason,
)

LARGEST_NUMBER = 2**63 - 1
"""What a database takes for an id; SQLite answers a larger one with a traceback."""


def _owner(field: str) -> django_filters.CharFilter:
    return django_filters.CharFilter(field, "icontains", label=_("Owner's e-mail contains"))


def _several(choices: list[tuple[str, Any]], label: Any) -> django_filters.MultipleChoiceFilter:
    return django_filters.MultipleChoiceFilter(
        choices=choices, label=label, widget=forms.CheckboxSelectMultiple
    )


def _between(field: str, label: Any) -> django_filters.DateFromToRangeFilter:
    return django_filters.DateFromToRangeFilter(field, label=label, widget=DateRangePickerWidget)


def _number(field: str, label: Any) -> django_filters.NumberFilter:
    return django_filters.NumberFilter(
        field, label=label, min_value=1, max_value=LARGEST_NUMBER, decimal_places=0
    )


class MailingFilters(WagtailFilterSet):
    status = _several(MailingStatus.choices, _("Status"))
    status_actor = _several(Actor.choices, _("Status set by"))
    frequency = _several(FREQUENCY_CHOICES, _("Frequency"))
    owner = _owner("owner__email")
    start_at = _between("start_at", _("Start"))
    next_run_at = _between("next_run_at", _("Next run"))

    class Meta:
        model = Mailing
        fields: tuple[str, ...] = ()


class RunFilters(WagtailFilterSet):
    status = _several(RunStatus.choices, _("Status"))
    mailing = _number("mailing", _("Mailing's number"))
    owner = _owner("mailing__owner__email")
    scheduled_for = _between("scheduled_for", _("Scheduled for"))

    class Meta:
        model = Run
        fields: tuple[str, ...] = ()


class DeliveryFilters(WagtailFilterSet):
    status = _several(DeliveryStatus.choices, _("Status"))
    reason = _several(SkipReason.choices, _("Reason"))
    run = _number("run", _("Run's number"))
    mailing = _number("run__mailing", _("Mailing's number"))
    owner = _owner("run__mailing__owner__email")

    class Meta:
        model = Delivery
        fields: tuple[str, ...] = ()


class AttemptFilters(WagtailFilterSet):
    outcome = _several(Outcome.choices, _("Status"))
    code = _number("code", _("Server's code"))
    started_at = _between("started_at", _("Time"))
    mailing = _number("delivery__run__mailing", _("Mailing's number"))
    run = _number("delivery__run", _("Run's number"))
    delivery = _number("delivery", _("Delivery's number"))
    owner = _owner("delivery__run__mailing__owner__email")

    class Meta:
        model = Attempt
        fields: tuple[str, ...] = ()


class EventFilters(WagtailFilterSet):
    kind = _several(EventKind.choices, _("What happened"))
    happened_at = _between("happened_at", _("Time"))
    mailing = _number("run__mailing", _("Mailing's number"))
    run = _number("run", _("Run's number"))
    delivery = _number("delivery", _("Delivery's number"))
    owner = _owner("run__mailing__owner__email")

    class Meta:
        model = Event
        fields: tuple[str, ...] = ()


class UnmatchedNoticeFilters(WagtailFilterSet):
    reason = _several(UnmatchedReason.choices, _("Why nothing followed"))
    received_at = _between("received_at", _("Received"))

    class Meta:
        model = UnmatchedNotice
        fields: tuple[str, ...] = ()


class ClientFilters(WagtailFilterSet):
    owner = _owner("owner__email")
    created_at = _between("created_at", _("Added"))

    class Meta:
        model = Client
        fields: tuple[str, ...] = ()


class MessageFilters(WagtailFilterSet):
    owner = _owner("owner__email")
    updated_at = _between("updated_at", _("Changed"))

    class Meta:
        model = Message
        fields: tuple[str, ...] = ()


class SuppressionFilters(WagtailFilterSet):
    reason = _several(SuppressionReason.choices, _("Reason"))
    everybody = django_filters.TypedChoiceFilter(
        "owner",
        "isnull",
        label=_("Applies to"),
        choices=[("", _("All")), ("yes", _("everybody")), ("no", _("one owner"))],
        coerce=lambda value: value == "yes",
        widget=forms.RadioSelect,
    )
    owner = _owner("owner__email")
    created_at = _between("created_at", _("Since"))

    class Meta:
        model = Suppression
        fields: tuple[str, ...] = ()
