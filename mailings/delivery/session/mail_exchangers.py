"""Whose MX hosts a domain has (RFC 5321, 5.1): a company's mail may lie at Gmail.

Asked only while a receiver is slow. Nobody ever waits for an answer: names are asked one after
another in a thread of our own, each for at most `TIMEOUT`; until then, and where DNS does not
answer, a domain stands for itself.
"""

import logging
import queue
import threading
import time
from collections.abc import Callable

import dns.exception

log = logging.getLogger(__name__)

TIMEOUT = 3.0  # seconds for one name
FRESH, FRESH_UNKNOWN = 6 * 3600.0, 600.0
"""Seconds for which an answer is believed, and for which a name without one is not asked again."""
WAITING_MOST = 1_000
KNOWN_MOST = 20_000
IDLE = 60.0  # seconds after which the thread ends

_PROVIDERS = {
    "google.com": "gmail", "googlemail.com": "gmail", "mail.ru": "mail.ru",
    "yandex.ru": "yandex", "yandex.net": "yandex", "outlook.com": "microsoft",
    "yahoodns.net": "yahoo", "icloud.com": "icloud", "rambler.ru": "rambler", "gmx.net": "gmx",
    "protonmail.ch": "proton", "zoho.com": "zoho", "zoho.eu": "zoho",
    "messagingengine.com": "fastmail", "seznam.cz": "seznam", "qq.com": "qq",
}  # fmt: skip
"""Ends of MX hosts' names, and the names that `mailings.refusals` has for their owners."""


def ask(domain: str) -> list[str]:
    """Return the domain's MX hosts, preferred ones first. Raises `dns.exception.DNSException`."""
    import dns.resolver  # 6 MB, and only while somebody is slow
    from dns.rdtypes.ANY.MX import MX

    answer = dns.resolver.resolve(domain, "MX", lifetime=TIMEOUT, search=False)
    records = [record for record in answer if isinstance(record, MX)]
    return [str(record.exchange) for record in sorted(records, key=lambda mx: mx.preference)]


def group_of_hosts(hosts: list[str], domain: str) -> str:
    """Return whose hosts these are: a provider's name, else the first of them; empty: the domain's
    own, or none at all (RFC 7505)."""
    names = [host.lower().rstrip(".") for host in hosts]
    for name in names:
        for end, provider in _PROVIDERS.items():
            if name == end or name.endswith(f".{end}"):
                return provider
    first = names[0] if names else ""
    return "" if first == domain or first.endswith(f".{domain}") else first


class MailExchangers:
    """What is known of domains, for all threads."""

    def __init__(
        self,
        ask: Callable[[str], list[str]] = ask,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._clock = ask, clock
        self._known: dict[str, tuple[float, str]] = {}  # until when, and whose
        self._waiting: queue.Queue[str] = queue.Queue(WAITING_MOST)
        self._asked: set[str] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def group_of(self, domain: str) -> str:
        """Return at once whose MX hosts the domain has; empty: not known, or its own."""
        known = self._known.get(domain)
        if known is None or known[0] <= self._clock():
            self._want(domain)
        return known[1] if known is not None else ""

    def _want(self, domain: str) -> None:
        with self._lock:
            if domain in self._asked or self._waiting.full():
                return
            self._asked.add(domain)
            self._waiting.put_nowait(domain)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="mx", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while True:
            try:
                domain = self._waiting.get(timeout=IDLE)
            except queue.Empty:
                with self._lock:
                    if self._waiting.empty():
                        self._thread = None
                        return
                continue
            self._look_up(domain)

    def _look_up(self, domain: str) -> None:
        group, lasts = "", FRESH_UNKNOWN
        try:
            group, lasts = group_of_hosts(self._ask(domain), domain), FRESH
        except (dns.exception.DNSException, OSError, ValueError) as error:
            log.info("mx_not_known", extra={"domain": domain, "error": error})
        except Exception:  # whatever a stranger's zone does, the next name is asked
            log.exception("mx_not_known", extra={"domain": domain})
        if len(self._known) >= KNOWN_MOST:
            self._known.clear()
        self._known[domain] = (self._clock() + lasts, group)
        with self._lock:
            self._asked.discard(domain)
