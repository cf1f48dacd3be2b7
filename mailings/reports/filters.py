"""What runs, deliveries and attempts can be narrowed to, and which days a report is about."""

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from accounts.models import User
from mailings.clients.filters import DeliveryStatusFilter
from mailings.models import Attempt, Delivery, Mailing, Run
from mailings.reports.periods import LONGEST, Period
from mailings.states import MailingStatus, Outcome, RunStatus
from mailings.web import words
from mailings.web.filters import Filter, day_field, holds, holds_address, search_field


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
