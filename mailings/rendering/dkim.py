"""DKIM signatures (RFC 6376; Ed25519: RFC 8463) of finished mails, relaxed/relaxed. No Django.

A mail is canonicalised once, however many keys sign it. An RSA signature with 2048 bits takes 0.2
to 0.9 ms of CPU, with the interpreter's lock held, and one with Ed25519 a tenth of that:
docs/sender_domains.md says where it is done, and how many cores a million letters need.
"""

import re
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

RSA_BITS = 2048
"""What receivers want at least today, and what a TXT record of two strings can hold (RFC 8301)."""
RSA_LEAST = 1024  # bits; shorter signatures are ignored (RFC 8301 3.2)

SIGNED = (
    "from", "to", "subject", "date", "message-id", "reply-to", "list-id", "list-unsubscribe",
    "list-unsubscribe-post", "feedback-id", "mime-version", "content-type",
    "content-transfer-encoding",
)  # fmt: skip
"""Headers that a signature covers where they stand (RFC 6376 5.4.1; RFC 8058 4 wants both of
unsubscribing)."""
OVERSIGNED = ("from", "to", "subject", "date", "reply-to", "content-type")
"""Named once more than they stand there: a second one, put in on the way, breaks the signature."""

B64_LINE = 72  # characters of a signature on a line

_WHITE = re.compile(rb"[ \t]+")
_FOLDS = re.compile(rb"\r\n(?=[ \t])")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:((?:[^\r]|\r\n(?=[ \t]))*)\r\n")


class Algorithm(StrEnum):
    """How a key signs: the first half of `a=`, and `k=` of its record."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dataclass(frozen=True, slots=True)
class Key:
    """A private key, and where its public half stands: `<selector>._domainkey.<domain>`."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> Algorithm:
        return Algorithm.RSA if isinstance(self.private, RSAPrivateKey) else Algorithm.ED25519

    @property
    def record(self) -> str:
        """Return the TXT record to publish (RFC 6376 3.6.1, RFC 8463 4)."""
        return f"v=DKIM1; k={self.algorithm}; p={self.public}"

    @property
    def public(self) -> str:
        """Return `p=` of the record."""
        public = self.private.public_key()
        encoding, form = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        if self.algorithm is Algorithm.RSA:
            encoding = serialization.Encoding.DER
            form = serialization.PublicFormat.SubjectPublicKeyInfo
        return b64encode(public.public_bytes(encoding, form)).decode()

    def signature(self, data: bytes) -> bytes:
        """Return the signature of canonicalised headers; Ed25519 signs their hash (RFC 8463 3)."""
        if isinstance(self.private, RSAPrivateKey):
            return self.private.sign(data, PKCS1v15(), hashes.SHA256())
        return self.private.sign(sha256(data).digest())


def new_private(algorithm: Algorithm) -> str:
    """Make a private key; return it as PEM (PKCS 8)."""
    private: RSAPrivateKey | Ed25519PrivateKey
    if algorithm is Algorithm.RSA:
        private = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    else:
        private = Ed25519PrivateKey.generate()
    return private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def read_private(pem: str) -> RSAPrivateKey | Ed25519PrivateKey:
    """Return the private key in the text. Raises `ValueError` for what cannot sign mail."""
    try:
        private = serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("this is no private key in PEM without a password") from error
    if isinstance(private, RSAPrivateKey):
        if private.key_size < RSA_LEAST:
            raise ValueError(f"an RSA key needs {RSA_LEAST} bits at least")
        return private
    if isinstance(private, Ed25519PrivateKey):
        return private
    raise ValueError("the key must be RSA or Ed25519")


def sign(mail: bytes, keys: Sequence[Key], now: datetime) -> bytes:
    """Return the mail with a signature in front for each key.

    Lines of the mail end in CRLF, with no CR or LF elsewhere, and leading dots are not doubled.
    """
    head, _blank, body = mail.partition(b"\r\n\r\n")
    covered, names = _headers(head + b"\r\n")
    body_hash = b64encode(sha256(relaxed_body(body)).digest())
    fields = [_field(key, covered, names, body_hash, int(now.timestamp())) for key in keys]
    return b"".join([*fields, mail])


def _field(key: Key, covered: bytes, names: bytes, body_hash: bytes, seconds: int) -> bytes:
    unsigned = b"DKIM-Signature: v=1; a=%b-sha256; c=relaxed/relaxed; d=%b;\r\n" % (
        key.algorithm.encode(),
        key.domain.encode("ascii"),
    )
    unsigned += b" s=%b; t=%d;\r\n" % (key.selector.encode("ascii"), seconds)
    unsigned += b" h=%b;\r\n bh=%b;\r\n b=" % (names, body_hash)
    # The field itself comes last, with an empty signature and no line break (RFC 6376 3.7).
    name, _colon, value = unsigned.partition(b":")
    signature = b64encode(key.signature(covered + _relaxed(name, value)))
    lines = [signature[at : at + B64_LINE] for at in range(0, len(signature), B64_LINE)]
    return unsigned + b"\r\n ".join(lines) + b"\r\n"


def _headers(head: bytes) -> tuple[bytes, bytes]:
    """Return the headers to be signed, canonicalised, and their names for `h=`, folded."""
    found: dict[str, list[bytes]] = {}
    for name, value in _FIELD.findall(head):
        found.setdefault(name.decode("ascii").lower(), []).append(_relaxed(name, value))
    covered: list[bytes] = []
    lines: list[str] = [""]
    for name in SIGNED:
        # Of several with one name the last counts first (RFC 6376 5.4.2).
        here = found.get(name, [])[::-1]
        covered += here
        for _ in range(len(here) + (name in OVERSIGNED)):
            if len(lines[-1]) > B64_LINE - len(name):
                lines.append("")
            lines[-1] += f"{name}:"
    folded = "\r\n ".join(lines).removesuffix(":")
    return b"".join(field + b"\r\n" for field in covered), folded.encode()


def _relaxed(name: bytes, value: bytes) -> bytes:
    """Return a header as RFC 6376 3.4.2 wants it, without its line break."""
    return name.lower() + b":" + _WHITE.sub(b" ", _FOLDS.sub(b"", value)).strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """Return a body as RFC 6376 3.4.4 wants it: white space is one space and none at the end of a
    line, no empty lines at the end; of an empty body nothing."""
    if b"  " in body or b"\t" in body:  # seldom: to look for either costs less than the pattern
        body = _WHITE.sub(b" ", body)
    if b" \r\n" in body:
        body = body.replace(b" \r\n", b"\r\n")
    body = body.rstrip(b" \r\n")
    return body + b"\r\n" if body else b""
