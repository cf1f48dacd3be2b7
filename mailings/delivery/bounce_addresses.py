"""The address to which mail servers return what they could not deliver: one for each delivery.

The envelope's sender (RFC 5321 4.4) is not what a letter shows as its sender. With a domain for
returned mail (`BOUNCE_DOMAIN`) it is `b+<token>@<domain>`: the number of the delivery and a keyed
hash of it and of the recipient's mailbox, so that a report proves which letter it is about, however
little of that it quotes ("VERP"). In hexadecimal digits: servers on the way may change the case.
"""

import re
from collections.abc import Iterator
from hmac import compare_digest
from typing import NamedTuple

from django.conf import settings

from mailings.addressing import addresses
from mailings.suppression import fingerprints

PREFIX = "b+"
ID_BYTES = 6
MAC_BYTES = 16
# 2 + 44 octets: a local part has 64 at most (RFC 5321 4.5.3.1.1).
_DIGITS = 2 * (ID_BYTES + MAC_BYTES)
_TOKENS = re.compile(
    rf"(?<![0-9A-Za-z.+_-])b\+([0-9a-f]{{{_DIGITS}}})(?![0-9A-Za-z])", re.IGNORECASE | re.ASCII
).findall


class Token(NamedTuple):
    """What an address claims: of which delivery it is. `is_of` tells whether that is true."""

    delivery_id: int
    mac: bytes

    def is_of(self, recipient: str) -> bool:
        """Return whether the token was made for a delivery of that number to that mailbox."""
        ids = self.delivery_id.to_bytes(ID_BYTES)
        return any(
            compare_digest(self.mac, _mac(ids, recipient, secret))
            for secret in fingerprints.secrets()
        )


def sender(visible: str, delivery_id: int, recipient: str) -> str:
    """Return the envelope's sender: the `visible` one where no domain for returned mail is set."""
    if not settings.BOUNCE_DOMAIN:
        return visible
    return f"{PREFIX}{token(delivery_id, recipient)}@{settings.BOUNCE_DOMAIN}"


def for_webhooks(delivery_id: int, recipient: str) -> str:
    """Return the token that an HTTP API is to give back with its events; nothing where no webhook
    is taken in."""
    return token(delivery_id, recipient) if settings.WEBHOOK_SECRETS else ""


def token(delivery_id: int, recipient: str) -> str:
    """Return the part that names the delivery, signed; about 2 µs, made for every mail."""
    ids = delivery_id.to_bytes(ID_BYTES)
    return (ids + _mac(ids, recipient, settings.SECRET_KEY)).hex()


def tokens_in(text: str) -> Iterator[Token]:
    """Yield what looks like such an address anywhere in a text; each is still to be proved."""
    for digits in _TOKENS(text):
        found = bytes.fromhex(digits)
        yield Token(int.from_bytes(found[:ID_BYTES]), found[ID_BYTES:])


def _mac(ids: bytes, recipient: str, secret: str) -> bytes:
    named = ids + addresses.mailbox(recipient).encode()
    return fingerprints.keyed("bounce_addresses", secret, named, MAC_BYTES)
