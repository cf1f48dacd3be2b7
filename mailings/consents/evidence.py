"""A client's consents as a document that others can check: JSON, signed with Ed25519 (RFC 8032).

The key is made of `SECRET_KEY`; its public half stands in the document and at `/s/key/`, so that
whoever is shown the document can ask the service whether it is the service's key. What was signed
is the document without its signature, in one spelling: keys sorted, no spaces, UTF-8.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from django.utils import timezone

from accounts import site_address
from mailings.consents import ledger
from mailings.models import Client, Consent
from mailings.suppression import fingerprints

MOST = 1_000
"""Lines of one client in a document."""
ALGORITHM = "Ed25519"


def public_key(secret: str | None = None) -> str:
    """Return the service's public key, base64 of its 32 bytes."""
    raw = _key(secret or settings.SECRET_KEY).public_key().public_bytes_raw()
    return b64encode(raw).decode()


def of_client(client: Client) -> dict[str, Any]:
    """Return the signed document about one client."""
    owner = client.owner
    assert owner is not None  # whoever is being deleted is found by nobody
    lines = list(ledger.of_client(client)[:MOST])
    return signed(
        {
            "kind": "consents of one person",
            "made_at": timezone.now().isoformat(timespec="seconds"),
            "service": site_address.url(),
            "sender": {"name": owner.full_name, "email": owner.email},
            "person": {"email": client.email, "full_name": client.full_name},
            "consents": [_line(line) for line in lines],
            "texts": _texts(lines),
        }
    )


def _line(line: Consent) -> dict[str, Any]:
    return {
        "number": line.pk,
        "how": line.way,
        "where": line.source,
        "text": line.text.digest if line.text else None,
        "given": line.given.isoformat() if line.given else None,
        "confirmed": line.confirmed_at.isoformat() if line.confirmed_at else None,
        "recorded": line.created_at.isoformat(),
        "ip": line.ip,
        "user_agent": line.user_agent,
        "address_fingerprint": line.address_hash,
    }


def _texts(lines: Iterable[Consent]) -> list[dict[str, Any]]:
    texts = {line.text.digest: line.text for line in lines if line.text}
    return [
        {
            "sha256": digest,
            "version": text.version,
            "in_force_since": text.created_at.isoformat(),
            "text": text.text,
            "policy": text.policy_url,
        }
        for digest, text in sorted(texts.items())
    ]


def signed(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with key and signature."""
    whole = document | {"signed_by": {"algorithm": ALGORITHM, "public_key": public_key()}}
    signature = _key(settings.SECRET_KEY).sign(_canonical(whole))
    return whole | {"signature": b64encode(signature).decode()}


def is_ours(document: dict[str, Any]) -> bool:
    """Return whether this service signed exactly this, with its key of now or of before."""
    rest = {name: value for name, value in document.items() if name != "signature"}
    try:
        signature = b64decode(str(document.get("signature", "")), validate=True)
    except ValueError:
        return False
    for secret in fingerprints.secrets():
        try:
            _key(secret).public_key().verify(signature, _canonical(rest))
        except InvalidSignature:
            continue
        return True
    return False


def _canonical(document: dict[str, Any]) -> bytes:
    text = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def _key(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(fingerprints.key_for("evidence", secret))
