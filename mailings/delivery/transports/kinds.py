"""Which kinds of mail service there are, told by the scheme of an address."""

from enum import StrEnum
from typing import assert_never
from urllib.parse import urlsplit

from mailings.delivery.transports.http.config import SCHEMES as API_SCHEMES
from mailings.delivery.transports.http.config import is_api
from mailings.delivery.transports.smtp.config import Security


class TransportKind(StrEnum):
    """How a mail service is spoken to."""

    SMTP = "smtp"
    HTTP_API = "http api"
    MEMORY = "memory"


def schemes(kind: TransportKind) -> tuple[str, ...]:
    """Return the schemes of such addresses."""
    match kind:
        case TransportKind.SMTP:
            return tuple(security.value for security in Security)
        case TransportKind.HTTP_API:
            return API_SCHEMES
        case TransportKind.MEMORY:
            return ("memory",)
        case _:
            assert_never(kind)


SCHEMES = tuple(scheme for kind in TransportKind for scheme in schemes(kind))


def kind_of(url: str) -> TransportKind:
    """Return what the URL is meant to be, right or wrong; SMTP for what cannot be told."""
    if urlsplit(url).scheme == "memory":
        return TransportKind.MEMORY
    return TransportKind.HTTP_API if is_api(url) else TransportKind.SMTP
