"""Workers that are killed, stopped, put to sleep and many at once: nothing is lost, and copies are
no more than what was in hand."""

import random
import signal
import time

import pytest

from tests.integration.faults.conftest import CONNECTIONS, DELIVERIES, RELAY_SECONDS
from tests.site import wait_for

pytestmark = pytest.mark.slow


def kill_at_random(service, kills: int) -> None:
    """Kill a worker at random moments and start the next at once.

    The first lives until it has sent something: to freeze all recipients is one transaction, which
    on a busy machine takes longer than any of these workers lives.
    """
    chance = random.Random(service.name)
    for kill in range(kills):
        worker = service.work()
        if kill == 0:
            service.wait_for_mails(1)
        time.sleep(chance.uniform(0.03, 0.5))
        assert worker.end(signal.SIGKILL) == -signal.SIGKILL


def test_fifty_kills_lose_nothing_and_copy_no_more_than_was_in_flight(service, relay):
    kills = 50
    relay.need(RELAY_SECONDS)
    service.mailing(DELIVERIES)
    kill_at_random(service, kills)
    assert relay.count() < DELIVERIES, "the kills came too late to mean anything"
    with service.workers(1):
        service.wait_until_settled()
    service.check()
    outcomes, statuses = service.outcomes(), service.statuses()
    assert 0 < outcomes["lost"] <= kills * CONNECTIONS
    assert service.surplus() <= outcomes["lost"]
    # What was lost twice has no resend left; nobody can know more of it, and it says so.
    assert set(statuses) <= {"sent", "uncertain"}
    assert statuses["sent"] >= DELIVERIES - outcomes["lost"] / 2


def test_without_resends_kills_make_no_copy_at_all(make_service, relay):
    kills, number = 15, DELIVERIES // 2
    service = make_service(UNCERTAIN_RESENDS=0)
    relay.need(RELAY_SECONDS)
    service.mailing(number)
    kill_at_random(service, kills)
    assert relay.count() < number, "the kills came too late to mean anything"
    with service.workers(1):
        service.wait_until_settled()
    service.check()
    statuses = service.statuses()
    assert service.surplus() == 0
    assert set(statuses) == {"sent", "uncertain"}
    assert statuses["uncertain"] <= kills * CONNECTIONS


def test_sigterm_finishes_what_is_in_flight_and_frees_the_rest_at_once(service, relay):
    relay.need(0.2)
    service.mailing(1_000)
    worker = service.work()
    service.wait_for_mails(5 * CONNECTIONS)
    assert worker.end(signal.SIGTERM) == 0
    statuses = service.statuses()
    assert statuses == {"sent": relay.count(), "pending": 1_000 - relay.count()}
    assert service.outcomes() == {"accepted": relay.count()}
    assert service.value("SELECT count(*) FROM mailings_workerlease") == 0
    service.check()


def test_sleeping_worker_is_replaced_and_its_late_write_refused(make_service, relay):
    service = make_service(WORKER_LEASE=10)
    relay.need(0.1)
    service.mailing(200 * CONNECTIONS)
    sleeper = service.work()
    service.wait_for_mails(3 * CONNECTIONS)
    sleeper.send(signal.SIGSTOP)
    relay.need(0.002)
    with service.workers(1):
        service.wait_until_settled()
        before, arrived = (service.statuses(), service.outcomes()), relay.count()
        lost = before[1]["lost"]
        assert 0 < lost <= CONNECTIONS
        sleeper.send(signal.SIGCONT)
        wait_for(
            lambda: "session_ends" in service.workshop.log.read_text(),
            timeout=30,
            message="the sleeper did not notice",
        )
        assert sleeper.end(signal.SIGTERM) == 0
        assert (service.statuses(), service.outcomes()) == before
    service.check()
    # The body that was being written when it fell asleep leaves when it wakes; nothing else does.
    assert relay.count() <= arrived + 1
    assert service.surplus() <= lost


