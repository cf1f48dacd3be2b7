"""PostgreSQL is killed, stopped, cuts connections, refuses; SQLite is locked or full. Nothing is
sent that cannot be recorded, and everything goes on by itself."""

import os
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.consumer import Consumer
from tests.integration.faults.conftest import CONNECTIONS
from tests.site import wait_for

pytestmark = pytest.mark.slow

AWAY = 21  # seconds


@pytest.fixture
def postgresql(server):
    """The server, there again for the next test whatever happens in this one."""
    yield server.postgresql
    if server.postgresql.process.poll() is not None:
        server.postgresql.start()


def test_postgresql_killed_between_acceptance_and_commit(service, relay, postgresql):
    """Nobody sends blindly while it is away, and nothing accepted is sent again or forgotten."""
    relay.restart(0.05)
    service.mailing(300)
    with service.workers(2):
        service.wait_for_mails(20)
        postgresql.stop()
        time.sleep(0.5)  # what was in hand comes to its end
        count = relay.count()
        time.sleep(AWAY)
        assert relay.count() <= count
        postgresql.start()
        service.wait_until_settled()
    service.check()
    assert service.statuses()["sent"] + service.statuses().get("uncertain", 0) == 300
    assert service.surplus() <= 2 * CONNECTIONS


def test_backends_that_are_terminated_all_the_time(service, relay):
    relay.restart(0.01)
    service.mailing(400)
    stop = threading.Event()

    def terminate() -> None:
        while not stop.wait(0.3):
            service.sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    thread = threading.Thread(target=terminate)
    with service.workers(2):
        thread.start()
        time.sleep(8)
        stop.set()
        thread.join()
        service.wait_until_settled()
    service.check()
    assert "lost" not in service.outcomes()
    assert service.statuses() == {"sent": 400}
    assert service.surplus() == 0
