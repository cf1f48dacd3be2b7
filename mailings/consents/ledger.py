"""The consent ledger: lines are added, in the transaction that makes what they speak of, and never
changed. A client's own columns (`consent_source`, `consent_at`) are the summary of the newest.

What is forgotten: the address of the browser after `CONSENT_IP_DAYS`, and with the client all but
the fingerprint of their mailbox. The fingerprint alone shows that somebody who asks did agree.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.db import connection
from django.db.models import Q, QuerySet

from accounts.models import User
from mailings.models import Client, Consent, ConsentText, SubscribeForm, SubscribeRequest
from mailings.models.client import MAX_SOURCE
from mailings.models.subscribing import ConsentWay
from mailings.suppression import fingerprints
from mailings.timing import clock

SHOWN = 50
"""Lines of one client on a page."""
AT_ONCE = 10_000
"""Lines whose browser is forgotten by one statement."""


# ---------------------------------------------------------------- texts


def digest_of(text: str, policy_url: str) -> str:
    """Return what tells one wording from another: SHA-256 of the words and the policy's address."""
    return sha256(json.dumps([text, policy_url], ensure_ascii=False).encode()).hexdigest()


def text_in_force(form: SubscribeForm, text: str, policy_url: str) -> ConsentText:
    """Return the form's version of these words, made anew when they differ from the newest one.
    The form is held by the caller, or new."""
    newest, digest = form.consent_text, digest_of(text, policy_url)
    if newest is not None and newest.digest == digest:
        return newest
    return ConsentText.objects.create(
        owner_id=form.owner_id,
        form=form,
        version=newest.version + 1 if newest else 1,
        text=text,
        policy_url=policy_url,
        digest=digest,
    )


# ---------------------------------------------------------------- lines


def of_request(request: SubscribeRequest, client: Client, confirmed_at: datetime | None) -> Consent:
    """Add the line of somebody who filled in a form; `confirmed_at`: by the letter's button."""
    assert client.owner_id is not None  # whoever is being deleted is found by nobody
    return Consent.objects.create(
        owner_id=client.owner_id,
        client=client,
        address_hash=fingerprints.address_hash(client.email_normalised),
        way=ConsentWay.FORM,
        source=request.form.name[:MAX_SOURCE],
        text=request.consent_text,
        given_at=request.requested_at,
        confirmed_at=confirmed_at,
        ip=request.ip,
        user_agent=request.user_agent,
        created_at=clock.now(),
    )


def by_hand(client: Client) -> None:
    """Add the line of what the owner wrote down: a source, a day, or both."""
    if client.consent_source or client.consent_at:
        assert client.owner_id is not None
        Consent.objects.create(
            owner_id=client.owner_id,
            client=client,
            address_hash=fingerprints.address_hash(client.email_normalised),
            way=ConsentWay.HAND,
            source=client.consent_source,
            given_on=client.consent_at,
            created_at=clock.now(),
        )


FromFile = tuple[str, str, str | None]
"""Of a file's row: the client's mailbox, how they agreed, and the day (ISO 8601) if it says it."""


def from_file(owner_id: int, rows: Sequence[FromFile], now: datetime) -> None:
    """Add a line for each of the rows, whose clients are there, by one statement."""
    if not rows:
        return
    given = [
        {"a": mailbox, "h": fingerprints.address_hash(mailbox), "s": source, "d": day}
        for mailbox, source, day in rows
    ]
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_FROM_FILE[connection.vendor], [at, json.dumps(given), owner_id])


_COLUMNS = "owner_id, client_id, address_hash, way, source, given_on, created_at, user_agent"
_FROM_FILE = {
    "postgresql": f"INSERT INTO mailings_consent ({_COLUMNS})"  # noqa: S608 - constants
    " SELECT owner_id, c.id, h, 'file', s, d, %s, ''"
    " FROM jsonb_to_recordset(%s::jsonb) AS row(a text, h text, s text, d date),"
    " LATERAL (SELECT id, owner_id FROM mailings_client"
    " WHERE email_normalised = a AND owner_id = %s LIMIT 1) AS c",
    "sqlite": f"INSERT INTO mailings_consent ({_COLUMNS})"  # noqa: S608 - constants
    " SELECT c.owner_id, c.id, value ->> 'h', 'file', value ->> 's', value ->> 'd', %s, ''"
    " FROM json_each(%s) JOIN mailings_client AS c"
    " ON c.email_normalised = value ->> 'a' AND c.owner_id = %s",
}


def of_client(client: Client) -> QuerySet[Consent]:
    """Return the lines about the client's mailbox, the newest first: also those from before the
    client was deleted and came again, and from before the secret was changed."""
    known = fingerprints.all_of(client.email_normalised)
    about = Q(client=client) | Q(address_hash__in=known)
    rows = Consent.objects.filter(about, owner_id=client.owner_id)
    return rows.select_related("text").order_by("-created_at", "-pk")


# ---------------------------------------------------------------- what is forgotten


def let_go(clients: QuerySet[Client], *, owner: User | None = None) -> None:
    """Before clients are deleted: forget what would still tell who they were.

    `owner` whose they were, if they have been taken away already: whoever subscribes from then on
    is somebody new, and their request stays.
    """
    Consent.objects.filter(client__in=clients.values("pk")).update(
        client=None, ip=None, user_agent=""
    )
    owners = [owner.pk] if owner else clients.values("owner")
    SubscribeRequest.objects.filter(
        mailbox__in=clients.values("email_normalised"), form__owner__in=owners
    ).delete()


def prune(now: datetime) -> int:
    """Forget the addresses of browsers that have been kept long enough; return how many."""
    old = Consent.objects.filter(
        ip__isnull=False, created_at__lt=now - timedelta(days=settings.CONSENT_IP_DAYS)
    )
    forgotten = 0
    while ids := list(old.order_by("created_at").values_list("pk", flat=True)[:AT_ONCE]):
        forgotten += Consent.objects.filter(pk__in=ids).update(ip=None, user_agent="")
    return forgotten
