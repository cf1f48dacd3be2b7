"""Whether this installation can send mail that arrives: its address, the records of its own domain,
its mail services, the servers it needs. For operators, in English, a line each; nothing is sent.

What must hold of settings alone is checked by `manage.py check --deploy`.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from accounts import site_address
from mailings.addressing import domains
from mailings.delivery import event_loop, heartbeat, proof_sending, signing
from mailings.delivery.runs import composing
from mailings.delivery.session.circuit_breaker import transports_in_use
from mailings.delivery.transports import base, client, connector
from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.models import Transport
from mailings.sender_domains import checks, lookups, records
from mailings.sender_domains.checks import Finding, Verdict
from mailings.sender_domains.lookups import DnsSilent
from mailings.timing import clock

CLOCK_OFF, CLOCK_WRONG = timedelta(seconds=5), timedelta(minutes=1)
"""This host's clock beside the database's: worth a word; wrong."""


class Level(StrEnum):
    """What a line says; a `fail` keeps mail from leaving or arriving."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Answer:
    """A line: what was looked at, what was found, what to do about it."""

    level: Level
    subject: str
    found: str
    mend: str = ""


def all_of(addresses: Iterable[str] = ()) -> Iterator[Answer]:
    """Yield a line for each check. `addresses`: IP addresses that mail leaves from."""
    yield from _database()
    yield _cache()
    yield site()
    yield from own_domain()
    yield from bounce_domain()
    for address in addresses:
        yield reverse_name(address)
    yield from mail_services()


# ---------------------------------------------------------------- the servers it needs


def _database() -> Iterator[Answer]:
    subject = "Database"
    try:
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
        if missing:
            found = f"{len(missing)} migrations are missing"
            yield Answer(Level.FAIL, subject, found, "Run `manage.py migrate`.")
            return
        yield Answer(Level.OK, subject, f"{connection.vendor}, migrated")
        yield host_clock(clock.now())
        yield _workers()
    except DatabaseError as error:
        found = f"does not answer: {_first_line(error)}"
        yield Answer(Level.FAIL, subject, found, "Start it, or mend DATABASE_URL.")


def host_clock(there: datetime) -> Answer:
    """Compare this host's clock with the database's."""
    off = abs(timedelta(seconds=time.time() - there.timestamp()))
    subject, found = "Clock", f"{off.total_seconds():.0f} s from the database's"
    if off < CLOCK_OFF:
        return Answer(Level.OK, subject, found)
    level = Level.FAIL if off >= CLOCK_WRONG else Level.WARN
    return Answer(level, subject, found, "Have the time set by NTP on both hosts.")


def _workers() -> Answer:
    if heartbeat.is_alive(clock.now()):
        return Answer(Level.OK, "Workers", "at least one is alive")
    return Answer(Level.WARN, "Workers", "none has shown itself", "Start `manage.py run_huey`.")


def _cache() -> Answer:
    subject = "Redis" if settings.REDIS_URL else "Cache"
    try:
        cache.set("setup_check", "there", 10)
        if cache.get("setup_check") == "there":
            return Answer(Level.OK, subject, "answers")
        found = "forgets what it is given"
    except Exception as error:  # noqa: BLE001 - Redis's, the socket's and the database's own
        found = f"does not answer: {_first_line(error)}"
    mend = "Start it, or mend REDIS_URL." if settings.REDIS_URL else "Run `manage.py migrate`."
    return Answer(Level.FAIL, subject, found, mend)


# ---------------------------------------------------------------- the address and the domain


def site() -> Answer:
    """Look at the address that links in letters lead to."""
    url = urlsplit(site_address.url())
    subject, found = "Site address", url.geturl()
    if url.scheme == "https" and domains.is_name(url.hostname or ""):
        return Answer(Level.OK, subject, found)
    mend = (
        "Set it to a public https address (SITE_URL, or Settings → Sites in the admin): without"
        " https mail programs offer no one-click unsubscribing."
    )
    return Answer(Level.FAIL, subject, found, mend)


def own_domain() -> Iterator[Answer]:
    """Look at the domain of DEFAULT_FROM_EMAIL."""
    address = signing.service_address()
    domain = signing.domain_of(address)
    if not domains.is_name(domain):
        mend = "Set DEFAULT_FROM_EMAIL to an address of a domain of yours."
        yield Answer(Level.FAIL, "Sender", f"{address} is no public address", mend)
        return
    yield _of(f"MX of {domain}", lambda: checks.mx(domain), "Answers cannot arrive. Add MX.")
    yield _of(
        f"DMARC of {domain}", lambda: checks.dmarc(domain),
        f"Publish one policy at _dmarc.{domain}: v=DMARC1; p=none",
    )  # fmt: skip
    if not settings.BOUNCE_DOMAIN:
        yield _spf(domain)
    yield _dkim(domain)


