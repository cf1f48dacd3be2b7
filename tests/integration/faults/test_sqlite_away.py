"""SQLite is locked by somebody else, its disk is full: a real consumer waits and goes on."""

import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.consumer import Consumer
from tests.integration.delivery.test_crash import STATUSES, mailing
from tests.integration.faults.conftest import CONNECTIONS
from tests.integration.faults.relay import Relay
from tests.site import wait_for

pytestmark = pytest.mark.slow

RECIPIENTS = 150
LOCKED = 23  # seconds; longer than SQLite's own patience


@pytest.fixture
def consumer(migrated_folder, relay) -> Iterator[Consumer]:
    """At work on a mailing, some of which has left."""
    relay.need(0.05)
    with Consumer(
        migrated_folder,
        email_url=relay.url,
        EMAIL_CONNECTIONS=str(CONNECTIONS),
        DEBUG="false",
    ) as consumer:
        consumer.shell(mailing(RECIPIENTS, -1))
        consumer.start()
        wait_for(lambda: relay.count() >= 10, timeout=60, message=f"no mail: {consumer.output()}")
        yield consumer


def finish(consumer: Consumer, relay: Relay) -> None:
    """See to it that every mail has left once, and that the ledger says so."""
    wait_for(
        lambda: relay.count() >= RECIPIENTS,
        timeout=90,
        message=f"mails are missing: {consumer.output()[-3000:]}",
    )
    assert consumer.end(signal.SIGTERM) == 0
    assert consumer.shell(STATUSES)["deliveries"] == {"sent": RECIPIENTS}
    assert relay.count() == RECIPIENTS
    assert "sound" in consumer.run("check_ledger")


def test_locked_database_is_waited_for(consumer, relay):
    database = sqlite3.connect(consumer.data / "db.sqlite3", isolation_level=None, timeout=30)
    with closing(database):
        database.execute("BEGIN IMMEDIATE")
        count = relay.count()
        time.sleep(LOCKED)
        assert relay.count() <= count + CONNECTIONS
        database.execute("ROLLBACK")
    finish(consumer, relay)


def test_nothing_is_sent_while_the_disk_takes_no_more(consumer, relay):
    """The kernel refuses what a full disk would refuse: every write beyond the first page."""
    pid = consumer.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    time.sleep(1)
    count = relay.count()
    time.sleep(3)
    assert relay.count() <= count + CONNECTIONS
    assert count < RECIPIENTS
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
    finish(consumer, relay)
