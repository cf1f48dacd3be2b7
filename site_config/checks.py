"""System checks: settings that are each valid but wrong together, with what to do about it.

The errors hold everywhere; the warnings are for production (`check --deploy`).
"""

import os
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError
from django.http.request import validate_host

from accounts import site_address

LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


@register("vestnik")
def check_data_dir(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if os.access(settings.DATA_DIR, os.W_OK | os.X_OK):
        return []
    return [
        Error(
            f"DATA_DIR ({settings.DATA_DIR}) cannot be written to.",
            hint="Give the folder to the user that runs the service, or name another.",
            id="vestnik.E001",
        )
    ]


@register("vestnik")
def check_mail_urls(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """An SMTP URL without a host would quietly mean this machine."""
    return [
        Error(
            f"{name} names no mail server.",
            hint=f"Write it like {name}=smtp+tls://user:password@mail.example.org:587",
            id="vestnik.E002",
        )
        for name in ("EMAIL_URL", "SYSTEM_EMAIL_URL")
        if (url := urlsplit(getattr(settings, name))).scheme != "memory" and not url.hostname
    ]


@register("vestnik")
def check_bounce_mailbox(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What is wrong is told without the URL, which holds a password."""
    if not settings.BOUNCE_MAILBOX_URL:
        return []
    from mailings.feedback.mailbox import ImapConfig

    try:
        ImapConfig.from_url(settings.BOUNCE_MAILBOX_URL)
    except ValueError as error:
        hint = "Write it like imaps://user:password@mail.example.org/INBOX?done=Read"
        return [Error(f"BOUNCE_MAILBOX_URL: {error}.", hint=hint, id="vestnik.E021")]
    return []


@register("vestnik")
def check_own_signature(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What is wrong is told without the key."""
    if not settings.DKIM_PRIVATE_KEY:
        return []
    from mailings.rendering import dkim

    try:
        dkim.read_private(settings.DKIM_PRIVATE_KEY)
    except ValueError as error:
        hint = "Make one with `openssl genrsa 2048`, and name its file in DKIM_PRIVATE_KEY_FILE."
        return [Error(f"DKIM_PRIVATE_KEY: {error}.", hint=hint, id="vestnik.E030")]
    if not settings.DKIM_DOMAIN:
        message = "DKIM_PRIVATE_KEY is set, but DKIM_DOMAIN is not: nothing is signed."
        hint = "Set it to the domain of DEFAULT_FROM_EMAIL."
        return [Error(message, hint=hint, id="vestnik.E031")]
    return []


@register("vestnik")
def check_resolvers(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    from mailings.sender_domains import lookups

    hint = "Write IP addresses, perhaps with a port: 192.0.2.53,[2001:db8::53]:53"
    return [
        Error(f"DNS_RESOLVERS: {text!r} is no address.", hint=hint, id="vestnik.E032")
        for text in settings.DNS_RESOLVERS
        if not lookups.is_resolver(text)
    ]


@register(Tags.security, deploy=True)
def check_production_mail(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    found: list[CheckMessage] = []
    for name in ("EMAIL_URL", "SYSTEM_EMAIL_URL"):
        url = urlsplit(getattr(settings, name))
        if url.scheme == "memory":
            hint = f"Name the mail server in {name}."
            found.append(Error(f"{name} keeps mail in memory.", hint=hint, id="vestnik.E003"))
        if url.scheme == "smtp" and url.password and url.hostname not in LOCAL_HOSTS:
            hint = f"Write smtp+tls:// (or smtps://) in {name}."
            message = f"{name} sends a password without encryption."
            found.append(checks.Warning(message, hint=hint, id="vestnik.W004"))
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ")
    if "." not in domain or domain.endswith((".localhost", ".local")):
        hint = "Set it to an address of your domain; SPF and DKIM are judged by it."
        message = f"DEFAULT_FROM_EMAIL ({settings.DEFAULT_FROM_EMAIL}) is not a public address."
        found.append(checks.Warning(message, hint=hint, id="vestnik.W005"))
    return found


@register(Tags.security, deploy=True)
def check_site_url(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    url = urlsplit(settings.SITE_URL)
    if url.scheme == "https" and url.hostname not in LOCAL_HOSTS:
        return []
    return [
        checks.Warning(
            f"SITE_URL ({settings.SITE_URL}) is not a public https address.",
            hint="Set it to the address people use: links in mails are made from it.",
            id="vestnik.W006",
        )
    ]


@register(Tags.security, deploy=True)
def check_site_is_answered(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """The address of links is set in the admin, the hosts that are answered in the environment."""
    host = urlsplit(_site_address()).hostname or ""
    if validate_host(host, settings.ALLOWED_HOSTS):
        return []
    return [
        checks.Warning(
            f"Links lead to {host}, which ALLOWED_HOSTS does not name: they do not work.",
            hint="Add it to ALLOWED_HOSTS, or mend Settings → Sites in the admin.",
            id="vestnik.W020",
        )
    ]


def _site_address() -> str:
    """Checks run before the first `migrate`, and where no database is, too."""
    try:
        return site_address.url()
    except DatabaseError:
        return str(settings.SITE_URL)


@register(Tags.database, deploy=True)
def check_servers_go_together(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """One host: SQLite and no Redis. Several hosts: PostgreSQL and Redis. Half of it is a slip."""
    is_sqlite = settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")
    if is_sqlite and settings.REDIS_URL:
        return [
            checks.Warning(
                "REDIS_URL is set, but the database is a SQLite file of this host.",
                hint="Set DATABASE_URL to a PostgreSQL database, or leave REDIS_URL empty.",
                id="vestnik.W007",
            )
        ]
    if not is_sqlite and not settings.REDIS_URL:
        return [
            checks.Warning(
                "DATABASE_URL names a server, but the task queue is a file of this host.",
                hint="Set REDIS_URL, or web and worker on different hosts will not meet.",
                id="vestnik.W008",
            )
        ]
    return []
