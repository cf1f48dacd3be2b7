"""To whom a mailing goes, and to whom not: the part of its form with lists, segments and single
clients to tick."""

from collections.abc import Sequence
from typing import Any, TypeVar

from django import forms
from django.db.models import Count
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy

from mailings import permissions
from mailings.campaigns import picking
from mailings.campaigns.audience import LEFT_OUT
from mailings.campaigns.picking import Picks
from mailings.models import Client, ClientList, Mailing, Segment
from mailings.web.forms import OwnedForm

Choice = TypeVar("Choice", ClientList, Segment)


def search_for_clients(label: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", "autocomplete": "off"})
    return forms.CharField(label=label, required=False, max_length=200, widget=widget)


class AudienceForm(OwnedForm[Mailing]):
    """What there is to tick; the fields themselves are columns of the mailing that the whole form
    names."""

    find = search_for_clients(gettext_lazy("Single clients"))
    find_excluded = search_for_clients(gettext_lazy("Except single clients"))

    @cached_property
    def client_count(self) -> int:
        return permissions.owned(Client, self.owner).count()

    @cached_property
    def own_lists(self) -> list[ClientList]:
        """Return the lists to choose from, each with its size, counted once for both columns."""
        lists = permissions.owned(ClientList, self.owner)
        return list(lists.annotate(size=Count("clients")))

    @property
    def list_picks(self) -> list[tuple[ClientList, bool]]:
        return self._ticked("lists", self.own_lists)

    @property
    def excluded_list_picks(self) -> list[tuple[ClientList, bool]]:
        return self._ticked("excluded_lists", self.own_lists)

    @cached_property
    def own_segments(self) -> list[Segment]:
        """Return the segments to choose from; the size of one is a question of its own."""
        return list(permissions.owned(Segment, self.owner).select_related("owner"))

    @property
    def segment_picks(self) -> list[tuple[Segment, bool]]:
        return self._ticked("segments", self.own_segments)

    @property
    def excluded_segment_picks(self) -> list[tuple[Segment, bool]]:
        return self._ticked("excluded_segments", self.own_segments)

    @cached_property
    def client_picks(self) -> Picks:
        return self._client_picks("clients", "find")

    @cached_property
    def excluded_client_picks(self) -> Picks:
        return self._client_picks("excluded_clients", "find_excluded")

    @cached_property
    def _named_clients(self) -> list[Client]:
        """Return the single clients of both columns, asked for once."""
        ids = self._chosen("clients") | self._chosen("excluded_clients")
        own = permissions.owned(Client, self.owner).order_by("full_name", "pk")
        return list(own.filter(pk__in=ids)) if ids else []

    def _client_picks(self, name: str, search: str) -> Picks:
        ids = self._chosen(name)
        chosen = [client for client in self._named_clients if client.pk in ids]
        return picking.picks(self.owner, name, str(self[search].value() or ""), chosen)

    @property
    def leaves_somebody_out(self) -> bool:
        """Whether the part “Except” has to be open."""
        asked = self["find_excluded"].value() or any(self.has_error(name) for name in LEFT_OUT)
        return bool(asked or any(self._chosen(name) for name in LEFT_OUT))

    def _ticked(self, name: str, rows: Sequence[Choice]) -> list[tuple[Choice, bool]]:
        chosen = self._chosen(name)
        return [(row, row.pk in chosen) for row in rows]

    def _chosen(self, name: str) -> set[int]:
        values = self[name].value() or []
        return {int(v) for v in values if str(v).isdecimal() and len(str(v)) < 19}  # noqa: PLR2004
