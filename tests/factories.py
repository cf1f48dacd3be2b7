"""Rows for tests: each function makes one valid row; keywords overrule its fields."""

import itertools
from base64 import b64decode
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from mailings.clients.importing import services as imports
from mailings.messages import pictures
from mailings.models import (
    Attempt,
    Chunk,
    Client,
    ClientList,
    Delivery,
    Event,
    Hit,
    Import,
    Mailing,
    Message,
    Picture,
    Run,
    Segment,
    SubscribeForm,
    TrackedLink,
)
from mailings.models.suppression import SuppressionSource
from mailings.states import FINAL, DeliveryStatus, EventKind, Outcome, RunStatus
from mailings.subscribing import services as subscribing
from mailings.subscribing.services import FormInput
from mailings.suppression import unsubscribe_links
from mailings.suppression.unsubscribing import Reader

_numbers = itertools.count(1)

PIXEL = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A PNG of one pixel."""


def make_user(**fields: Any) -> User:
    n = next(_numbers)
    return User.objects.create_user(
        **({"email": f"user{n}@example.org", "full_name": f"User {n}"} | fields)
    )


def make_client(owner: User, **fields: Any) -> Client:
    n = next(_numbers)
    defaults = {"email": f"client{n}@example.org", "full_name": f"Клиент {n}"}
    return Client.objects.create(owner=owner, **(defaults | fields))


def make_clients(owner: User, count: int) -> list[Client]:
    return [make_client(owner) for _ in range(count)]


def make_list(owner: User, clients: list[Client] | None = None, **fields: Any) -> ClientList:
    row = ClientList.objects.create(owner=owner, **({"name": f"List {next(_numbers)}"} | fields))
    row.clients.set(clients or [])
    return row


def make_form(owner: User, **fields: Any) -> SubscribeForm:
    """Return a subscribe form, made as its owner makes one."""
    n = next(_numbers)
    given = {
        "name": f"Форма {n}",
        "slug": f"form-{n}",
        "language": "ru",
        "title": "Подпишитесь на письма",
        "button": "Подписаться",
        "consent": "Я согласен получать письма.",
    }
    data = FormInput(**(given | fields))
    return subscribing.create_form(data=data, owner=owner, by=owner)


KAZAN = {"kind": "text", "field": "detail:city", "test": "is", "value": "Казань"}


def make_segment(owner: User, *conditions: dict[str, Any], **fields: Any) -> Segment:
    """Return a segment of clients who meet all the conditions; without any, who are in Kazan."""
    group = {"match": "all", "negated": False, "conditions": list(conditions or (KAZAN,))}
    written = {"version": 1, "match": "all", "groups": [group]}
    defaults = {"name": f"Segment {next(_numbers)}", "conditions": written}
    return Segment.objects.create(owner=owner, **(defaults | fields))


def make_message(owner: User, **fields: Any) -> Message:
    defaults = {
        "subject": "Новости для {{ full_name }}",
        "body": '<p>Здравствуйте, {{ first_name|default:"друг" }}!</p><p>Пишем вам.</p>',
    }
    return Message.objects.create(owner=owner, **(defaults | fields))


def make_picture(owner: User, **fields: Any) -> Picture:
    """Return a picture in the owner's library, with its file."""
    drawn = pictures.Drawn(PIXEL, "png", 1, 1)
    return pictures.add(drawn, owner=owner, **({"name": f"Picture {next(_numbers)}.png"} | fields))


def make_mailing(
    owner: User,
    *,
    clients: list[Client] | None = None,
    lists: list[ClientList] | None = None,
    start_at: datetime | None = None,
    **fields: Any,
) -> Mailing:
    """Return a draft; `services.schedule_mailing` makes it go."""
    row = Mailing.objects.create(
        owner=owner,
        **(
            {
                "name": f"Mailing {next(_numbers)}",
                "message": fields.pop("message", None) or make_message(owner),
                "start_at": start_at or timezone.now() - timedelta(seconds=1),
            }
            | fields
        ),
    )
    row.clients.set(clients or [])
    row.lists.set(lists or [])
    return row


