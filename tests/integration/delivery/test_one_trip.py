"""The commit of an ordinary batch on PostgreSQL: one message, planned once for a connection."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import retry
from mailings.delivery.queue import claiming, fairness, lease
from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.delivery.runs import planning
from mailings.delivery.session import recording
from mailings.delivery.session.recording import Batch
from mailings.models import Attempt, Run, WorkerLease
from mailings.states import Outcome
from tests import factories

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        connection.vendor != "postgresql", reason="SQLite writes within this process"
    ),
]


@pytest.fixture
def worker(transactional_db):
    worker = claiming.enlist(timezone.now())
    yield worker
    lease.release_lock(worker)


@pytest.fixture
def claimed(owner, worker) -> list[Claimed]:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 6))
    services.schedule_mailing(mailing=mailing, by=owner)
    now = timezone.now()
    planning.plan(now)
    return claiming.claim(fairness.due_runs(now)[0], worker, now)


def accepted(claimed: Claimed) -> AttemptResult:
    return AttemptResult(
        claimed, Outcome.ACCEPTED, retry.Done(), datetime.now(UTC), step="dot", code=250
    )


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        return int(cursor.fetchone()[0])


def test_ordinary_batch_is_one_message(worker, claimed, django_assert_num_queries):
    with django_assert_num_queries(1):
        verdict = recording.record(
            worker, Batch(results=[accepted(claimed[0])], to_send=claimed[1:3]), timezone.now()
        )
    assert all(map(verdict.allows, claimed[1:3]))
    run = Run.objects.get()
    assert (run.sent_count, Attempt.objects.get().delivery_id) == (1, claimed[0].pk)
    assert WorkerLease.objects.get().in_flight == [one.pk for one in claimed[1:3]]


def test_statements_are_prepared_once_for_each_connection(worker, claimed):
    recording.record(worker, Batch(results=[accepted(claimed[0])]), timezone.now())
    first = prepared()
    recording.record(worker, Batch(results=[accepted(claimed[1])]), timezone.now())
    assert prepared() == first > 0

    lease.reconnect(worker)
    assert prepared() == 0
    recording.record(worker, Batch(results=[accepted(claimed[2])]), timezone.now())
    assert prepared() == first
    assert Run.objects.get().sent_count == 3


def test_worker_that_was_taken_for_dead_writes_nothing_and_spoils_nothing(worker, claimed):
    batch = Batch(results=[accepted(claimed[0])], to_send=claimed[1:2])
    lease.end(worker)
    with pytest.raises(lease.LeaseLost):
        recording.record(worker, batch, timezone.now())
    assert not Attempt.objects.exists()
    assert Run.objects.get().sent_count == 0

    other = claiming.enlist(timezone.now())
    again = claiming.claim(fairness.due_runs(timezone.now())[0], other, timezone.now())
    recording.record(other, Batch(results=[accepted(again[0])]), timezone.now())
    assert Run.objects.get().sent_count == 1
    claiming.retire(other, timezone.now())


def test_what_may_not_go_is_taken_out_of_the_lease(owner, worker, claimed):
    run = Run.objects.get()
    services.pause_mailing(mailing=run.mailing, by=owner)
    batch = Batch(results=[accepted(claimed[0])], to_send=claimed[1:3])
    verdict = recording.record(worker, batch, timezone.now())
    assert not any(map(verdict.allows, claimed[1:3]))
    assert WorkerLease.objects.get().in_flight == []
    assert Attempt.objects.count() == 1
