"""The address of the unsubscribe page of one delivery: made once a mail, read for years.

It carries all that unsubscribing needs – the owner, the delivery, the fingerprint of the address
as the suppression list keeps it – and a keyed hash over them. So it works whatever rows are
deleted meanwhile, cannot be guessed or altered, and holds no address that a log could betray.
"""

import re
from base64 import urlsafe_b64decode
from binascii import b2a_base64
from collections.abc import Iterator
from hmac import compare_digest
from typing import NamedTuple

from django.conf import settings

from accounts import site_address
from mailings.suppression import fingerprints

PATH = "/u/"
"""Where `site_config.urls` has the page."""

SAMPLE = "sample"
"""Stands for a token in previews and test letters: its page explains and changes nothing."""

# 6 + 6 + 32 + 16 bytes: a multiple of three, so base64 has no slack that could be altered.
ID_BYTES = 6
MAC_BYTES = 16
_URLSAFE = bytes.maketrans(b"+/", b"-_")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{80}").fullmatch
_IN_TEXT = re.compile(re.escape(PATH) + r"([A-Za-z0-9_-]{80})(?![A-Za-z0-9_-])").findall


class Link(NamedTuple):
    """What a good token says."""

    owner_id: int
    delivery_id: int
    address_hash: str
    secret: str
    """The key that it was made with, and the fingerprint too."""


def url(owner_id: int, delivery_id: int, address: str) -> str:
    """Return the address by which the recipient of a delivery leaves this owner (RFC 8058)."""
    return f"{site_address.url()}{PATH}{token(owner_id, delivery_id, address)}/"


def sample_url() -> str:
    """Return an address that unsubscribes nobody, for a preview or a test letter."""
    return f"{site_address.url()}{PATH}{SAMPLE}/"


def token(owner_id: int, delivery_id: int, address: str) -> str:
    """Return the part that names delivery and mailbox, signed; about 2 µs, made for every mail."""
    secret = settings.SECRET_KEY
    ids = (owner_id << 8 * ID_BYTES | delivery_id).to_bytes(2 * ID_BYTES)
    payload = ids + fingerprints.digest(address, secret)
    code = b2a_base64(payload + _mac(payload, secret), newline=False)
    return code.translate(_URLSAFE).decode()


def read(text: str) -> Link | None:
    """Return what the token says, or None for one that we did not make."""
    if not _TOKEN(text):
        return None
    code = urlsafe_b64decode(text)
    payload, mac = code[:-MAC_BYTES], code[-MAC_BYTES:]
    for secret in fingerprints.secrets():
        if compare_digest(mac, _mac(payload, secret)):
            return Link(
                owner_id=int.from_bytes(payload[:ID_BYTES]),
                delivery_id=int.from_bytes(payload[ID_BYTES : 2 * ID_BYTES]),
                address_hash=payload[2 * ID_BYTES :].hex(),
                secret=secret,
            )
    return None


def links_in(text: str) -> Iterator[Link]:
    """Yield what the good tokens in a text say: in a letter's header, say, that was returned."""
    for found in _IN_TEXT(text):
        if link := read(found):
            yield link


def _mac(payload: bytes, secret: str) -> bytes:
    return fingerprints.keyed("unsubscribe_links", secret, payload, MAC_BYTES)
