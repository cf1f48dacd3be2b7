"""May we write to this address? The stop-list, asked when a run is frozen and before each try.

An address is found by a keyed hash, so an entry works after its address was erased. Entries are
matched without regard to case: `Anna@…` who unsubscribed does not want mail as `anna@…` either.
"""

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b, sha256

from django.conf import settings
from django.db.models import Q, QuerySet
from django.db.models.functions import Lower
from django.db.models.lookups import In

from mailings import addresses
from mailings.models import Suppression
from mailings.models.suppression import SuppressionReason

_DIGEST_BYTES = 32  # 64 hex digits, the width of `Suppression.address_hash`


@cache
def _key(secret: str) -> bytes:
    return sha256(b"mailings.suppression:" + secret.encode()).digest()


def address_hash(address: str, secret: str | None = None) -> str:
    """Return the keyed hash of a normalised address, the same for every case of its letters."""
    key = _key(secret or settings.SECRET_KEY)
    return blake2b(address.lower().encode(), key=key, digest_size=_DIGEST_BYTES).hexdigest()


def entries(owner_id: int) -> QuerySet[Suppression]:
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
    return In(Lower("email_normalised"), readable)


def suppressed_among(owner_id: int, candidates: Iterable[str]) -> set[str]:
    """Return those of the normalised addresses that this owner must not write to."""
    return set(reasons_among(owner_id, candidates))


def reasons_among(owner_id: int, candidates: Iterable[str]) -> dict[str, str]:
    """Return why this owner must not write to some of the normalised addresses."""
    # Entries made before the secret was changed still bind.
    secrets = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    by_hash = {address_hash(a, secret): a for a in candidates for secret in secrets}
    found = entries(owner_id).filter(address_hash__in=list(by_hash))
    return {
        by_hash[digest]: reason for digest, reason in found.values_list("address_hash", "reason")
    }


def entries_about(owner_id: int, address: str) -> QuerySet[Suppression]:
    """Return the entries that keep this owner from writing to a normalised address."""
    secrets = [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]
    hashes = [address_hash(address, secret) for secret in secrets]
    return entries(owner_id).filter(address_hash__in=hashes)


def suppress(
    address: str, *, reason: SuppressionReason, owner_id: int | None, source: str = ""
) -> bool:
    """Put the address on the stop-list (of everybody without an owner); False: it was there."""
    normalised = addresses.normalise(address).lower()
    _, created = Suppression.objects.get_or_create(
        owner_id=owner_id,
        address_hash=address_hash(normalised),
        defaults={"address": normalised, "reason": reason, "source": source[:200]},
    )
    return created
