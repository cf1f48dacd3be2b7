"""The private keys of sender domains as the database holds them: sealed (Fernet: AES-128-CBC with
an HMAC) with a key that comes from `SECRET_KEY`: a copy of the database alone signs nothing.

What was sealed with one of `SECRET_KEY_FALLBACKS` still opens. Without the old secret nothing does:
the domain's owner makes new keys and publishes them.
"""

from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from mailings.rendering import dkim
from mailings.rendering.dkim import Algorithm, Key
from mailings.suppression import fingerprints


class KeysUnreadable(ValueError):  # noqa: N818 - an answer, not an error
    """The keys were sealed with a secret that is not known any more."""


def _seals() -> MultiFernet:
    return MultiFernet(
        [
            Fernet(urlsafe_b64encode(fingerprints.key_for("sender_domains", secret)))
            for secret in fingerprints.secrets()
        ]
    )


def make(algorithm: Algorithm) -> str:
    """Return a new private key, sealed."""
    return _seals().encrypt(dkim.new_private(algorithm).encode()).decode()


def open_key(sealed: str, *, domain: str, selector: str) -> Key:
    """Return the key for a record. Raises `KeysUnreadable`."""
    try:
        pem = _seals().decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise KeysUnreadable("sealed with another SECRET_KEY") from error
    return Key(domain, selector, dkim.read_private(pem))
