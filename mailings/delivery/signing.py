"""Whose address stands in From, and which keys sign for it (DKIM).

A letter leaves from the service's own address, or from one at a domain that the mailing's owner has
proved (`SenderDomain`). Anything else is refused where a run is planned, and again by every worker
that begins to send it. The envelope's sender stays the service's (`bounce_addresses`), so SPF is
the service's and DMARC holds by the signature.
"""

from email.utils import parseaddr
from functools import lru_cache
from typing import NamedTuple

from django.conf import settings

from mailings.delivery import domain_keys
from mailings.models import Mailing, Run, SenderDomain
from mailings.rendering import dkim
from mailings.rendering.dkim import Algorithm, Key


class Identity(NamedTuple):
    """What stands behind the address in From."""

    envelope: str
    """The envelope's sender where no domain for returned mail is set."""
    keys: tuple[Key, ...]
    """What signs."""


class SenderNotAllowed(Exception):  # noqa: N818 - an answer, not an error
    """Mail must not leave from this address now; the mailing waits for its owner."""

    def __init__(self, domain: str, *, are_keys_lost: bool = False) -> None:
        super().__init__(domain)
        self.domain, self.are_keys_lost = domain, are_keys_lost


def service_address() -> str:
    """Return the address that letters leave from unless their owner has a domain."""
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def domain_of(address: str) -> str:
    return address.rpartition("@")[2].lower()


def sender_of(mailing: Mailing) -> str:
    """Return the address that the mailing's next run leaves from. Raises `SenderNotAllowed`."""
    if not mailing.sender_address:
        return service_address()
    row = _row(mailing.owner_id, domain_of(mailing.sender_address))
    if row is None or not row.may_send:
        raise SenderNotAllowed(domain_of(mailing.sender_address))
    return mailing.sender_address


def identity_of(run: Run) -> Identity:
    """Return in whose name the run's letters leave. Raises `SenderNotAllowed` if they must not.

    An address at no domain of the owner's is the service's, perhaps as the setting was then: a
    domain that an open run sends from cannot be removed.
    """
    if run.sender_email == service_address():
        return Identity(run.sender_email, service_keys())
    row = _row(run.mailing.owner_id, domain_of(run.sender_email))
    if row is None:
        return Identity(run.sender_email, ())
    if not row.may_send:
        raise SenderNotAllowed(row.domain)
    try:
        keys = tuple(key for key in keys_of(row) if is_published(row, key))
    except domain_keys.KeysUnreadable as error:
        raise SenderNotAllowed(row.domain, are_keys_lost=True) from error
    return Identity(service_address(), keys)


def standing_of(owner_id: int, address: str) -> object:
    """Return what the identity behind an address of the owner's rests on: while it is equal, so is
    `identity_of`. One query; none for the service's own address."""
    if address == service_address():
        return None
    rows = SenderDomain.objects.filter(owner_id=owner_id, domain=domain_of(address))
    return rows.values_list("state", "selector", "rsa_published", "ed25519_published").first()


def _row(owner_id: int, domain: str) -> SenderDomain | None:
    return SenderDomain.objects.filter(owner_id=owner_id, domain=domain).first()


def selector_of(row: SenderDomain, algorithm: Algorithm) -> str:
    """Return by what name a key's record stands below `_domainkey`: one for each algorithm."""
    return f"{row.selector}{'r' if algorithm is Algorithm.RSA else 'e'}"


def keys_of(row: SenderDomain) -> tuple[Key, Key]:
    """Return the domain's keys, RSA first. Raises `KeysUnreadable`."""
    rsa, ed25519 = (
        domain_keys.open_key(
            sealed, domain=row.domain, selector=selector_of(row, algorithm)
        )
        for algorithm, sealed in (
            (Algorithm.RSA, row.rsa_key), (Algorithm.ED25519, row.ed25519_key)
        )
    )  # fmt: skip
    return rsa, ed25519


def is_published(row: SenderDomain, key: Key) -> bool:
    return row.rsa_published if key.algorithm is Algorithm.RSA else row.ed25519_published


# ---------------------------------------------------------------- the service's own


def service_keys() -> tuple[Key, ...]:
    """Return what signs letters from the service's own address: the key of `DKIM_PRIVATE_KEY`, if
    there is one for that address's domain or one above it (RFC 7489 3.1.1)."""
    if not settings.DKIM_PRIVATE_KEY:
        return ()
    own = domain_of(service_address())
    if own != settings.DKIM_DOMAIN and not own.endswith(f".{settings.DKIM_DOMAIN}"):
        return ()
    return (_service_key(settings.DKIM_DOMAIN, settings.DKIM_SELECTOR, settings.DKIM_PRIVATE_KEY),)


@lru_cache(maxsize=4)
def _service_key(domain: str, selector: str, pem: str) -> Key:
    return Key(domain, selector, dkim.read_private(pem))
