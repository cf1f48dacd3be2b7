"""Clients as CSV or XLSX, streamed: a few thousand rows in memory, each read by short queries.

Formulas are neutralised, and what comes out can be imported again unchanged.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from django.db.models import QuerySet
from django.utils.translation import get_language, gettext, gettext_lazy, pgettext_lazy

from accounts.models import User
from mailings import attributes, suppression
from mailings.importing import columns
from mailings.models import Client, ClientList
from mailings.spreadsheets import neutral
from mailings.xlsx import writing

CSV, XLSX = "csv", "xlsx"
CONTENT_TYPES = {
    CSV: "text/csv; charset=utf-8",
    XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
CHUNK = 5_000  # rows a query

FIXED_HEADS = (
    gettext_lazy("E-mail"),
    gettext_lazy("Full name"),
    gettext_lazy("Comment"),
    gettext_lazy("Consent"),
    gettext_lazy("Consent date"),
    gettext_lazy("Lists"),
    gettext_lazy("State"),
    pgettext_lazy("client", "Added"),
)
"""Details stand between `columns.OWN` and the telling ones; an import knows all of them, in
every language."""


class Table(NamedTuple):
    header: list[str]
    rows: Iterable[Sequence[str]]


def clients(owner: User, chosen: QuerySet[Client]) -> Table:
    """Return the chosen clients with all that is known about them, in the order they came."""
    names = attributes.names_of(owner)
    fixed = [str(head) for head in FIXED_HEADS]
    header = [*fixed[: -columns.TELLING], *map(_head_of, names), *fixed[-columns.TELLING :]]
    return Table(header, _client_rows(owner, chosen, names))


def _head_of(name: str) -> str:
    """Return the head of a variable's column; in braces if it could be taken for another one."""
    return f"{{{{ {name} }}}}" if columns.is_known(name) else name


def _client_rows(
    owner: User, chosen: QuerySet[Client], names: Sequence[str]
) -> Iterator[Sequence[str]]:
    on, off = gettext("Gets mail"), gettext("On the suppression list")
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
        barred = suppression.suppressed_among(owner.pk, [row[2] for row in rows])
        for pk, email, normalised, full_name, comment, source, at, values, created in rows:
            yield (
                neutral(email), neutral(full_name), neutral(comment), neutral(source),
                at.isoformat() if at else "", *(neutral(str(values.get(n, ""))) for n in names),
                neutral(lists.get(pk, "")), off if normalised in barred else on,
                created.date().isoformat(),
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


# ---------------------------------------------------------------- bytes


def write(table: Table, kind: str) -> Iterator[bytes]:
    return writing.write_rows(*table) if kind == XLSX else _csv(table)


class _Echo:
    """Hands back what `csv` writes."""

    def write(self, text: str) -> str:
        return text


def _csv(table: Table) -> Iterator[bytes]:
    """Yield CSV as the reader's Excel opens it by a double click: with a mark of its encoding,
    and in Russian with semicolons."""
    delimiter = ";" if get_language() == "ru" else ","
    line = csv.writer(_Echo(), delimiter=delimiter).writerow
    batch = ["\ufeff", line(table.header)]
    for row in table.rows:
        batch.append(line(row))
        if len(batch) == CHUNK:
            yield "".join(batch).encode()
            batch.clear()
    yield "".join(batch).encode()
