"""Ways out: each module speaks one protocol, all answer with `base.Outcome`."""

from urllib.parse import urlsplit

from mailings.delivery.transports.base import Transport
from mailings.delivery.transports.memory import MemoryTransport
from mailings.delivery.transports.smtp import Address, SmtpTransport


def open_transport(url: str, *, local_name: str) -> Transport:
    """Return the transport for a URL; raise `ValueError` for one that cannot be used."""
    if urlsplit(url).scheme == "memory":
        return MemoryTransport()
    return SmtpTransport(Address.parse(url), local_name=local_name)