def make_run(mailing: Mailing, **fields: Any) -> Run:
    """Return a run as if it were planned; its counters are what the keywords say."""
    now = timezone.now() + timedelta(microseconds=next(_numbers))
    status = fields.setdefault("status", RunStatus.SENDING)
    if status in FINAL[RunStatus]:
        fields.setdefault("finished_at", now)
    defaults = {"scheduled_for": now, "subject": "Новости", "sender_email": "shop@example.org"}
    return Run.objects.create(mailing=mailing, **(defaults | fields))


def make_delivery(run: Run, client: Client | None = None, **fields: Any) -> Delivery:
    client = client or make_client(run.mailing.owner)
    defaults = {"address": client.email_normalised, "full_name": client.full_name}
    row = Delivery.objects.create(run=run, client=client, **(defaults | fields))
    if row.status == DeliveryStatus.PENDING:
        Chunk.objects.create(run=run, first_id=row.pk, last_id=row.pk)
    return row


def make_attempt(delivery: Delivery, **fields: Any) -> Attempt:
    defaults = {
        "number": 1,
        "started_at": timezone.now(),
        "outcome": Outcome.ACCEPTED,
        "code": 250,
        "reply": "2.0.0 Ok: queued",
    }
    return Attempt.objects.create(delivery=delivery, **(defaults | fields))


def make_event(delivery: Delivery, **fields: Any) -> Event:
    """Return what came back of a delivery; it must have been handed over for the ledger to hold."""
    now = timezone.now()
    defaults = {
        "run_id": delivery.run_id,
        "kind": EventKind.BOUNCED_HARD,
        "happened_at": now,
        "recorded_at": now,
        "source": "pipe",
        "source_id": f"report {next(_numbers)}",
        "code": 550,
        "enhanced_code": "5.1.1",
        "diagnostic": "5.1.1 No such user",
    }
    return Event.objects.create(delivery=delivery, **(defaults | fields))


def make_leaving(run: Run, address: str = "") -> Delivery:
    """Return the delivery of a run by which somebody unsubscribed."""
    delivery = make_delivery(
        run, make_client(run.mailing.owner, **({"email": address} if address else {}))
    )
    link = unsubscribe_links.token(run.mailing.owner_id, delivery.pk, delivery.address)
    reader = Reader.of(link)
    assert reader is not None
    assert reader.unsubscribe(SuppressionSource.LINK) is not None
    return delivery


def make_link(run: Run, **fields: Any) -> TrackedLink:
    """Return a link of a run whose letters tell of their readers."""
    Run.objects.filter(pk=run.pk).update(track_opens=True, track_clicks=True)
    position = TrackedLink.objects.filter(run=run).count() + 1
    defaults = {"position": position, "url": f"https://shop.example/{position}", "label": "Купить"}
    return TrackedLink.objects.create(run=run, **({"owner": run.mailing.owner} | defaults | fields))


def make_hit(delivery: Delivery, **fields: Any) -> Hit:
    """Return that a person opened the letter; a run that tells of it must be told apart."""
    Run.objects.filter(pk=delivery.run_id).update(track_opens=True, track_clicks=True)
    defaults = {"run_id": delivery.run_id, "kind": "opened", "first_at": timezone.now()}
    return Hit.objects.create(delivery=delivery, **(defaults | fields))


def make_import(owner: User, content: str | bytes = "", name: str = "") -> Import:
    """Return an uploaded file whose columns are to be named."""
    n = next(_numbers)
    content = content or f"E-mail;ФИО\nnew{n}@example.org;Новый Клиент {n}\n"
    content = content if isinstance(content, bytes) else content.encode()
    return imports.upload(owner=owner, name=name or f"file{n}.csv", content=content)
