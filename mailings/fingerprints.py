"""Keyed fingerprints of addresses: the suppression list recognises by them what it may not keep.

Keys come from `SECRET_KEY`; what was made with one of `SECRET_KEY_FALLBACKS` still holds.
"""

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b, sha256

from django.conf import settings

DIGEST_BYTES = 32


@cache
def key_for(purpose: str, secret: str) -> bytes:
    """Return a key of its own for each purpose: one's hashes say nothing about another's."""
    return sha256(f"mailings.{purpose}:{secret}".encode()).digest()


@cache
def _hasher(purpose: str, secret: str, size: int) -> "blake2b":
    """Return a hash that has taken its key: a copy of it costs half as much as a new one."""
    return blake2b(key=key_for(purpose, secret), digest_size=size)


def keyed(purpose: str, secret: str, data: bytes, size: int) -> bytes:
    """Return the keyed hash of `data`, `size` bytes long."""
    hasher = _hasher(purpose, secret, size).copy()
    hasher.update(data)
    return hasher.digest()


def secrets() -> list[str]:
    """Return the secret in use, then those of before."""
    return [settings.SECRET_KEY, *map(str, settings.SECRET_KEY_FALLBACKS)]


def digest(address: str, secret: str) -> bytes:
    """Return the fingerprint of a normalised address, the same for every case of its letters."""
    return keyed("suppression", secret, address.lower().encode(), DIGEST_BYTES)


def address_hash(address: str, secret: str | None = None) -> str:
    """Return the fingerprint as 64 hex digits, the width of `Suppression.address_hash`."""
    return digest(address, secret or settings.SECRET_KEY).hex()


def by_hash(addresses: Iterable[str]) -> dict[str, str]:
    """Return each address by all that the stop-list may know it by; for many of them at once."""
    found: dict[str, str] = {}
    addresses = list(addresses)
    for secret in secrets():
        hasher = _hasher("suppression", secret, DIGEST_BYTES)
        for address in addresses:
            code = hasher.copy()
            code.update(address.lower().encode())
            found[code.hexdigest()] = address
    return found


def all_of(address: str) -> list[str]:
    """Return what the suppression list may know the address by."""
    return [address_hash(address, secret) for secret in secrets()]