SLEEP = """
import os, signal, time
from django.db import transaction
from mailings.delivery.session import recording
record = recording.record
def fall_asleep(worker, batch, now):
    with transaction.atomic():
        verdict = record(worker, batch, now)
        if batch.results:
            os.kill(os.getpid(), signal.SIGSTOP)
            time.sleep(0.5)  # another thread may have taken the signal: be stopped for sure
    return verdict
recording.record = fall_asleep
"""


def test_worker_that_falls_asleep_in_a_transaction_does_not_hold_up_the_others(make_service, relay):
    service = make_service(WORKER_LEASE=10)
    service.mailing(5 * CONNECTIONS)
    sleeper = service.work(before=SLEEP)
    service.wait_for_mails(1)
    with service.workers(1):
        service.wait_until_settled()
        before, arrived = (service.statuses(), service.outcomes()), relay.count()
        lost = before[1]["lost"]
        assert 0 < lost <= CONNECTIONS
        sleeper.send(signal.SIGCONT)
        assert sleeper.end(signal.SIGTERM) == 0
        assert (service.statuses(), service.outcomes()) == before
    service.check()
    # The body that was being written when it fell asleep leaves when it wakes; nothing else does.
    assert relay.count() <= arrived + 1
    assert service.surplus() <= lost


SLEEP_WITH_BODIES = """
import os, signal, time
from mailings.delivery.session.group_commit import GroupCommit
release = GroupCommit._release
def fall_asleep(commits, leaving, until):
    if len(leaving) > 2:
        GroupCommit._release = release
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.5)  # another thread may have taken the signal: be stopped for sure
    release(commits, leaving, until)
GroupCommit._release = fall_asleep
"""


def test_worker_that_falls_asleep_with_bodies_let_go_does_not_hand_them_over(make_service, relay):
    service = make_service(WORKER_LEASE=10)
    service.mailing(50 * CONNECTIONS)
    sleeper = service.work(before=SLEEP_WITH_BODIES)
    wait_for(lambda: sleeper.is_asleep, timeout=60, message=service.trouble("nothing was let go"))
    with service.workers(1):
        service.wait_until_settled()
        arrived, lost = relay.count(), service.outcomes()["lost"]
        assert 2 < lost <= CONNECTIONS
        sleeper.send(signal.SIGCONT)
        assert sleeper.end(signal.SIGTERM) == 0
    service.check()
    assert service.statuses() == {"sent": 50 * CONNECTIONS}
    assert relay.count() == arrived
    assert service.surplus() < lost


@pytest.mark.parametrize("count", [2, 8])
def test_many_workers_send_each_mail_once(service, relay, count):
    number = DELIVERIES // 2
    service.mailing(number)
    with service.workers(count):
        service.wait_until_settled()
    assert service.statuses() == {"sent": number}
    assert relay.count() == number
    assert service.surplus() == 0
    assert service.outcomes() == {"accepted": number}
    service.check()


def test_many_schedulers_make_one_run(service):
    """Eight workers, whose planners see the same mailings come due at the same moment."""
    start = time.time() + 3
    mailings = [service.run(LATER, name, start) for name in ("a", "b", "c", "d", "e")]
    with service.workers(8):
        wait_for(
            lambda: service.statuses() == {"sent": 15},
            timeout=60,
            message=service.trouble("work is left"),
        )
    runs = dict(service.sql("SELECT mailing_id, count(*) FROM mailings_run GROUP BY 1"))
    assert runs == dict.fromkeys(mailings, 1)
    service.check()


LATER = """
from datetime import UTC, datetime
from accounts.models import User
from mailings.campaigns import services
from tests import factories
owner = User.objects.create_user(f"{given[0]}@example.org", full_name="Ольга Орлова")
mailing = factories.make_mailing(
    owner,
    clients=[factories.make_client(owner, email=f"{given[0]}{n}@example.org") for n in range(3)],
    start_at=datetime.fromtimestamp(given[1], UTC),
)
services.schedule_mailing(mailing=mailing, by=owner)
result = mailing.pk
"""


