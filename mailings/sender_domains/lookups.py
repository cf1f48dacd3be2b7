"""What DNS says of a domain: the texts, hosts and addresses that stand there.

“There is nothing” and “nobody answered” are kept apart: only the first says something about the
domain. Never asked inside a transaction.

    DnsSilent: no answer that can be believed – SERVFAIL, refused, none within `TIMEOUT`
"""

import ipaddress
import logging
from typing import Any, NamedTuple

import dns.exception
import dns.nameserver
import dns.resolver
import dns.reversename
from django.conf import settings
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

log = logging.getLogger(__name__)

TIMEOUT = 4.0  # seconds for one name, all resolvers together
DNS_PORT = 53


class DnsSilent(Exception):  # noqa: N818 - an answer, not an error
    """Nobody could tell: it says nothing about the domain."""


class Texts(NamedTuple):
    """The TXT records of a name, each in one piece; `via` is the name that a CNAME leads to."""

    found: list[str]
    via: str = ""


def resolver() -> dns.resolver.Resolver:
    """Return what asks: the resolvers of `DNS_RESOLVERS`, else those of the system."""
    if not settings.DNS_RESOLVERS:
        found = dns.resolver.Resolver()
    else:
        found = dns.resolver.Resolver(configure=False)
        found.nameservers = [_nameserver(text) for text in settings.DNS_RESOLVERS]
    found.lifetime = TIMEOUT
    found.timeout = TIMEOUT / 2
    return found


def _nameserver(text: str) -> dns.nameserver.Nameserver:
    """Read `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:53`."""
    host, port = text.strip("[]"), str(DNS_PORT)
    if text.startswith("[") and "]:" in text:
        host, _bracket, port = text[1:].partition("]:")
    elif text.count(":") == 1:
        host, _colon, port = text.partition(":")
    return dns.nameserver.Do53Nameserver(str(ipaddress.ip_address(host)), int(port))


def is_resolver(text: str) -> bool:
    """Return whether `DNS_RESOLVERS` may hold it."""
    try:
        _nameserver(text)
    except ValueError:
        return False
    return True


def texts(name: str) -> Texts:
    """Return the TXT records of a name. Raises `DnsSilent`."""
    answer = _ask(name, "TXT")
    if answer is None:
        return Texts([])
    found = [
        b"".join(record.strings).decode("utf-8", "replace")
        for record in answer
        if isinstance(record, TXT)
    ]
    via = str(answer.canonical_name).rstrip(".").lower()
    return Texts(found, "" if via == name.rstrip(".").lower() else via)


def mail_hosts(domain: str) -> list[str]:
    """Return the MX hosts, preferred ones first; `["."]` becomes an empty name, which says that the
    domain takes no mail (RFC 7505). Raises `DnsSilent`."""
    answer = _ask(domain, "MX")
    records = [record for record in answer or () if isinstance(record, MX)]
    ordered = sorted(records, key=lambda record: record.preference)
    return [str(record.exchange).rstrip(".").lower() for record in ordered]


def addresses(host: str) -> list[str]:
    """Return the host's IP addresses. Raises `DnsSilent`."""
    found = []
    for kind in ("A", "AAAA"):
        found += [record.to_text() for record in _ask(host, kind) or ()]
    return found


def names_of(address: str) -> list[str]:
    """Return the names that an IP address has (PTR). Raises `DnsSilent`."""
    answer = _ask(str(dns.reversename.from_address(address)), "PTR")
    return [record.to_text().rstrip(".").lower() for record in answer or ()]


def _ask(name: str, kind: str) -> Any:
    """Return dnspython's answer; None where there is no such name or nothing of that kind."""
    try:
        return resolver().resolve(name, kind, search=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    except (dns.exception.DNSException, OSError, ValueError) as error:
        # Of the names asked about, as no address is among them, the log may tell.
        log.info("dns_silent", extra={"name_asked": name, "kind": kind, "error": error})
        raise DnsSilent(name) from error
