"""Single clients are picked for a mailing: those chosen, and those that a search finds."""

from collections.abc import Iterator
from dataclasses import dataclass

from accounts.models import User
from mailings import permissions
from mailings.clients import searching
from mailings.models import Client

CLIENTS_FOUND = 8
"""Clients that a search offers; whoever looks for more writes more letters or uses a list."""


@dataclass(frozen=True, slots=True)
class Picks:
    """Single clients to tick: the chosen ones, and below them what the search finds."""

    name: str
    query: str
    rows: list[tuple[Client, bool]]

    def __iter__(self) -> Iterator[tuple[Client, bool]]:
        return iter(self.rows)

    @property
    def chosen(self) -> list[Client]:
        return [client for client, ticked in self.rows if ticked]

    @property
    def nothing_found(self) -> bool:
        return bool(self.query) and len(self.chosen) == len(self.rows)


def picks(owner: User, name: str, text: str, chosen: list[Client]) -> Picks:
    """Return the chosen clients, for the field `name`, and the first others that a text finds."""
    text = text.strip()[:200]
    if not text:
        return Picks(name, "", [(client, True) for client in chosen])
    own = permissions.owned(Client, owner).order_by("full_name", "pk")
    matching = own.filter(searching.found_by(text))
    found = matching.exclude(pk__in=[client.pk for client in chosen])[:CLIENTS_FOUND]
    rows = [(client, True) for client in chosen] + [(client, False) for client in found]
    return Picks(name, text, rows)
