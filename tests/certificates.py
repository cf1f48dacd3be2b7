"""Certificates made while a test runs: good ones, and those that must be refused."""

import atexit
import datetime as dt
import functools
import ipaddress
import shutil
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Certificate:
    """Files of a server's certificate and key, and of the authority to trust."""

    ca_file: str
    chain_file: str
    key_file: str

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context


@functools.cache
def make_certificate(
    host: str = "127.0.0.1", *, is_expired: bool = False, is_self_signed: bool = False
) -> Certificate:
    """Return a certificate for `host`. A self-signed one comes with the file of an authority that
    did not sign it."""
    folder = Path(tempfile.mkdtemp(prefix="vestnik-tls-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = _name("Test authority")
    ca = _signed(authority, authority, ca_key, ca_key, is_authority=True)
    if is_self_signed:
        certificate = _signed(_name(host), _name(host), key, key, host=host)
    else:
        certificate = _signed(_name(host), authority, key, ca_key, host=host, is_expired=is_expired)
    files = {
        "ca.pem": ca.public_bytes(serialization.Encoding.PEM),
        "chain.pem": certificate.public_bytes(serialization.Encoding.PEM),
        "key.pem": key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return Certificate(*(str(folder / name) for name in files))


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _signed(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    host: str = "",
    is_authority: bool = False,
    is_expired: bool = False,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    start = now - dt.timedelta(days=30)
    end = now - dt.timedelta(days=1) if is_expired else now + dt.timedelta(days=30)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if host:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(host)]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
