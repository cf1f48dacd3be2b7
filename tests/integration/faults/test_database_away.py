"""PostgreSQL is killed, stopped, cuts connections and has no room. Nothing is sent that cannot be
recorded, and everything goes on by itself."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.integration.faults.conftest import CONNECTIONS, LOG_FILE
from tests.site import wait_for

pytestmark = pytest.mark.slow

AWAY = 21  # seconds


TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


@contextmanager
def meanwhile(act: Callable[[], object], *, every: float) -> Iterator[None]:
    """Do something again and again in a thread."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(every):
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
def postgresql(server):
    """The server, there again for the next test whatever happens in this one."""
    yield server.postgresql
    if server.postgresql.process.poll() is not None:
        server.postgresql.start()


def test_postgresql_killed_between_acceptance_and_commit(service, relay, postgresql):
    """Nothing accepted is forgotten, and nobody has to mend anything."""
    relay.need(0.05)
    service.mailing(200)
    with service.workers(2):
        for count in (20, 80):
            service.wait_for_mails(count)
            postgresql.kill()
            postgresql.start()
        service.wait_until_settled()
    service.check()
    assert service.surplus() <= service.outcomes().get("lost", 0) <= 2 * 2 * CONNECTIONS


def test_nobody_sends_blindly_while_postgresql_is_away(service, relay, postgresql):
    relay.need(0.05)
    service.mailing(200)
    with service.workers(2), service.web() as browser:
        pages = "/app/", "/", "/readyz"
        assert [browser.get(page)[0] for page in pages[::2]] == [200, 200]
        service.wait_for_mails(20)
        postgresql.stop()
        count = relay.count()
        for page in pages:
            status, text = browser.get(page)
            assert status == 503
            assert "Traceback" not in text
        assert browser.get("/healthz", signed_in=False)[0] == 200
        time.sleep(AWAY)
        # What was in hand when it went: accepted perhaps, and recorded when it is back.
        assert relay.count() <= count + 2 * CONNECTIONS
        postgresql.start()
        service.wait_until_settled()
        assert [browser.get(page)[0] for page in pages[::2]] == [200, 200]
    service.check()
    assert service.surplus() <= 2 * CONNECTIONS


FILL = """
ALTER TABLE mailings_attempt SET (autovacuum_enabled = off);
BEGIN;
INSERT INTO mailings_attempt (delivery_id, number, started_at, duration_ms, step, outcome,
    enhanced_code, reply)
SELECT -n, 1, now(), 0, 'dot', 'accepted', '2.0.0', repeat('room ', 10)
FROM generate_series(1, %s) AS n;
ROLLBACK
"""
"""Leaves a table of dead rows, to which nothing can be added but behind them."""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'"


@contextmanager
def full_disk(service, postgresql) -> Iterator[None]:
    """Let the kernel refuse what a full disk or a used-up quota would: tables do not grow."""
    pids = [postgresql.process.pid, *(pid for (pid,) in service.sql(BACKENDS))]
    postgresql.limit_files(pids, str(LOG_FILE * 2**20))
    try:
        yield
    finally:
        postgresql.limit_files([postgresql.process.pid], "unlimited")
        # Those begun meanwhile have the limit from the server, and are not known here.
        service.sql(TERMINATE)


def test_nothing_is_sent_while_the_disk_takes_no_more(make_service, relay, postgresql):
    service = make_service(WORKER_SILENCE=60)
    relay.need(0.05)
    service.sql(FILL % 20_000)
    assert service.value("SELECT pg_relation_size('mailings_attempt')") > LOG_FILE * 2**20
    service.mailing(400)
    with service.workers(2):
        service.wait_for_mails(20)
        with full_disk(service, postgresql):
            time.sleep(1)
            count = relay.count()
            attempts = service.value("SELECT count(*) FROM mailings_attempt")
            time.sleep(4)
            assert service.value("SELECT count(*) FROM mailings_attempt") == attempts
            assert relay.count() <= count + 2 * CONNECTIONS
            assert count < 400
        service.wait_until_settled()
    assert service.statuses() == {"sent": 400}
    assert service.surplus() == 0
    service.check()


def test_backends_that_are_terminated_all_the_time(service, relay):
    relay.need(0.01)
    service.mailing(400)
    with service.workers(2):
        with meanwhile(lambda: service.sql(TERMINATE), every=0.3):
            time.sleep(8)
        service.wait_until_settled()
    service.check()
    assert set(service.statuses()) <= {"sent", "uncertain"}
    assert service.surplus() <= service.outcomes().get("lost", 0)


def test_living_worker_whose_backend_was_ended_is_not_taken_for_dead(make_service, relay):
    service = make_service(WORKER_SILENCE=20)
    relay.need(3)
    service.mailing(CONNECTIONS)
    with service.workers(1):
        wait_for(
            lambda: service.sql("SELECT 1 FROM mailings_workerlease WHERE in_flight <> '[]'"),
            timeout=30,
            message="nothing was taken in hand",
        )
        service.sql(TERMINATE)
        with service.workers(1):
            service.wait_until_settled()
    service.check()
    assert service.outcomes() == {"accepted": CONNECTIONS}
    assert service.surplus() == 0


CHANGE = """
import random, time
from mailings.campaigns import services
from mailings.models import Client, Mailing
chance = random.Random(given[1])
until = time.monotonic() + given[2]
done = 0
while time.monotonic() < until:
    for act in (services.pause_mailing, services.resume_mailing):
        mailing = Mailing.objects.select_related("owner").get(pk=given[0])
        try:
            act(mailing=mailing, by=mailing.owner)
            done += 1
        except services.Refused:
            pass  # the other one was first
        time.sleep(chance.random() / 20)
result = done
"""


def test_workers_and_people_who_change_the_same_rows_at_once_block_nobody(service, relay):
    """Pauses and resumes by two processes, while three workers plan, claim, record and close."""
    mailing = service.mailing(400)
    other = service.mailing(400, name="other")
    with service.workers(3):
        changers = [service.begin(CHANGE, pk, n, 6) for n, pk in enumerate([mailing, other] * 2)]
        for changer in changers:
            assert changer.wait() == 0
        for pk in (mailing, other):
            if service.mailing_status(pk) == "paused":
                service.act(pk, "services.resume_mailing(mailing=mailing, by=owner)")
        service.wait_until_settled()
    assert service.statuses() == {"sent": 800}
    assert service.surplus() == 0
    service.check()
