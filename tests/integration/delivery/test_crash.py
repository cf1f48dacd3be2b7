"""Consumers that are killed, stopped and started late: no mail is lost, none is sent in vain."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest

from tests.consumer import PEOPLE, Consumer
from tests.services import EMBEDDED
from tests.site import RecordingServer, wait_for

RECIPIENTS = 200
CONNECTIONS = 10  # EMAIL_CONNECTIONS' default
KINDS = ["on_sqlite"] if EMBEDDED else ["on_sqlite", "on_postgresql"]

MAILING = (
    PEOPLE
    + """
from datetime import timedelta
from django.utils import timezone
from mailings.campaigns import services
from mailings.models import Client
Client.objects.bulk_create(
    Client(owner=owner, email=f"c{n}@example.org", email_normalised=f"c{n}@example.org",
           full_name=f"Клиент {n}")
    for n in range(COUNT)
)
mailing = factories.make_mailing(
    owner, clients=list(owner.clients.all()), start_at=timezone.now() + timedelta(seconds=DELAY)
)
services.schedule_mailing(mailing=mailing, by=owner)
print(json.dumps(mailing.start_at.timestamp()))
"""
)

STATUSES = """
import json
from collections import Counter
from mailings.models import Delivery, Mailing
print(json.dumps({
    "deliveries": Counter(Delivery.objects.values_list("status", flat=True)),
    "mailings": list(Mailing.objects.values_list("status", flat=True)),
}))
"""

pytestmark = pytest.mark.slow


def mailing(count: int, delay: float) -> str:
    return MAILING.replace("COUNT", str(count)).replace("DELAY", str(delay))


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer(delay=0.01) as server:
        yield server


@pytest.fixture
def on_sqlite(migrated_folder, server) -> Consumer:
    return Consumer(migrated_folder, email_url=server.url, UNCERTAIN_WAIT="2")


@pytest.fixture
def on_postgresql(tmp_path, server) -> Iterator[Consumer]:
    """A consumer with an empty PostgreSQL database of its own and the tests' Redis."""
    server_url, name = os.environ["DATABASE_URL"].rpartition("/")[0], f"crash_{os.getpid()}"
    connection = psycopg2.connect(f"{server_url}/postgres")
    connection.autocommit = True
    with closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        consumer = Consumer(
            tmp_path,
            email_url=server.url,
            UNCERTAIN_WAIT="2",
            WORKER_SILENCE="0",  # else a restart within it waits for the next minute's rescue
            DATABASE_URL=f"{server_url}/{name}",
            REDIS_URL=os.environ["REDIS_URL"],
        )
        consumer.prepare()
        yield consumer
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("kind", KINDS)
def test_killed_consumer_loses_none_of_200_mails(kind, server, request):
    consumer = request.getfixturevalue(kind)
    with consumer:
        consumer.shell(mailing(RECIPIENTS, -1))
        for most in (50, 120):
            consumer.start()
            wait_for(
                lambda most=most: len(server.letters) >= most,
                timeout=60,
                message=f"{most} mails did not leave: {consumer.output()}",
            )
            consumer.end(signal.SIGKILL)
        consumer.start()
        addresses = {f"c{n}@example.org" for n in range(RECIPIENTS)}
        wait_for(
            lambda: {a for letter in server.letters for a in letter.recipients} == addresses,
            timeout=60,
            message=f"{RECIPIENTS} mails did not leave: {consumer.output()}",
        )
        wait_for(
            lambda: consumer.shell(STATUSES)["mailings"] == ["completed"],
            timeout=40,
            message=f"the mailing did not complete: {consumer.output()}",
        )
        assert consumer.end(signal.SIGTERM) == 0
    assert consumer.shell(STATUSES)["deliveries"] == {"sent": RECIPIENTS}
    assert "sound" in consumer.run("check_ledger")
    copies = Counter(letter.recipients[0] for letter in server.letters)
    assert all(len(letter.recipients) == 1 for letter in server.letters)
    # At most what was in hand at each kill may have arrived twice, with the same Message-ID.
    assert sum(copies.values()) <= RECIPIENTS + 2 * CONNECTIONS
    ids = {letter.message["Message-ID"] for letter in server.letters}
    assert len(ids) == RECIPIENTS


def test_stopped_consumer_leaves_nothing_in_its_hands(on_sqlite, server):
    consumer = on_sqlite
    with consumer:
        consumer.shell(mailing(RECIPIENTS, -1))
        consumer.start()
        wait_for(
            lambda: len(server.letters) >= 20,
            timeout=60,
            message=f"nothing left: {consumer.output()}",
        )
        began = time.monotonic()
        assert consumer.end(signal.SIGTERM) == 0
        assert time.monotonic() - began < 5
    statuses = consumer.shell(STATUSES)["deliveries"]
    assert statuses == {
        "sent": len(server.letters),
        "pending": RECIPIENTS - len(server.letters),
    }
    assert "sound" in consumer.run("check_ledger")


def test_mailing_starts_by_itself_within_two_seconds_of_its_time(on_sqlite, server):
    consumer = on_sqlite
    with consumer:
        consumer.start()
        consumer.wait_until_it_works()
        start = consumer.shell(mailing(3, 5))
        wait_for(lambda: len(server.letters) == 3, timeout=20, message=f"late: {consumer.output()}")
    arrivals = [letter.received - start for letter in server.letters]
    assert all(0 <= late < 2 for late in arrivals), arrivals


def test_mailing_that_is_due_goes_out_at_once(on_sqlite, server):
    consumer = on_sqlite
    with consumer:
        consumer.start()
        consumer.wait_until_it_works()
        consumer.shell(mailing(1, -1))
        asked = time.time()
        (letter,) = server.wait_for("c0@example.org")
    assert letter.received - asked < 2
