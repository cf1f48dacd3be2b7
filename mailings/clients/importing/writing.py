"""Clients into the database, a chunk by a few statements, whatever its size.

The ORM cannot say "insert, or change what differs": the statement is written out, once for each
database, and takes its rows as one JSON parameter.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from django.db import connection
from django.db.models.expressions import RawSQL

from mailings.clients.importing.plan import Known, Record
from mailings.models import Client
from mailings.models.suppression import BY_THE_PERSON
from mailings.suppression.fingerprints import address_hash

# Each address by the index, however the planner guesses: the first file of an owner is imported
# before there are statistics about them, and every chunk would read all clients that are there.
_IDS = {
    "postgresql": "SELECT found.id FROM jsonb_array_elements_text(%s::jsonb) AS given(address),"
    " LATERAL (SELECT id FROM mailings_client"
    " WHERE email_normalised = given.address AND owner_id = %s LIMIT 1) AS found",
    "sqlite": "SELECT id FROM mailings_client"
    " WHERE email_normalised IN (SELECT value FROM json_each(%s)) AND owner_id = %s",
}
"""A query for the clients with the addresses in a JSON parameter, of an owner: the ORM's `__in`
makes a parameter of each, which costs more than the query itself."""


def known_clients(owner_id: int, addresses: Sequence[str]) -> dict[str, Known]:
    """Return and hold the clients with these normalised addresses."""
    ids = RawSQL(_IDS[connection.vendor], [_as_json(addresses), owner_id])  # noqa: S611 - constants
    rows = Client.objects.filter(pk__in=ids)
    if connection.in_atomic_block:
        rows = rows.select_for_update(no_key=True)
    fields = ("full_name", "comment", "attributes", "consent_source", "consent_at")
    return {
        address: Known(*values)
        for address, *values in rows.order_by("pk").values_list("email_normalised", *fields)
    }


def store(owner_id: int, records: Sequence[Record], now: datetime) -> None:
    """Insert these clients, or change those who are there and differ, in one statement."""
    rows = [
        {
            "a": record.address,
            "n": record.normalised,
            "f": record.full_name,
            "c": record.comment,
            "x": record.attributes,
            "s": record.consent_source,
            "d": record.consent_at.isoformat() if record.consent_at else None,
        }
        for record in records
    ]
    if rows:
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(now)
            cursor.execute(_UPSERT[connection.vendor], [owner_id, at, at, _as_json(rows)])


def put_on_list(list_id: int, owner_id: int, addresses: Sequence[str]) -> None:
    if addresses:
        with connection.cursor() as cursor:
            cursor.execute(_ON_LIST[connection.vendor], [list_id, _as_json(addresses), owner_id])


class Entry(NamedTuple):
    """What goes on the suppression list."""

    address: str
    reason: str
    source: str
    happened_on: date | None


def suppress(owner_id: int, entries: Sequence[Entry], now: datetime) -> None:
    """Put the addresses on the owner's suppression list, in one statement.

    What a person wished themselves takes the place of a reason that may be lifted one day.
    """
    rows: dict[str, dict[str, Any]] = {}
    for entry in entries:
        address = entry.address.lower()
        there = rows.get(address)
        if there is None or (there["r"] not in BY_THE_PERSON and entry.reason in BY_THE_PERSON):
            rows[address] = {
                "h": address_hash(address),
                "a": address,
                "r": str(entry.reason),
                "s": entry.source[:200],
                "d": entry.happened_on.isoformat() if entry.happened_on else None,
            }
    if rows:
        with connection.cursor() as cursor:
            at = connection.ops.adapt_datetimefield_value(now)
            # In one order, so that two imports of an owner do not wait for each other.
            given = _as_json([rows[address] for address in sorted(rows)])
            values = [owner_id, at, given, *BY_THE_PERSON, *BY_THE_PERSON]
            cursor.execute(_SUPPRESS[connection.vendor], values)


def _as_json(values: Sequence[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)


_COLUMNS = (
    "owner_id, created_at, updated_at, email, email_normalised, full_name, comment, attributes,"
    " consent_source, consent_at, came_by"
)
# A client who appeared since `known_clients` looked keeps what this row does not say.
_CONFLICT = """
ON CONFLICT (owner_id, email_normalised) DO UPDATE SET
    full_name = COALESCE(NULLIF(excluded.full_name, ''), old.full_name),
    comment = COALESCE(NULLIF(excluded.comment, ''), old.comment),
    attributes = {merged},
    consent_source = COALESCE(NULLIF(excluded.consent_source, ''), old.consent_source),
    consent_at = COALESCE(excluded.consent_at, old.consent_at),
    updated_at = excluded.updated_at
WHERE (excluded.full_name, excluded.comment, excluded.attributes,
       excluded.consent_source, excluded.consent_at)
    {differs}
    (old.full_name, old.comment, old.attributes, old.consent_source, old.consent_at)
"""
_UPSERT = {
    "postgresql": f"INSERT INTO mailings_client AS old ({_COLUMNS})"  # noqa: S608 - constants
    " SELECT %s, %s, %s, a, n, f, c, x, s, d, 'import' FROM jsonb_to_recordset(%s::jsonb)"
    " AS row(a text, n text, f text, c text, x jsonb, s text, d date)"
    + _CONFLICT.format(merged="old.attributes || excluded.attributes", differs="IS DISTINCT FROM"),
    "sqlite": f"INSERT INTO mailings_client AS old ({_COLUMNS})"  # noqa: S608 - constants
    " SELECT %s, %s, %s, value ->> 'a', value ->> 'n', value ->> 'f', value ->> 'c',"
    " value -> 'x', value ->> 's', value ->> 'd', 'import' FROM json_each(%s) WHERE true"
    + _CONFLICT.format(merged="json_patch(old.attributes, excluded.attributes)", differs="IS NOT"),
}
_ENTRY = "owner_id, created_at, is_imported, address_hash, address, reason, source, happened_on"
_OVERRULED = """
ON CONFLICT (owner_id, address_hash) DO UPDATE SET
    reason = excluded.reason, source = excluded.source, happened_on = excluded.happened_on,
    is_imported = excluded.is_imported
WHERE excluded.reason IN (%s, %s) AND old.reason NOT IN (%s, %s)
"""
_SUPPRESS = {
    "postgresql": f"INSERT INTO mailings_suppression AS old ({_ENTRY})"  # noqa: S608 - constants
    " SELECT %s, %s, true, h, a, r, s, d FROM jsonb_to_recordset(%s::jsonb)"
    " AS row(h text, a text, r text, s text, d date)" + _OVERRULED,
    "sqlite": f"INSERT INTO mailings_suppression AS old ({_ENTRY})"  # noqa: S608 - constants
    " SELECT %s, %s, true, value ->> 'h', value ->> 'a', value ->> 'r', value ->> 's',"
    " value ->> 'd' FROM json_each(%s) WHERE true" + _OVERRULED,
}
_ON_LIST = {
    vendor: "INSERT INTO mailings_clientlist_clients (clientlist_id, client_id)"  # noqa: S608 - constants
    f" SELECT %s, id FROM ({ids}) AS found WHERE true ON CONFLICT DO NOTHING"
    for vendor, ids in _IDS.items()
}
