"""The address that people know this service by: links in letters and on pages begin with it.

Wagtail's default site says it (Settings → Sites in the admin); SITE_URL is where that row gets its
address from at first, and says what the row cannot: the scheme where the port tells none, and the
whole address while there is no row. The Host header of a request is never asked: whoever sends it
chooses it.
"""

import asyncio
import re
from time import monotonic
from typing import NamedTuple
from urllib.parse import urlsplit

import idna
from django.apps import apps
from django.conf import settings

LASTS = 10.0  # seconds; other processes hear of a change so late
HTTP, HTTPS = 80, 443  # as in Wagtail's `Site.root_url`

_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
    r"(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*"
).fullmatch
_IP6 = re.compile(r"\[[0-9a-f:.]{2,45}\]").fullmatch


class _Known(NamedTuple):
    address: str
    until: float  # on the monotonic clock


class _Memory:
    known: _Known | None = None


_memory = _Memory()


def url() -> str:
    """Return the address, without a slash at its end.

    Within an event loop, where the database cannot be asked, what was known last is returned: the
    engine asks in its feeder's thread before it renders.
    """
    known = _memory.known
    if known is None or known.until < monotonic():
        return _ask() if known is None or not _is_in_a_loop() else known.address
    return known.address


def remember(address: str, lasts: float = LASTS) -> str:
    _memory.known = _Known(address, monotonic() + lasts)
    return address


def forget(**signal: object) -> None:
    _memory.known = None


def on_site(link: str) -> str:
    """Return the link with the site's address in front, whatever stood there."""
    parts = urlsplit(link)
    return url() + parts._replace(scheme="", netloc="").geturl()


def own_prefixes() -> tuple[str, ...]:
    """Return the addresses that an owner's text may name this site by, today's first."""
    return tuple(dict.fromkeys((url(), settings.SITE_URL)))


def of_site(hostname: str, port: int) -> str:
    """Return the address that a row of Wagtail's sites means; SITE_URL for one that means none.

    Port 443 is https. Port 80, which the admin's form offers, is http, unless this service sends
    every http request on to https. Any other port has SITE_URL's scheme.
    """
    host = host_of(hostname)
    if host is None:
        return str(settings.SITE_URL)
    default = urlsplit(settings.SITE_URL)
    if port == HTTPS:
        origin = f"https://{host}"
    elif port == HTTP:
        is_secure = getattr(settings, "SECURE_SSL_REDIRECT", False)
        origin = f"{'https' if is_secure else 'http'}://{host}"
    else:
        origin = f"{default.scheme}://{host}:{port}"
    return origin + default.path.rstrip("/")


def host_of(hostname: str) -> str | None:
    """Return the host as it stands in a URL; None: it is no name of a host."""
    host = hostname.strip().lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            return None
    return host if _HOST(host) or _IP6(host) else None


def parts_of(address: str) -> tuple[str, int]:
    """Return the host and port that a row of Wagtail's sites has for this address."""
    parts = urlsplit(address)
    host = parts.hostname or "localhost"
    host = f"[{host}]" if ":" in host else host
    return host, parts.port or (HTTPS if parts.scheme == "https" else HTTP)


def _is_in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _ask() -> str:
    if not apps.is_installed("wagtail"):
        return remember(str(settings.SITE_URL))
    from wagtail.models import Site

    row = Site.objects.filter(is_default_site=True).values_list("hostname", "port").first()
    return remember(of_site(*row) if row else str(settings.SITE_URL))


def watch() -> None:
    """Forget what is known when a site changes in this process; others hear of it later."""
    from django.db.models.signals import post_delete, post_save
    from wagtail.models import Site

    for signal in (post_save, post_delete):
        signal.connect(forget, sender=Site, dispatch_uid="accounts.site_address")
