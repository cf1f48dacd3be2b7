"""What a subscribe form's page and letter carry: signed, so that nothing has to be kept for a
visitor. A token names a request and works without cookie or session."""

import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from hmac import compare_digest

from django.conf import settings
from django.core import signing

from mailings.suppression import fingerprints

# 8 + 16 bytes: a multiple of three, so base64 has no slack that could be altered.
ID_BYTES = 8
MAC_BYTES = 16
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}").fullmatch
_SALT = "mailings.subscribing.began"


def token(request_id: int) -> str:
    """Return what names a request in the addresses of its letter."""
    payload = request_id.to_bytes(ID_BYTES)
    return urlsafe_b64encode(payload + _mac(payload, settings.SECRET_KEY)).decode()


def read(text: str) -> int | None:
    """Return the number of the request, or None for a token that was not made here."""
    if not _TOKEN(text):
        return None
    code = urlsafe_b64decode(text)
    payload, mac = code[:ID_BYTES], code[ID_BYTES:]
    known = any(compare_digest(mac, _mac(payload, secret)) for secret in fingerprints.secrets())
    number = int.from_bytes(payload)
    return number if known and number < 1 << 63 else None


def _mac(payload: bytes, secret: str) -> bytes:
    return fingerprints.keyed("subscribing", secret, payload, MAC_BYTES)


def stamp(slug: str) -> str:
    """Return when somebody began to fill in the form, signed."""
    return _signer(slug).sign("began")


def age(text: str, slug: str, most: timedelta) -> float | None:
    """Return how many seconds ago the stamp was made; None: not here, not for this form, or longer
    ago than `most`."""
    try:
        _signer(slug).unsign(text, max_age=most)
    except signing.BadSignature:
        return None
    moment = text.rsplit(":", 2)[1]
    return time.time() - signing.b62_decode(moment)


def _signer(slug: str) -> signing.TimestampSigner:
    return signing.TimestampSigner(salt=f"{_SALT}.{slug}")
