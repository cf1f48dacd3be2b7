"""May we write to this address? The stop-list, asked when a run is frozen and before each try.

An address is found by a keyed hash, so an entry works after its address was erased. The hash is of
the mailbox: `Anna@…` who unsubscribed does not want mail as `anna@…` either. Entries from before
IDNA 2008 also hold for what the same letters mean since (docs/decisions/0027).
"""

import json
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from django.db import connection
from django.db.models import BooleanField, F, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.db.models.lookups import In

from mailings.addressing import addresses
from mailings.models import Suppression
from mailings.models.suppression import BY_THE_PERSON, SuppressionReason
from mailings.suppression.fingerprints import address_hash, all_of, by_hash, by_older_hash, older_of


def hashes(addresses_: Iterable[str]) -> list[str]:
    """Return what entries on any of the addresses have: also those made before the secret was
    changed still bind."""
    asked = list(addresses_)
    return [*by_hash(asked), *by_older_hash(asked)]


def entries(owner_id: int | None) -> QuerySet[Suppression]:
    """Return what binds this owner: their own entries and those for everybody."""
    return Suppression.objects.filter(Q(owner_id=owner_id) | Q(owner_id=None))


def is_suppressed(owner_id: int, reason: str = "") -> In:
    """Return the condition on a client that its address is on the stop-list in clear.

    Entries whose address was erased are found by their hash when the delivery is claimed: a
    keyed hash cannot be computed inside the database.
    """
    readable = entries(owner_id).exclude(address="").values("address")
    if reason:
        readable = readable.filter(reason=reason)
    return In(F("email_normalised"), readable)


def suppressed_among(owner_id: int, candidates: Iterable[str]) -> set[str]:
    """Return those of the addresses that this owner must not write to, however they are spelled."""
    return set(reasons_among(owner_id, candidates))


def reasons_among(owner_id: int, candidates: Iterable[str]) -> dict[str, str]:
    """Return why this owner must not write to some of the addresses."""
    return {
        address: entry.reason
        for entry, known in _found(entries(owner_id), candidates)
        for address in known
    }


def entries_by_address(owner_id: int, candidates: Iterable[str]) -> dict[str, Suppression]:
    """Return what keeps this owner from writing to each of the addresses: the oldest entry."""
    return among(entries(owner_id), candidates)


def among(rows: QuerySet[Suppression], candidates: Iterable[str]) -> dict[str, Suppression]:
    """Return which of the entries is about each of the addresses: the oldest."""
    found = sorted(_found(rows, candidates), key=lambda pair: -pair[0].pk)
    return {address: entry for entry, known in found for address in known}


def _found(
    rows: QuerySet[Suppression], candidates: Iterable[str]
) -> Iterator[tuple[Suppression, list[str]]]:
    """Yield those of the entries that are on any of the addresses, each with those it is about."""
    asked = list(candidates)
    if not asked:
        return
    known, older = by_hash(asked), by_older_hash(asked)
    for entry in rows.filter(has_one_of([*known, *older])):
        about = known.get(entry.address_hash, [])
        if entry.is_by_idna_2003:
            about = [*about, *older.get(entry.address_hash, [])]
        if about:
            yield entry, about


def has_one_of(hashes_: Collection[str]) -> RawSQL:
    """Return the condition that an entry has one of the hashes, all of them in one parameter: five
    hundred cost a parameter each as much as sending the mails' envelopes."""
    if connection.vendor == "postgresql":
        where, parameter = "address_hash = ANY(%s::text[])", "{" + ",".join(hashes_) + "}"
    else:
        where = "address_hash IN (SELECT value FROM json_each(%s))"
        parameter = json.dumps(list(hashes_))
    return RawSQL(where, [parameter], output_field=BooleanField())  # noqa: S611 - no text of users


def entries_about(owner_id: int | None, address: str) -> QuerySet[Suppression]:
    """Return the entries that keep this owner from writing to an address."""
    about = Q(address_hash__in=all_of(address))
    if older := older_of(address):
        about |= Q(address_hash__in=older, is_by_idna_2003=True)
    return entries(owner_id).filter(about)


class Entry(NamedTuple):
    """What is to go on the stop-list."""

    address: str
    reason: SuppressionReason
    owner_id: int | None
    """None: nobody may write to it."""
    source: str = ""
    run_id: int | None = None
    """The run whose letter it was."""


def suppress_all(entries_: Iterable[Entry]) -> None:
    """Put addresses on the stop-list, however many, by a few statements.

    Who is there stays as they are, but a person's own wish takes the place of a reason that may be
    lifted one day.
    """
    wanted: dict[tuple[int | None, str], Suppression] = {}
    for one in entries_:
        mailbox = addresses.mailbox(one.address)
        row = Suppression(
            owner_id=one.owner_id,
            address_hash=address_hash(mailbox),
            address=mailbox,
            reason=one.reason,
            source=one.source[:200],
            run_id=one.run_id,
        )
        key = (row.owner_id, row.address_hash)
        if key not in wanted or (row.is_own_wish and not wanted[key].is_own_wish):
            wanted[key] = row
    if not wanted:
        return
    # In one order, as imports have it: two who put the same there must not wait for each other.
    rows = sorted(wanted.values(), key=lambda row: (row.owner_id or 0, row.address))
    Suppression.objects.bulk_create(rows, ignore_conflicts=True)
    wishes = {key: row for key, row in wanted.items() if row.is_own_wish}
    if not wishes:
        return
    milder = Suppression.objects.exclude(reason__in=BY_THE_PERSON)
    raised = []
    for row in milder.filter(has_one_of([digest for _owner, digest in wishes])):
        if wish := wishes.get((row.owner_id, row.address_hash)):
            row.reason, row.source, row.run_id = wish.reason, wish.source, wish.run_id
            row.is_imported, row.happened_on = False, None
            raised.append(row)
    milder.bulk_update(raised, ["reason", "source", "run", "is_imported", "happened_on"])


def suppress(
    address: str,
    *,
    reason: SuppressionReason,
    owner_id: int | None,
    source: str = "",
    run_id: int | None = None,
) -> None:
    """Put one address on the stop-list, as `suppress_all` does."""
    suppress_all([Entry(address, reason, owner_id, source, run_id)])
