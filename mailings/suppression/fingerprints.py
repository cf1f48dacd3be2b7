"""Keyed fingerprints of addresses: the suppression list recognises by them what it may not keep.

Keys come from `SECRET_KEY`; what was made with one of `SECRET_KEY_FALLBACKS` still holds.
"""

from collections.abc import Iterable
from functools import cache
from hashlib import blake2b, sha256

from django.conf import settings

from mailings.addressing import addresses

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
    """Return the fingerprint of the mailbox, the same for every spelling of its address."""
    return keyed("suppression", secret, addresses.mailbox(address).encode(), DIGEST_BYTES)


def address_hash(address: str, secret: str | None = None) -> str:
    """Return the fingerprint as 64 hex digits, the width of `Suppression.address_hash`."""
    return digest(address, secret or settings.SECRET_KEY).hex()


Spelled = dict[str, list[str]]
"""By fingerprint: the addresses asked about that it stands for, in every spelling they came in."""


def by_hash(asked: Iterable[str]) -> Spelled:
    """Return the addresses by all that the stop-list may know them by; for many at once."""
    mailboxes: list[tuple[str, str]] = []
    for address in asked:
        mailbox = addresses.mailbox(address)
        mailboxes.append((mailbox, address))
        if not address.isascii() and (as_typed := address.lower()) != mailbox:
            mailboxes.append((as_typed, address))
    return _by_hash(mailboxes)


def by_older_hash(asked: Iterable[str]) -> Spelled:
    """Return the few addresses that entries from before IDNA 2008 know by another fingerprint."""
    return _by_hash(
        [
            (older, address)
            for address in asked
            if (older := addresses.as_in_2003(addresses.mailbox(address)))
        ]
    )


def _by_hash(mailboxes: list[tuple[str, str]]) -> Spelled:
    found: Spelled = {}
    if not mailboxes:
        return found
    for secret in secrets():
        hasher = _hasher("suppression", secret, DIGEST_BYTES)
        for mailbox, address in mailboxes:
            code = hasher.copy()
            code.update(mailbox.encode())
            found.setdefault(code.hexdigest(), []).append(address)
    return found


def all_of(address: str) -> list[str]:
    """Return what the suppression list may know the address by."""
    return list(by_hash([address]))


def older_of(address: str) -> list[str]:
    """Return what entries from before IDNA 2008 may know it by beside."""
    return list(by_older_hash([address]))
