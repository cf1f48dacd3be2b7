"""Rows for the cabinet's tests: one of each kind, with a log, and what a posted mailing holds."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import translation

from accounts.models import User
from mailings.models import (
    Attempt,
    Client,
    ClientDeletion,
    ClientList,
    Delivery,
    Import,
    Mailing,
    Message,
    Picture,
    Run,
    Segment,
    SenderDomain,
    SubscribeForm,
    Suppression,
)
from mailings.suppression.fingerprints import address_hash
from tests import factories
from tests.sender_domains import make_domain

CATALOGUE = Path(settings.LOCALE_PATHS[0]) / "ru" / "LC_MESSAGES" / "django.mo"


@dataclass(frozen=True)
class Cabinet:
    client: Client
    list: ClientList
    message: Message
    mailing: Mailing
    run: Run
    delivery: Delivery
    attempt: Attempt
    picture: Picture
    imported: Import
    segment: Segment

    @property
    def suppression(self) -> Suppression:
        """Nobody of the clients: an entry of their own, made when it is asked for."""
        owner = self.mailing.owner
        entry, _created = Suppression.objects.get_or_create(
            owner=owner,
            address_hash=address_hash("gone@example.org"),
            defaults={"address": "gone@example.org", "reason": "unsubscribed"},
        )
        return entry

    @property
    def sender_domain(self) -> SenderDomain:
        """Made when it is asked for."""
        owner = self.mailing.owner
        return owner.sender_domains.first() or make_domain(owner)

    @property
    def subscribe_form(self) -> SubscribeForm:
        owner = self.mailing.owner
        return owner.subscribe_forms.first() or factories.make_form(owner, lists=[self.list])

    @property
    def deletion(self) -> ClientDeletion:
        """One that is done long since, of nobody who is there."""
        owner = self.mailing.owner
        row, _created = ClientDeletion.objects.get_or_create(
            owner=owner, defaults={"number": 1, "deleted": 1, "finished_at": owner.date_joined}
        )
        return row

    def row(self, kind: str) -> models.Model:
        return getattr(self, kind)


def make_cabinet(owner: User, count: int = 1, **mailing_fields: Any) -> Cabinet:
    """Make `count` rows of each kind and return the last of each."""
    client_list = None
    for _ in range(count):
        client = factories.make_client(owner)
        client_list = factories.make_list(owner, [client])
        message = factories.make_message(owner)
        mailing = factories.make_mailing(
            owner, message=message, lists=[client_list], **({"status": "running"} | mailing_fields)
        )
        run = factories.make_run(mailing, targeted=count, failed_count=count)
    for _ in range(count):
        client = factories.make_client(owner)
        client_list.clients.add(client)
        delivery = factories.make_delivery(run, client, status="failed", attempt_count=1)
        attempt = factories.make_attempt(
            delivery, outcome="permanent", code=550, enhanced_code="5.1.1", step="rcpt"
        )
    picture, imported = factories.make_picture(owner), factories.make_import(owner)
    segment = factories.make_segment(owner)
    return Cabinet(
        client, client_list, message, mailing, run, delivery, attempt, picture, imported, segment
    )


def mailing_data(cabinet: Cabinet, **fields: Any) -> dict[str, Any]:
    """Return a sound form, as a browser would post it."""
    data = {
        "action": "schedule",
        "name": "Декабрьский адвент",
        "message": cabinet.message.pk,
        "lists": [cabinet.list.pk],
        "sender_name": "Книжный двор",
        "reply_to": "shop@example.org",
        "frequency": "daily",
        "start_at": "2040-12-01T09:00",
        "end_at": "2040-12-24T09:00",
        "time_zone": "Europe/Moscow",
    }
    return {name: value for name, value in (data | fields).items() if value is not None}


def speak(user: User, language: str) -> None:
    user.language = language
    user.save(update_fields=["language"])


def in_language(language: str, text: str, **values: Any) -> str:
    """Return the text in the language; proves that Russian exists once its catalogue is built."""
    with translation.override(language):
        said = translation.gettext(text)
    if language == "ru" and CATALOGUE.exists():
        assert said != text, f"not translated: {text}"
    return said % values if values else said


def local(at: datetime, zone: Any) -> str:
    return f"{at.astimezone(zone):%Y-%m-%d %H:%M}"
