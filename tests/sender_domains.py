"""Sender domains for tests, and the zone that proves them."""

from typing import Any

from django.utils import timezone

from accounts.models import User
from mailings.delivery import domain_keys, signing
from mailings.models import SenderDomain
from mailings.rendering.dkim import Algorithm
from mailings.sender_domains import records
from tests.dns_server import DnsServer

_KEYS: dict[Algorithm, str] = {}


def make_domain(owner: User, domain: str = "shop.example", **fields: Any) -> SenderDomain:
    """Make a domain that waits; keys are made once for all tests, because that takes long."""
    for algorithm in Algorithm:
        if algorithm not in _KEYS:
            _KEYS[algorithm] = domain_keys.make(algorithm)
    defaults = {
        "added_at": timezone.now(),
        "rsa_key": _KEYS[Algorithm.RSA],
        "ed25519_key": _KEYS[Algorithm.ED25519],
    }
    return SenderDomain.objects.create(owner=owner, domain=domain, **(defaults | fields))


def make_proven(owner: User, domain: str = "shop.example", **fields: Any) -> SenderDomain:
    """Make one that may be sent from."""
    now = timezone.now()
    known = {"state": "proven", "proven_at": now, "checked_at": now}
    published = {"rsa_published": True, "ed25519_published": True}
    return make_domain(owner, domain, **(known | published | fields))


def publish(server: DnsServer, row: SenderDomain) -> None:
    """Put all that its owner is asked for into the zone."""
    proof = records.proof(row)
    server.text(proof.name, proof.value)
    for key in signing.keys_of(row):
        record = records.key_record(key)
        server.text(record.name, record.value)
