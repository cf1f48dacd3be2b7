"""Where mail goes, how it is secured and how long each answer may take. Reads one URL, opens
nothing. The URL: `smtp://` plain, `smtp+tls://` STARTTLS, `smtps://` TLS from the first byte, with
`user:password@`; options: `?auth=xoauth2` (the password is a token), `?auth=plaintext` (allow a
password without TLS, on loopback only), `?ca=/path.pem`, `?local_name=mail.example.org`.
"""

import functools
import ipaddress
import ssl
from dataclasses import dataclass, field, fields
from enum import StrEnum
from urllib.parse import parse_qsl, unquote, urlsplit


class Security(StrEnum):
    """How the connection is protected: not at all, by STARTTLS (RFC 3207), by TLS (RFC 8314)."""

    NONE = "smtp"
    STARTTLS = "smtp+tls"
    TLS = "smtps"


_PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}


@dataclass(frozen=True, slots=True)
class Policy:
    """Deadlines in seconds. Each bounds a whole reply, not a read: a server that drips one byte a
    second is as silent as one that says nothing. RFC 5321 4.5.3.2 sets most of them."""

    connect: float = 30
    banner: float = 60
    ehlo: float = 60
    tls: float = 60
    auth: float = 60
    mail: float = 60
    rcpt: float = 120
    data: float = 120
    block: float = 180  # without a byte of the body leaving
    dot: float = 600  # shorter makes copies (RFC 1047)
    rset: float = 5
    quit: float = 5
    whole_mail: float = 20 * 60
    body_wait: float = 240  # after 354, waiting for our own release; servers time out after 300
    idle: float = 30  # ready and nothing to send

    @property
    def tick(self) -> float:
        """How often a connection looks at its clock: the lateness of every deadline."""
        shortest: float = min(getattr(self, limit.name) for limit in fields(self))
        return max(min(1.0, shortest / 4), 0.005)


@dataclass(frozen=True, slots=True)
class SmtpConfig:
    """A mail server and how to talk to it."""

    host: str
    port: int
    security: Security = Security.NONE
    user: str = ""
    password: str = field(default="", repr=False)
    uses_token: bool = False
    allows_plaintext_auth: bool = False
    ca_file: str = ""
    local_name: str = ""
    mails_per_connection: int = 200
    pipelining: bool = True
    policy: Policy = field(default_factory=Policy)

    def __post_init__(self) -> None:
        if not self.host:
            raise ValueError("An SMTP URL must name a host.")
        if self.allows_plaintext_auth and not is_loopback(self.host):
            raise ValueError(
                "A password without TLS is allowed to this machine only: use smtp+tls:// or smtps://"
            )
        for text in (self.user, self.password, self.local_name):
            if not text.isprintable():
                raise ValueError("User, password and local name must not hold control characters.")

    @classmethod
    def from_url(cls, url: str, **changes: object) -> "SmtpConfig":
        """Read an URL; `changes` are fields that it does not carry (policy, mails_per_connection).

        Raises `ValueError` with what to mend; the message never holds the password.
        """
        parts = urlsplit(url)
        try:
            security = Security(parts.scheme)
            port = parts.port or _PORTS[security]
        except ValueError:
            raise ValueError(
                "An SMTP URL looks like smtp+tls://user:password@mail.example.org:587"
            ) from None
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        auth = options.pop("auth", "")
        if auth not in ("", "xoauth2", "plaintext"):
            raise ValueError("The option auth of an SMTP URL is xoauth2 or plaintext.")
        values: dict[str, object] = {
            "host": parts.hostname or "",
            "port": port,
            "security": security,
            "user": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "uses_token": auth == "xoauth2",
            "allows_plaintext_auth": auth == "plaintext",
            "ca_file": options.pop("ca", ""),
            "local_name": options.pop("local_name", ""),
        }
        if options:
            raise ValueError(f"Unknown options of an SMTP URL: {', '.join(sorted(options))}")
        return cls(**(values | changes))  # type: ignore[arg-type]


def is_loopback(host: str) -> bool:
    """Return whether the host is this one."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


@functools.cache
def tls_context(ca_file: str) -> ssl.SSLContext:
    """Return the process's one context for these authorities (empty: the system's): loading them
    costs 20 ms, twenty times a TLS connection."""
    return ssl.create_default_context(cafile=ca_file or None)
