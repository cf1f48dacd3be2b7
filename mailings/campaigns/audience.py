"""To whom a mailing would go: counted, and refused where that is nobody."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Value
from django.utils.translation import gettext as _

from accounts.models import User
from mailings.delivery.runs import recipients
from mailings.errors import Invalid
from mailings.models import Client, ClientList, Mailing, Segment
from mailings.suppression import stop_list
from mailings.timing import clock

CHOSEN = ("lists", "segments", "clients")
LEFT_OUT = ("excluded_lists", "excluded_segments", "excluded_clients")
PEOPLE = ("to_all", *CHOSEN, *LEFT_OUT)
"""Fields of a mailing that say to whom."""


class NobodyToWriteTo(Invalid):
    """Nobody would get the mailing; the fault stands at the field that can change that."""


@dataclass(frozen=True, slots=True)
class Recipients:
    total: int
    excluded: int
    suppressed: int

    @property
    def will_get(self) -> int:
        return self.total - self.excluded - self.suppressed


def count_recipients(
    *,
    owner: User,
    lists: Iterable[ClientList],
    clients: Iterable[Client],
    everybody: bool = False,
    segments: Iterable[Segment] = (),
    but_lists: Iterable[ClientList] = (),
    but_clients: Iterable[Client] = (),
    but_segments: Iterable[Segment] = (),
) -> Recipients:
    """Count whom a mailing to these lists, segments and clients, or to everybody, would reach, each
    once."""
    asked, but_asked = list(segments), list(but_segments)
    # The same moment for both counts; whoever asks for no segment need not ask for the time.
    now = clock.now() if asked or but_asked else None
    whom: dict[str, Any] = {"everybody": everybody, "segments": asked, "now": now}
    rows = recipients.chosen(
        owner.pk,
        lists,
        clients,
        but_lists=but_lists,
        but_clients=but_clients,
        but_segments=but_asked,
        **whom,
    )
    left = rows.aggregate(
        number=Count("pk"), suppressed=Count("pk", filter=stop_list.is_suppressed(owner.pk))
    )
    total: int = left["number"]
    if but_lists or but_clients or but_asked:
        total = recipients.chosen(owner.pk, lists, clients, **whom).count()
    return Recipients(total, total - left["number"], left["suppressed"])


def of(mailing: Mailing) -> Recipients:
    """Count whom a saved mailing would reach."""
    return count_recipients(
        owner=mailing.owner,
        lists=mailing.lists.all(),
        clients=mailing.clients.all(),
        everybody=mailing.to_all,
        segments=mailing.segments.select_related("owner"),
        but_lists=mailing.excluded_lists.all(),
        but_clients=mailing.excluded_clients.all(),
        but_segments=mailing.excluded_segments.select_related("owner"),
    )


def names_of(mailing: Mailing) -> dict[str, list[str]]:
    """Return how the lists and segments of the mailing's relations are called, by one query."""
    found: dict[str, list[str]] = {}
    parts: list[QuerySet[Any, Any]] = []
    for name in ("lists", "segments", "excluded_lists", "excluded_segments"):
        found[name] = []
        rows: QuerySet[Any] = getattr(mailing, name).order_by()
        parts.append(rows.values_list(Value(name), "name"))
    for name, called in parts[0].union(*parts[1:]):
        found[name].append(called)
    return {name: sorted(called) for name, called in found.items()}


def require_somebody(found: Recipients, *, to_all: bool) -> None:
    """Raise `NobodyToWriteTo` unless somebody would get the mailing."""
    if found.will_get:
        return
    if not found.total and to_all:
        field, said = "to_all", _("You have no clients yet. Add somebody to write to first.")
    elif not found.total:
        field = "lists"
        said = _(
            "Nobody would get this mailing. Choose a list with clients, a segment, or clients."
        )
    elif found.excluded == found.total:
        field = "excluded_lists"
        said = _("Everybody chosen is left out again. Take somebody out of “Except”.")
    else:
        field, said = "lists", _("Everybody here has asked not to be written to. Choose others.")
    raise NobodyToWriteTo({field: said})
