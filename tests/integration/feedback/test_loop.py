"""The whole way, without a hand: a letter leaves, the mail service takes it, its report comes back
to the envelope's sender and through the pipe, and the next run leaves that address out."""

import io
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from django.core.management import call_command
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import worker
from mailings.delivery.runs import invariants, planning
from mailings.models import Event, Mailing, Transport, UnmatchedNotice
from mailings.states import EventKind, MailingStatus
from tests import factories, reports
from tests.smtp_dialogue import Received
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def server(transactional_db, settings) -> Iterator[SmtpServer]:
    settings.BOUNCE_DOMAIN = "returns.example.org"
    with SmtpServer() as server:
        Transport.objects.create(name="Relay", url=server.url, max_connections=4)
        yield server
    assert list(invariants.broken(timezone.now())) == []


def send(owner, clients) -> Mailing:
    mailing = factories.make_mailing(owner, clients=clients)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    worker.send_due(stopping=lambda: False)
    return mailing


def pipe(monkeypatch, raw: bytes, to: str) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(raw)))
    call_command("take_bounce", "--to", to)


def to(server: SmtpServer, address: str) -> Received:
    (mail,) = [mail for mail in server.messages if mail.recipients == [address]]
    return mail


def test_an_address_that_comes_back_is_not_written_to_again(owner, server, monkeypatch):
    clients = factories.make_clients(owner, 3)
    gone, angry, glad = (client.email_normalised for client in clients)
    first = send(owner, clients)
    assert len(server.messages) == 3

    pipe(monkeypatch, reports.bounce(gone), to(server, gone).sender)
    pipe(monkeypatch, reports.complaint(angry), to(server, angry).sender.upper())
    pipe(monkeypatch, reports.out_of_office(glad), to(server, glad).sender)

    kinds = dict(Event.objects.values_list("delivery__address", "kind"))
    assert kinds == {gone: EventKind.BOUNCED_HARD, angry: EventKind.COMPLAINED}
    assert not UnmatchedNotice.objects.exists()
    first.refresh_from_db()
    assert first.status == MailingStatus.COMPLETED
    assert set(first.runs.get().deliveries.values_list("status", flat=True)) == {"sent"}

    server.messages.clear()
    second = send(owner, clients)
    assert [mail.recipients for mail in server.messages] == [[glad]]
    outcomes = second.runs.get().deliveries.values_list("address", "status", "reason")
    assert sorted(outcomes) == sorted(
        [(gone, "skipped", "suppressed"), (angry, "skipped", "suppressed"), (glad, "sent", "")]
    )


def test_a_letter_that_a_receiver_sends_back_whole_is_proved_by_its_own_headers(
    owner, server, monkeypatch, settings
):
    settings.BOUNCE_DOMAIN = ""
    (client,) = factories.make_clients(owner, 1)
    send(owner, [client])
    head = server.messages[0].content.split(b"\r\n\r\n")[0].decode()
    raw = reports.bounce(client.email_normalised, headers=head.replace("\r\n", "\n"))
    pipe(monkeypatch, raw, settings.DEFAULT_FROM_EMAIL)
    assert Event.objects.get().kind == EventKind.BOUNCED_HARD
