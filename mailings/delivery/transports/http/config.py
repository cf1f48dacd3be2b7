"""Which HTTP API mail leaves through, and with which key. Reads one URL, opens nothing.

The URL is the API's own address, with the name of the service before it and the key as its
password:

    postmark+https://:TOKEN@api.postmarkapp.com
    unisender-go+https://:KEY@go1.unisender.ru/ru/transactional/api/v1
    mailgun+https://:KEY@api.eu.mailgun.net/v3?sender_domain=mg.example.org

`+http` instead of `+https` is allowed to this machine only.
"""

from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from mailings.delivery.transports.smtp.config import is_loopback

LOOKS_LIKE = "The URL of an HTTP API looks like postmark+https://:KEY@api.postmarkapp.com"
NO_KEY = "The URL of an HTTP API must carry the key as its password."
NO_USER = "This HTTP API wants a user before the key."
NO_TLS = "A URL with a key and without TLS is allowed to this machine only: write +https"
UNKNOWN_OPTIONS = "Unknown options of this HTTP API"


@dataclass(frozen=True, slots=True)
class Api:
    """How django-anymail calls a service's settings: the one for the URL's password, the one for
    its user, those that may be given as options, and the one that proves its webhooks."""

    password: str = "api_key"  # noqa: S105 - a setting's name
    user: str = ""
    options: frozenset[str] = frozenset()
    webhook: str = "webhook_secret"
    """`webhook_secret` is a user and password (RFC 7617); others are keys that it signs with.
    Empty: anymail knows no webhooks of this service."""
    returns: Literal["metadata", "tags"] = "metadata"
    """What of a letter its webhooks give back; the delivery's token goes there."""


APIS = {
    "brevo": Api(),
    "mailersend": Api("api_token", webhook="signing_secret", returns="tags"),
    "mailgun": Api(options=frozenset({"sender_domain"}), webhook="webhook_signing_key"),
    "mailjet": Api("secret_key", user="api_key"),
    "mandrill": Api(webhook="webhook_key"),
    "postal": Api(webhook="webhook_key", returns="tags"),
    "postmark": Api("server_token", options=frozenset({"message_stream"})),
    "resend": Api(),
    "scaleway": Api("secret_key", options=frozenset({"project_id"}), webhook=""),
    "sparkpost": Api(options=frozenset({"subaccount"})),
    "unisender-go": Api(webhook="api_key"),
}
TOKEN = "delivery"  # noqa: S105 - the name by which a letter's metadata hold it
SCHEMES = tuple(f"{name}+{scheme}" for name in APIS for scheme in ("https", "http"))


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """An HTTP API and how to talk to it."""

    name: str
    """One of `APIS`."""
    url: str
    """Where the API is: https://…, without key and options."""
    settings: dict[str, str] = field(repr=False)
    """What django-anymail wants to know for it, the key among it."""
    ca_file: str = ""
    mails_per_connection: int = 200
    deadline: float = 60.0
    """Seconds for a mail as a whole: connecting, handing over, and the last byte of the answer."""

    @property
    def too_late(self) -> str:
        return f"No answer within {self.deadline:g} s."

    @property
    def module(self) -> str:
        """The name of anymail's module for it; in capitals it begins the names of its settings."""
        return self.name.replace("-", "_")

    @classmethod
    def from_url(cls, url: str, **changes: object) -> "ApiConfig":
        """Read an URL; `changes` are fields that it does not carry.

        Raises `ValueError` with what to mend; the message never holds the key.
        """
        name, scheme, parts = _split(url)
        api = APIS[name]
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        ca_file = options.pop("ca", "")
        if unknown := sorted(options.keys() - api.options):
            raise ValueError(f"{UNKNOWN_OPTIONS}: {', '.join(unknown)}")
        user, key = unquote(parts.username or ""), unquote(parts.password or "")
        if not key:
            raise ValueError(NO_KEY)
        if api.user:
            if not user:
                raise ValueError(NO_USER)
            options[api.user] = user
        where = parts.netloc.rpartition("@")[2]
        fields: dict[str, object] = {
            "name": name,
            "url": f"{scheme}://{where}{parts.path}",
            "settings": options | {api.password: key},
            "ca_file": ca_file,
        }
        return cls(**(fields | changes))  # type: ignore[arg-type]


def is_api(url: str) -> bool:
    """Whether the URL is meant to be one of an HTTP API, be it right or wrong."""
    return url.partition(":")[0].lower().endswith(("+https", "+http"))


def _split(url: str) -> tuple[str, str, SplitResult]:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(LOOKS_LIKE) from None
    name, _plus, scheme = parts.scheme.rpartition("+")
    if not host or name not in APIS or scheme not in ("https", "http"):
        raise ValueError(LOOKS_LIKE)
    if scheme == "http" and not is_loopback(host):
        raise ValueError(NO_TLS)
    return name, scheme, parts