def _spf(domain: str) -> Answer:
    mend = f"Publish one TXT record at {domain} that names your mail service: v=spf1 include:… -all"
    return _of(f"SPF of {domain}", lambda: checks.spf(domain), mend)


def _dkim(domain: str) -> Answer:
    subject = f"DKIM of {domain}"
    keys = signing.service_keys()
    if not keys:
        found = "not signed by this service"
        mend = "Set DKIM_PRIVATE_KEY, unless your mail service signs for this domain."
        if settings.DKIM_PRIVATE_KEY:
            found = f"not signed: the key is for {settings.DKIM_DOMAIN or 'no domain'}"
            mend = f"Set DKIM_DOMAIN to {domain}, or to one above it."
        return Answer(Level.WARN, subject, found, mend)
    record = records.key_record(keys[0])
    mend = f"Publish a TXT record at {record.name}: {record.value}"
    return _of(subject, lambda: checks.key(record), mend)


def bounce_domain() -> Iterator[Answer]:
    """Look at the domain that letters are returned to."""
    domain = settings.BOUNCE_DOMAIN
    if not domain:
        found = "none: what comes back after a letter was taken is not heard of"
        mend = "Set BOUNCE_DOMAIN; docs/feedback.md says how."
        yield Answer(Level.WARN, "Bounce domain", found, mend)
        return
    yield _of(f"MX of {domain}", lambda: checks.mx(domain), "Letters cannot come back. Add MX.")
    yield _spf(domain)


def _of(subject: str, ask: Callable[[], Finding], mend: str) -> Answer:
    try:
        finding = ask()
    except DnsSilent:
        return Answer(Level.WARN, subject, "DNS did not answer", "Try again, or see DNS_RESOLVERS.")
    found = "; ".join(finding.found) or _WHY.get(finding.why, finding.why) or "as it should be"
    level = _LEVELS[finding.verdict]
    if level is Level.OK:
        return Answer(level, subject, found)
    why = _WHY.get(finding.why, finding.why)
    return Answer(level, subject, why if not finding.found else f"{why}: {found}", mend)


_LEVELS = {Verdict.RIGHT: Level.OK, Verdict.WEAK: Level.WARN, Verdict.WRONG: Level.FAIL}
_WHY = {
    "absent": "missing",
    "several": "several records, so none counts",
    "open": "allows the whole world",
    "nobody": "allows nobody",
    "policy": "p= cannot be understood",
    "address": "no MX, only an address",
    "null": "says that it takes no mail",
    "other": "another key",
    "cut": "cut off",
}


def reverse_name(address: str) -> Answer:
    """Look whether an IP address has a name that leads back to it, as Gmail wants of senders."""
    subject = f"PTR of {address}"
    mend = "Have whoever gave you the address set its reverse name, and that name's address to it."
    try:
        names = lookups.names_of(address)
        if any(address in lookups.addresses(name) for name in names):
            return Answer(Level.OK, subject, ", ".join(names))
    except DnsSilent:
        return Answer(Level.WARN, subject, "DNS did not answer", "Try again, or see DNS_RESOLVERS.")
    found = f"{', '.join(names)} does not lead back" if names else "missing"
    return Answer(Level.FAIL, subject, found, mend)


# ---------------------------------------------------------------- the mail services


def mail_services() -> Iterator[Answer]:
    """Open a session with each mail service in use, and end it without a mail."""
    for service in transports_in_use():
        yield _mail_service(service)


def _mail_service(service: Transport) -> Answer:
    url = service.url or settings.EMAIL_URL
    subject = f"Mail service {service.name}"
    kind = kind_of(url)
    if kind is TransportKind.MEMORY:
        return Answer(Level.FAIL, subject, "keeps mail in memory", "Name a mail server.")
    try:
        if kind is TransportKind.HTTP_API:
            from mailings.delivery.transports.http.client import reach

            api = ApiConfig.from_url(url, mails_per_connection=1)
            said, done = reach(api), "its address answers; the key shows with the first letter"
        else:
            connect = connector(
                url, local_name=composing.sender_domain(), policy=proof_sending.PATIENCE
            )
            said, done = event_loop.run(client.reach(connect)), "lets us in"
    except ValueError as error:
        return Answer(Level.FAIL, subject, str(error), "Mend its address.")
    if said is None:
        return Answer(Level.OK, subject, done)
    found = " ".join(filter(None, [f"{said.step}:", str(said.code or ""), said.reply]))
    return Answer(Level.FAIL, subject, found[: base.REPLY_LIMIT], _MEND.get(said.step, _MEND_ELSE))


_MEND = {
    base.Step.CONNECT: "Is the host right, and does the firewall let us out to its port?",
    base.Step.TLS: "Does the certificate fit the host's name? Is the scheme the port's?",
    base.Step.AUTH: "Is the user name and password in its address right?",
}
_MEND_ELSE = "Ask the mail service what its answer means."


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
