"""Rows for the tests of the managers' desk: one of each kind, owned by Olga."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import models
from django.utils import timezone

from accounts.models import User
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Mailing,
    Message,
    Run,
    Suppression,
    Transport,
    UnmatchedNotice,
    WorkerLease,
)
from mailings.states import MailingStatus, RunStatus
from tests import factories

LISTS = {
    "mailing": Mailing,
    "run": Run,
    "delivery": Delivery,
    "attempt": Attempt,
    "event": Event,
    "unmatchednotice": UnmatchedNotice,
    "client": Client,
    "message": Message,
    "suppression": Suppression,
    "transport": Transport,
    "workerlease": WorkerLease,
}
"""What stands after `cms_` in the names of the addresses, and the rows behind it."""


@dataclass(frozen=True)
class Desk:
    mailing: Mailing
    run: Run
    delivery: Delivery
    attempt: Attempt
    event: Event
    unmatchednotice: UnmatchedNotice
    client: Client
    message: Message
    suppression: Suppression
    transport: Transport
    workerlease: WorkerLease

    def row(self, name: str) -> models.Model:
        return getattr(self, name)


def make_desk(owner: User, count: int = 1, **mailing_fields: str) -> Desk:
    """Make `count` rows of each kind and return the last of each."""
    now = timezone.now()
    for number in range(count):
        client = factories.make_client(owner)
        message = factories.make_message(owner)
        mailing = factories.make_mailing(owner, message=message, clients=[client], **mailing_fields)
        Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.RUNNING)
        run = factories.make_run(
            mailing, status=RunStatus.SENDING, targeted=3, sent_count=1, failed_count=1
        )
        delivery = factories.make_delivery(run, client)
        transport = Transport.objects.create(name=f"Relay {number} of {owner.pk}")
        attempt = factories.make_attempt(delivery, transport=transport)
        event = factories.make_event(delivery)
        notice = UnmatchedNotice.objects.create(
            received_at=now,
            source="pipe",
            source_id=f"{owner.pk}-{number}",
            reason="unproven",
            address="somebody@example.org",
            kind="bounced_hard",
            diagnostic="550 No such user",
            raw=b"Subject: Undelivered\n\n<script>alert(1)</script>",
        )
        suppression = Suppression.objects.create(
            owner=owner,
            address=f"gone{number}@example.org",
            address_hash=f"{owner.pk}-{number}",
            reason="unsubscribed",
        )
        worker = WorkerLease.objects.create(
            host=f"mail-{number}",
            pid=number + 1,
            started_at=now,
            heartbeat_at=now,
            expires_at=now + timedelta(minutes=1),
        )
    mailing.refresh_from_db()
    return Desk(
        mailing, run, delivery, attempt, event, notice, client, message, suppression, transport,
        worker,
    )  # fmt: skip
