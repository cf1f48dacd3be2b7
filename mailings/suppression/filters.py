"""What the page of the stop-list can be narrowed to."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings.addressing import addresses
from mailings.models import Suppression
from mailings.suppression import stop_list
from mailings.web import words
from mailings.web.filters import Filter, day_field, holds_address, search_field

HERE, FILE = "here", "file"
LARGEST_NUMBER = 2**63 - 1
"""What a database takes for an id."""


class StopListFilter(Filter):
    """Address or a part of it, reason, origin, the days on which entries came onto the list, and
    the mailing or the run whose letter it was – figures elsewhere lead to those.

    Who unsubscribed elsewhere and came with a file came onto the list on the day of the file.
    """

    q = search_field(_("Address"))
    reason = forms.ChoiceField(
        label=_("Reason"),
        required=False,
        choices=[("", _("Any reason")), *words.SUPPRESSED.items()],
    )
    origin = forms.ChoiceField(
        label=_("Origin"),
        required=False,
        choices=[
            ("", _("From here and from files")),
            (HERE, _("From here")),
            (FILE, _("From files")),
        ],
    )
    since = day_field(pgettext_lazy("period", "From"))
    until = day_field(pgettext_lazy("period", "To"))
    mailing = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_NUMBER)
    run = forms.IntegerField(required=False, min_value=1, max_value=LARGEST_NUMBER)

    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        """`zone`: the reader's, in which a day begins."""
        super().__init__(*args, **kwargs)
        self.zone = zone

    def apply(self, entries: QuerySet[Suppression]) -> QuerySet[Suppression]:
        """Return what is asked for; days in the wrong order are turned."""
        if text := self.value("q"):
            entries = entries.filter(has_address(text))
        if reason := self.value("reason"):
            entries = entries.filter(reason=reason)
        if origin := self.value("origin"):
            entries = entries.filter(is_imported=origin == FILE)
        if mailing := self.value("mailing"):
            entries = entries.filter(run__mailing=mailing)
        if run := self.value("run"):
            entries = entries.filter(run=run)
        return self._between(entries)

    def _between(self, entries: QuerySet[Suppression]) -> QuerySet[Suppression]:
        first, last = self.value("since"), self.value("until")
        if first and last and last < first:
            first, last = last, first
        if first:
            entries = entries.filter(created_at__gte=self._begin_of(first))
        if last and last < date.max:
            entries = entries.filter(created_at__lt=self._begin_of(last + timedelta(days=1)))
        return entries

    def _begin_of(self, day: date) -> datetime:
        return datetime.combine(max(day, EARLIEST), time(), self.zone)

    @property
    def whole_address(self) -> str:
        """Return the mailbox that is searched for, if it is a whole one."""
        try:
            return addresses.normalise(self.value("q") or "")
        except ValidationError:
            return ""


EARLIEST = date(1970, 1, 1)
"""A day in the year 1 has no beginning in UTC: nothing here is older than the product."""


def has_address(text: str) -> Q:
    """Return the condition that an entry is about an address that holds `text`; about a whole one
    also where only its fingerprint is kept."""
    found = holds_address(text, "address")
    return found | Q(address_hash__in=stop_list.hashes([text])) if "@" in text else found
