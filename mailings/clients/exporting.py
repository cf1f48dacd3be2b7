"""An owner's clients as a table to download: a few thousand in memory, read by short queries.

What comes out can be imported again unchanged.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from accounts.models import User
from mailings.clients import attributes
from mailings.clients.importing import columns
from mailings.models import Client, ClientList
from mailings.spreadsheets.downloads import Row
from mailings.suppression import stop_list as suppression
from mailings.suppression.exporting import state_of

CHUNK = 5_000  # rows a query

FIXED_HEADS = (
    gettext_lazy("E-mail"),
    gettext_lazy("Full name"),
    gettext_lazy("Comment"),
    gettext_lazy("Consent"),
    gettext_lazy("Consent date"),
    gettext_lazy("Lists"),
    gettext_lazy("State"),
    gettext_lazy("In this state since"),
    gettext_lazy("How it is known"),
    pgettext_lazy("client", "Added"),
)
"""Details stand between `columns.OWN` and the telling ones; an import knows all of them, in
every language."""


def clients(owner: User, chosen: QuerySet[Client]) -> Iterator[Row]:
    """Yield a head, then the chosen clients with all that is known about them, as they came."""
    names = attributes.names_of(owner)
    yield [
        *FIXED_HEADS[: -columns.TELLING],
        *map(_head_of, names),
        *FIXED_HEADS[-columns.TELLING :],
    ]
    yield from _client_rows(owner, chosen, names)


def _head_of(name: str) -> str:
    """Return the head of a variable's column; in braces if it could be taken for another one."""
    return f"{{{{ {name} }}}}" if columns.is_known(name) else name


def _client_rows(owner: User, chosen: QuerySet[Client], names: Sequence[str]) -> Iterator[Row]:
    gets_mail = (gettext("Gets mail"), None, None)
    list_names = dict(ClientList.objects.filter(owner=owner).values_list("pk", "name"))
    fields = (
        "pk", "email", "email_normalised", "full_name", "comment", "consent_source",
        "consent_at", "attributes", "created_at",
    )  # fmt: skip
    last = 0
    while True:
        rows: list[Any] = list(
            chosen.filter(pk__gt=last).order_by("pk").values_list(*fields)[:CHUNK]
        )
        if not rows:
            return
        last = rows[-1][0]
        lists = _lists_of(owner, (rows[0][0], last), list_names)
        held = suppression.entries_by_address(owner.pk, [row[2] for row in rows])
        for pk, email, normalised, full_name, comment, source, at, values, created in rows:
            yield (
                email, full_name, comment, source, at, *map(values.get, names), lists.get(pk),
                *(state_of(entry) if (entry := held.get(normalised)) else gets_mail),
                created.date(),
            )  # fmt: skip


def _lists_of(owner: User, pks: tuple[int, int], names: dict[int, str]) -> dict[int, str]:
    """Return the names of the lists of the clients between two numbers."""
    found = defaultdict(list)
    first, last = pks
    members = ClientList.clients.through.objects.filter(
        clientlist__owner=owner, client__gte=first, client__lte=last
    )
    for client, on in members.values_list("client_id", "clientlist_id"):
        found[client].append(names.get(on, ""))
    return {client: ", ".join(sorted(on)) for client, on in found.items()}
