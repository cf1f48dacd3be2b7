"""The whole way without a hand: a letter leaves through Postfix, the receiver knows no such
mailbox, Postfix returns it to the mailbox that the service reads, and nobody writes there again."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest
from django.utils import timezone

from mailings import tasks
from mailings.campaigns import services
from mailings.delivery import worker
from mailings.delivery.runs import planning
from mailings.models import Event, Suppression, Transport, UnmatchedNotice
from tests import factories
from tests.dovecot import PASSWORD, USER, Dovecot
from tests.postfix import Postfix
from tests.site import wait_for
from tests.smtpd import SmtpServer

RETURNS = "returns.example.org"


@pytest.fixture
def receiver() -> Iterator[SmtpServer]:
    refusals = {"anna@*": "550 5.1.1 <anna@example.org>: User unknown", "*": None}
    with SmtpServer(script={"rcpt": refusals}) as server:
        yield server


@pytest.fixture
def mailbox(settings) -> Iterator[Dovecot]:
    server = Dovecot()
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    settings.BOUNCE_DOMAIN = RETURNS
    settings.BOUNCE_MAILBOX_URL = (
        f"imaps://{login}@127.0.0.1:{server.tls_port}?ca={server.certificate.ca_file}"
    )
    yield server
    server.stop()


@pytest.fixture
def relay(receiver, mailbox, transactional_db) -> Iterator[Postfix]:
    relay = Postfix(
        receiver="example.org",
        receiver_port=receiver.port,
        returns=RETURNS,
        maildir=mailbox.folder / "mail",
        uid=mailbox.uid,
        gid=mailbox.gid,
    )
    Transport.objects.create(name="Relay", url=f"smtp://127.0.0.1:{relay.port}")
    yield relay
    relay.stop()


def send(owner, *emails: str):
    clients = [factories.make_client(owner, email=email) for email in emails]
    mailing = factories.make_mailing(owner, clients=clients)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    worker.send_due(stopping=lambda: False)
    return mailing.runs.get()


def test_a_letter_to_a_dead_mailbox_comes_back_and_none_follows(owner, relay, receiver, mailbox):
    run = send(owner, "anna@example.org", "boris@example.org")
    assert set(run.deliveries.values_list("status", flat=True)) == {"sent"}  # Postfix took both
    wait_for(lambda: mailbox.mails() and receiver.messages, timeout=60, message=relay)
    tasks.read_mailbox.call_local()
    event = Event.objects.get()
    assert event.delivery.address == "anna@example.org"
    assert (event.kind, event.code, event.enhanced_code) == ("bounced_hard", 550, "5.1.1")
    assert event.source == "mailbox"
    assert "User unknown" in event.diagnostic
    assert Suppression.objects.get().address == "anna@example.org"
    assert not UnmatchedNotice.objects.exists()
    assert [mail.recipients for mail in receiver.messages] == [["boris@example.org"]]
