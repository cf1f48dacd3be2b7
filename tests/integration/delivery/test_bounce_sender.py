"""The envelope's sender as a mail service sees it: with a domain for returned mail each delivery
has its own, the same at every try; the letter shows the sender it always had."""

import json
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import bounce_addresses, proof_sending, worker
from mailings.delivery.runs import planning
from mailings.messages import proofs
from mailings.models import Delivery, Run, Transport
from tests import factories
from tests.http_api import HttpApi, take
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.django_db(transaction=True)
DOMAIN = "returns.example.org"


@pytest.fixture
def server(transactional_db, settings) -> Iterator[SmtpServer]:
    settings.BOUNCE_DOMAIN = DOMAIN
    with SmtpServer() as server:
        Transport.objects.create(name="Relay", url=server.url, max_connections=4)
        yield server


def running(owner, count: int) -> Run:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def send() -> None:
    worker.send_due(stopping=lambda: False)


def proved(sender: str, delivery: Delivery) -> bool:
    (token,) = bounce_addresses.tokens_in(sender)
    return token.delivery_id == delivery.pk and token.is_of(delivery.address)


def test_each_delivery_has_a_sender_of_its_own_that_proves_it(owner, server):
    run = running(owner, 20)
    send()
    senders = {mail.recipients[0]: mail.sender for mail in server.messages}
    assert len(set(senders.values())) == 20
    assert all(sender.endswith(f"@{DOMAIN}") for sender in senders.values())
    for delivery in run.deliveries.all():
        assert proved(senders[delivery.address], delivery)
    for mail in server.messages:
        letter = message_from_bytes(mail.content, policy=policy.default)
        assert letter["From"].addresses[0].addr_spec == run.sender_email
        assert letter["Sender"] is None


def test_another_try_has_the_same_sender(owner, server):
    running(owner, 1)
    server.script = {"dot": ["451 4.3.0 later"]}
    send()
    past = timezone.now() - timedelta(seconds=1)
    Delivery.objects.update(next_attempt_at=past)
    send()
    said = [line for _connection, line in server.commands if line.startswith("MAIL")]
    assert len(said) == 2
    assert len({line.split(">")[0] for line in said}) == 1
    assert server.messages[0].sender in said[0]


def test_whoever_is_written_to_by_another_spelling_is_proved_too(owner, server):
    client = factories.make_client(owner, email="Anna@Example.ORG")
    mailing = factories.make_mailing(owner, clients=[client])
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    send()
    (mail,) = server.messages
    assert mail.recipients != [Delivery.objects.get().address]
    assert proved(mail.sender, Delivery.objects.get())


def test_without_a_domain_all_have_the_visible_sender(owner, server, settings):
    settings.BOUNCE_DOMAIN = ""
    run = running(owner, 3)
    send()
    assert {mail.sender for mail in server.messages} == {run.sender_email}


def test_a_test_send_has_the_visible_sender(owner, server):
    message = factories.make_message(owner)
    proofs.request_proof(message=message, client=None, by=owner)
    assert proof_sending.send_waiting(timezone.now()) == 1
    (mail,) = server.messages
    assert DOMAIN not in mail.sender
    assert mail.sender


def test_an_http_api_gives_back_the_token_where_its_webhooks_are_taken_in(
    owner, transactional_db, settings
):
    settings.WEBHOOK_SECRETS = {"postmark": "user:password"}
    with HttpApi(choose=take) as api:
        Transport.objects.create(name="API", url=api.url(), max_connections=1)
        run = running(owner, 2)
        send()
    sent = [json.loads(request.body) for request in api.requests]
    tokens = {letter["To"]: letter["Metadata"]["delivery"] for letter in sent}
    assert len(tokens) == 2
    for delivery in run.deliveries.all():
        (token,) = (token for to, token in tokens.items() if delivery.address in to)
        assert proved(bounce_addresses.PREFIX + token, delivery)


def test_an_http_api_is_told_nothing_of_it(owner, transactional_db, settings):
    settings.BOUNCE_DOMAIN = DOMAIN
    with HttpApi(choose=take) as api:
        Transport.objects.create(name="API", url=api.url(), max_connections=1)
        running(owner, 2)
        send()
    assert len(api.requests) == 2
    assert all(DOMAIN not in str(request.body) for request in api.requests)