def test_mail_in_whose_handing_over_three_workers_died_fails(make_service, relay):
    service = make_service(UNCERTAIN_RESENDS=5)
    service.mailing(1, name="hang")
    for kills in (1, 2, 3):
        with service.workers(1):
            wait_for(
                lambda kills=kills: relay.hung() == kills,
                timeout=30,
                message=service.trouble("not handed over"),
            )
    service.mailing(30)
    with service.workers(1):
        wait_for(
            lambda: service.statuses() == {"sent": 30, "failed": 1},
            timeout=30,
            message=service.trouble("work is left"),
        )
    assert service.outcomes() == {"accepted": 30, "lost": 3}
    assert "delivery_is_poison" in service.workshop.log.read_text()
    service.check()


CRASH = """
import os, signal
from mailings.delivery.runs import composing
render = composing.render
def crash(compiled, delivery, now):
    if delivery.address == "client7@example.org":
        os.kill(os.getpid(), signal.SIGKILL)
    return render(compiled, delivery, now)
composing.render = crash
"""


def test_mail_whose_making_kills_the_worker_fails_and_the_others_are_sent(make_service, relay):
    service = make_service(UNCERTAIN_RESENDS=5)
    service.mailing(30)
    # The chunk in which it is is halved until it stands alone.
    while "failed" not in service.statuses():
        worker = service.work(before=CRASH)
        wait_for(
            lambda worker=worker: worker.has_ended() or "failed" in service.statuses(),
            timeout=60,
            message=service.trouble("no crash"),
        )
        worker.end()
    with service.workers(1, before=CRASH):
        service.wait_until_settled()
    statuses = service.statuses()
    assert statuses.pop("failed") == 1
    assert sum(statuses.values()) == statuses["sent"] == 29
    service.check()


DRAFTS = """
from accounts.models import User
from mailings.models import ClientList
from tests import factories
owner = User.objects.get()
people = ClientList.objects.get()
result = [factories.make_mailing(owner, lists=[people]).pk for _ in range(given[0])]
"""

SCHEDULE = """
import os, signal
from django.db import connection
from mailings.campaigns import services
from mailings.delivery.runs import planning
from mailings.models import Mailing
from mailings.timing import clock

mailing = Mailing.objects.select_related("owner").get(pk=given[0])
left = iter(range(given[1], -1, -1))

def die_in_time(execute, *arguments):
    answer = execute(*arguments)
    if next(left, None) == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

with connection.execute_wrapper(die_in_time):
    services.schedule_mailing(mailing=mailing, by=mailing.owner)
    planning.plan(clock.now(), mailing_id=mailing.pk)  # not what those before it left
"""


def test_process_killed_after_any_statement_of_a_start_leaves_all_or_nothing(service):
    """A web process that schedules, and a planner that freezes, killed at each place."""
    service.act(service.mailing(50), "services.cancel_mailing(mailing=mailing, by=owner)")
    seen = set()
    for place, mailing in enumerate(service.run(DRAFTS, 60)):
        process = service.begin(SCHEDULE, mailing, place)
        if process.wait() == 0:
            break  # it came to its end
        [found] = service.sql(STATE, mailing)
        assert found in {("draft", 0, 0), ("created", 0, 0), ("running", 1, 50)}
        seen.add(found)
    else:
        raise AssertionError("It has more statements than there are mailings.")
    assert len(seen) == 3
    assert service.run("from mailings import tasks; tasks.plan.call_local()") is None
    unfinished = service.value("SELECT count(*) FROM mailings_mailing WHERE status = 'created'")
    assert unfinished == 0
    service.check()


STATE = """
SELECT m.status, count(DISTINCT r.id), count(d.id) FROM mailings_mailing m
LEFT JOIN mailings_run r ON r.mailing_id = m.id
LEFT JOIN mailings_delivery d ON d.run_id = r.id
WHERE m.id = %s GROUP BY m.id
"""
