"""What the cabinet's lists can be narrowed to and sorted by: forms in the address, and queries."""

import re
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db import connection
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from mailings import addresses, permissions, suppression, words
from mailings.models import Attempt, Client, ClientList, Delivery, Mailing, Run, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus, MailingStatus, Outcome, RunStatus
from mailings.statistics.periods import LONGEST, Period


def holds(field: str, text: str) -> Q:
    """Rows whose `field` holds `text`, whatever its case – for Cyrillic as well.

    SQLite's LIKE folds ASCII only; its REGEXP is Python's, which folds everything.
    """
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__iregex": re.escape(text)})
    return Q(**{f"{field}__icontains": text})


def holds_address(text: str, mailbox: str, typed: str = "") -> Q:
    """Rows with an address that holds `text`, in whatever spelling it is looked for."""
    found = holds(typed or mailbox, text)
    sought = addresses.sought(text)
    is_mailbox_too = sought != text.lower() or (typed and "@" in text)
    return found | holds(mailbox, sought) if is_mailbox_too else found


class Filter(forms.Form):
    """Fields of the address; one with nonsense in it is as good as empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_valid()
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            field.widget.attrs["class"] = kind

    def value(self, name: str) -> Any:
        return self.cleaned_data.get(name)

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.values())


def search_field(label: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", "placeholder": label})
    return forms.CharField(label=label, required=False, max_length=200, widget=widget)


GETS_MAIL = "active"
STATES = [
    ("", _("Any state")),
    (GETS_MAIL, _("Gets mail")),
    *((reason.value, words.SUPPRESSED[reason]) for reason in SuppressionReason),
]


class ClientFilter(Filter):
    q = search_field(_("Name or address"))
    on = forms.ModelChoiceField(
        ClientList.objects.none(), required=False, label=_("List"), empty_label=_("Any list")
    )

    state = forms.ChoiceField(label=_("State"), required=False, choices=STATES)
    consent = forms.ChoiceField(
        label=_("Consent"),
        required=False,
        choices=[
            ("", _("Any consent")),
            ("yes", _("Consent is recorded")),
            ("no", _("Consent is not recorded")),
        ],
    )

    ORDERS: ClassVar[dict[str, tuple[str, ...]]] = {
        "name": ("full_name", "id"),
        "-name": ("-full_name", "-id"),
        "address": ("email_normalised",),
        "-address": ("-email_normalised",),
        "added": ("created_at", "id"),
        "-added": ("-created_at", "-id"),
    }
    """Each has an index that begins with the owner."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        self.fields["on"].queryset = permissions.owned(ClientList, owner)  # type: ignore[attr-defined]
        self.full_clean()

    def apply(self, clients: QuerySet[Client]) -> QuerySet[Client]:
        if text := self.value("q"):
            clients = clients.filter(
                holds("full_name", text) | holds_address(text, "email_normalised", "email")
            )
        if on := self.value("on"):
            member = ClientList.clients.through.objects.filter(clientlist=on, client=OuterRef("pk"))
            clients = clients.filter(Exists(member))
        if consent := self.value("consent"):
            nothing = Q(consent_source="", consent_at=None)
            clients = clients.filter(nothing if consent == "no" else ~nothing)
        return self.in_state(clients)

    def in_state(self, clients: QuerySet[Client]) -> QuerySet[Client]:
        state = self.value("state")
        if not state:
            return clients
        if state == GETS_MAIL:
            return clients.exclude(suppression.is_suppressed(self.owner.pk))
        return clients.filter(suppression.is_suppressed(self.owner.pk, reason=state))


class StopListFilter(Filter):
    q = search_field(_("Address"))
    reason = forms.ChoiceField(
        label=_("Reason"),
        required=False,
        choices=[("", _("Any reason")), *words.SUPPRESSED.items()],
    )

    def apply(self, entries: QuerySet[Suppression]) -> QuerySet[Suppression]:
        if text := self.value("q"):
            entries = entries.filter(holds("address", text))
        if reason := self.value("reason"):
            entries = entries.filter(reason=reason)
        return entries


class AttemptFilter(Filter):
    q = search_field(_("Client, address or the server’s reply"))
    outcome = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *Outcome.choices]
    )
    step = forms.ChoiceField(
        label=_("Step"),
        required=False,
        choices=lambda: [("", _("Any step")), *words.step_choices()],
    )

    def apply(self, attempts: QuerySet[Attempt]) -> QuerySet[Attempt]:
        if text := self.value("q"):
            attempts = attempts.filter(
                holds_address(text, "delivery__address")
                | holds("delivery__full_name", text)
                | holds("reply", text)
            )
        if outcome := self.value("outcome"):
            attempts = attempts.filter(outcome=outcome)
        if step := self.value("step"):
            attempts = attempts.filter(step=step)
        return attempts


class DeliveryStatusFilter(Filter):
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *DeliveryStatus.choices]
    )

    def apply(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if status := self.value("status"):
            indexed = "status" if status in Delivery.USUAL else "unusual_status"
            deliveries = deliveries.filter(**{indexed: status})
        return deliveries


class DeliveryFilter(DeliveryStatusFilter):
    q = search_field(_("Client or address"))

    def apply(self, deliveries: QuerySet[Delivery]) -> QuerySet[Delivery]:
        if text := self.value("q"):
            deliveries = deliveries.filter(
                holds_address(text, "address") | holds("full_name", text)
            )
        return super().apply(deliveries)


class MailingFilter(Filter):
    q = search_field(_("Name"))
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *MailingStatus.choices]
    )

    def apply(self, mailings: QuerySet[Mailing]) -> QuerySet[Mailing]:
        if text := self.value("q"):
            mailings = mailings.filter(holds("name", text))
        if status := self.value("status"):
            mailings = mailings.filter(status=status)
        return mailings


class RunFilter(Filter):
    q = search_field(_("Mailing"))
    status = forms.ChoiceField(
        label=_("Status"), required=False, choices=[("", _("Any status")), *RunStatus.choices]
    )

    def apply(self, runs: QuerySet[Run]) -> QuerySet[Run]:
        if text := self.value("q"):
            runs = runs.filter(holds("mailing__name", text))
        if status := self.value("status"):
            runs = runs.filter(status=status)
        return runs


def day_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )


class PeriodFilter(Filter):
    """Which days: the last 7, 30 or 90, or from one day to another."""

    DAYS: ClassVar[dict[str, Any]] = {"7": _("7 days"), "30": _("30 days"), "90": _("90 days")}
    USUAL = "30"

    period = forms.ChoiceField(required=False, choices=[*DAYS.items(), ("own", _("Other days"))])
    since = day_field(pgettext_lazy("period", "From"))
    until = day_field(pgettext_lazy("period", "To"))

    @property
    def chosen(self) -> str:
        if self.value("since") or self.value("until"):
            return "own"
        return self.value("period") or self.USUAL

    def span(self, now: datetime, owner: User) -> Period:
        """Return the period; days in the wrong order are turned, a missing one is made up for."""
        if self.chosen in self.DAYS:
            return Period.of_days(int(self.chosen), now, owner.zone)
        usual = Period.of_days(int(self.USUAL), now, owner.zone)
        until = self.value("until") or max(usual.last, self.value("since") or usual.last)
        since = self.value("since") or min(usual.first, until)
        first, last = sorted((since, until))
        return Period(max(first, last - LONGEST), last, owner.zone)
