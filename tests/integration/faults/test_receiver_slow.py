"""R1: one receiver asks us to slow down. Workers in processes of their own; what they asked is
counted at the relay."""

import pytest

from tests.integration.faults.conftest import CONNECTIONS
from tests.integration.faults.service import INVARIANTS
from tests.site import wait_for
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.slow

GMAIL, OTHERS, TAKEN_FIRST = 300, 600, 40
SLOW_DOWN = "4.7.28 Gmail has detected an unusual rate of unsolicited mail. d2e1a72fcc - gsmtp"
IN_GMAIL = "address LIKE '%@gmail.com'"
SENT_TO_OTHERS = f"""
SELECT count(*) FROM mailings_delivery WHERE NOT {IN_GMAIL} AND status = 'sent'
"""
CHARGED = f"""
SELECT count(*) FROM mailings_delivery WHERE {IN_GMAIL} AND tries > 0 AND status <> 'sent'
"""
FAULTS = "SELECT count(*) FROM mailings_transport WHERE breaker_failures > 0"
RESTS_ARE_SHORT = """
from mailings.delivery.session import receivers
receivers.REST, receivers.GROW_EVERY = 3.0, 0.0
"""
SEED = """
from accounts.models import User
from mailings.campaigns import services
from mailings.models import Client, Transport
from tests import factories

gmail, others, connections = given
owner = User.objects.create(email="shop@example.org", full_name="Ольга Орлова")
names = [f"g{n}@gmail.com" for n in range(gmail)]
names += [f"o{n}@{('mail.ru', 'yandex.ru', 'shop.example')[n % 3]}" for n in range(others)]
Client.objects.bulk_create(
    Client(owner=owner, email=a, email_normalised=a, full_name="Клиент") for a in names
)
people = factories.make_list(owner, list(owner.clients.all()))
Transport.objects.create(name="EMAIL_URL", max_connections=connections)
mailing = factories.make_mailing(owner, lists=[people])
services.schedule_mailing(mailing=mailing, by=owner)
"""


@pytest.fixture
def limiting(relay):
    """A scripted server in the place of the relay: it passes on what Gmail says."""
    relay.kill()
    with SmtpServer(port=relay.port) as server:
        yield server


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("code", [421, 450])
def test_gmail_slows_down_alone_and_all_of_it_arrives_later(service, limiting, workers, code):
    first = [None] * TAKEN_FIRST
    limiting.script["rcpt"] = {"*@gmail.com": first + [f"{code} {SLOW_DOWN}"] * (GMAIL + OTHERS)}
    service.run(SEED, GMAIL, OTHERS, CONNECTIONS)
    found = [service.work(RESTS_ARE_SHORT) for _ in range(workers)]
    try:
        wait_for(
            lambda: service.value(SENT_TO_OTHERS) == OTHERS,
            timeout=60,
            message=service.trouble("the others wait for Gmail"),
        )
        refused = refusals(limiting)
        assert 1 <= refused <= 2 * workers * CONNECTIONS, "one that rests is asked again and again"
        assert service.value(CHARGED) == 0
        assert service.value(FAULTS) == 0

        limiting.script.clear()
        wait_for(
            lambda: service.statuses() == {"sent": GMAIL + OTHERS},
            timeout=120,
            message=service.trouble("Gmail's do not arrive"),
        )
    finally:
        for worker in found:
            worker.end()
    arrived = [message.recipients[0] for message in limiting.messages]
    assert len(arrived) == len(set(arrived)) == GMAIL + OTHERS
    assert service.run(INVARIANTS) == []


def refusals(server: SmtpServer) -> int:
    asked = server.count_of("RCPT")
    return asked - len(server.messages)
