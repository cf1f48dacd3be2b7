"""Claims, results, leases: every delivery is in one hand at most, and none is lost."""

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailings.campaigns import services
from mailings.clients import services as client_services
from mailings.delivery import retry
from mailings.delivery.queue import chunks, claiming, fairness, lease
from mailings.delivery.queue.claims import AttemptResult, Claimed
from mailings.delivery.runs import closing, invariants, planning
from mailings.delivery.session import recording
from mailings.delivery.session.recording import Batch
from mailings.models import Attempt, Delivery, Mailing, Run, Suppression, WorkerLease
from mailings.models.suppression import SuppressionReason
from mailings.states import DeliveryStatus, MailingStatus, Outcome, RunStatus
from mailings.suppression import stop_list
from tests import factories

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


@pytest.fixture(autouse=True)
def chunks_of_one(monkeypatch):
    monkeypatch.setattr(chunks, "SIZE", 1)


@pytest.fixture
def worker(db, now):
    worker = claiming.enlist(now)
    yield worker
    lease.release_lock(worker)


def running(owner, count: int, **fields) -> Run:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count), **fields)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def result(
    claimed: Claimed,
    decision: retry.Decision,
    outcome: Outcome = Outcome.ACCEPTED,
    **fields,
) -> AttemptResult:
    return AttemptResult(claimed, outcome, decision, datetime.now(UTC), step="dot", **fields)


def claim(limit: int, worker: uuid.UUID, now: datetime) -> list[Claimed]:
    """Claim up to so many due deliveries, one after another, as a session's feeder does."""
    taken: list[Claimed] = []
    while len(taken) < limit:
        found = [claiming.claim(run, worker, now) for run in fairness.due_runs(now)[:1]]
        if not any(found):
            break
        taken += found[0]
    return taken


def record(worker, results, now, *, to_send=(), stale=()) -> list[Claimed]:
    """Record, and return what of `to_send` may go."""
    verdict = recording.record(
        worker, Batch(results=list(results), to_send=list(to_send), stale=list(stale)), now
    )
    return [claimed for claimed in to_send if verdict.allows(claimed)]


def counts(run: Run) -> dict[str, int]:
    """Return the run's counters that are not zero; check them against the rows."""
    run.refresh_from_db()
    counted = {name: getattr(run, f"{name}_count") for name in Run.COUNTED}
    actual = Counter(run.deliveries.values_list("status", flat=True))
    assert counted == {name: actual[name] for name in Run.COUNTED}
    assert run.targeted == sum(actual.values())
    return {name: n for name, n in counted.items() if n}


# ---------------------------------------------------------------- claim


def test_claimed_deliveries_are_in_one_hand(owner, worker, now):
    run = running(owner, 5)
    first, second = claim(3, worker, now), claim(10, worker, now)
    assert len(first) == 3
    assert len(second) == 2
    assert {c.pk for c in first + second} == set(run.deliveries.values_list("pk", flat=True))
    assert claim(10, worker, now) == []
    assert counts(run) == {}


@pytest.mark.django_db(transaction=True)
def test_many_workers_claim_each_delivery_once(owner):
    run = running(owner, 60)
    begin = threading.Barrier(4)
    taken: list[int] = []

    def work() -> None:
        worker = claiming.enlist(timezone.now())
        begin.wait()
        while batch := claim(7, worker, timezone.now()):
            for claimed in batch:
                going = record(worker, [], timezone.now(), to_send=[claimed])
                assert going == [claimed]
                taken.append(claimed.pk)
                record(worker, [result(claimed, retry.Done())], timezone.now())
        claiming.retire(worker, timezone.now())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(run.deliveries.values_list("pk", flat=True))
    assert counts(run) == {"sent": 60}
    assert Attempt.objects.count() == 60
    assert not WorkerLease.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda run: Mailing.objects.update(status=MailingStatus.PAUSED),
        lambda run: Mailing.objects.update(status=MailingStatus.STOPPED),
        lambda run: Mailing.objects.update(status=MailingStatus.CANCELLED),
        lambda run: Mailing.objects.update(
            start_at=timezone.now() - HOUR, end_at=timezone.now() - SECOND
        ),
        lambda run: type(run.mailing.owner).objects.update(is_active=False),
    ],
    ids=["paused", "stopped", "cancelled", "ended", "owner blocked"],
)
def test_held_mailings_are_not_claimed_and_what_is_in_flight_does_not_go(
    owner, worker, now, change
):
    run = running(owner, 3)
    (claimed,) = claim(1, worker, now)
    change(run)
    assert claim(10, worker, timezone.now()) == []
    assert record(worker, [], timezone.now(), to_send=[claimed]) == []
    assert Delivery.objects.get(pk=claimed.pk).status == DeliveryStatus.PENDING
    assert WorkerLease.objects.get(pk=worker).in_flight == []
    assert counts(run) == {}


def test_suppressed_address_and_deleted_client_are_skipped_at_the_claim(owner, worker, now):
    run = running(owner, 3)
    first, second, third = run.deliveries.order_by("pk")
    stop_list.suppress(first.address, reason=SuppressionReason.UNSUBSCRIBED, owner_id=None)
    Suppression.objects.update(address="")  # erased: only the hash is left
    client_services.delete_client(client=second.client, by=owner)
    assert [c.pk for c in claim(10, worker, now)] == [third.pk]
    skipped = run.deliveries.filter(status="skipped").order_by("pk")
    assert [d.reason for d in skipped] == ["suppressed", "client_deleted"]
    assert counts(run) == {"skipped": 2}


def test_unsubscribing_in_the_last_moment_still_counts(owner, worker, now):
    run = running(owner, 2)
    gone, stays = claim(2, worker, now)
    stop_list.suppress(gone.address, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    both = [gone, stays]
    assert record(worker, [], now, to_send=both, stale=both) == [stays]
    assert counts(run) == {"skipped": 1}
    assert WorkerLease.objects.get(pk=worker).in_flight == [stays.pk]


def test_claim_costs_the_same_for_many_deliveries(
    owner, worker, now, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(chunks, "SIZE", 60)
    running(owner, 60)
    with django_assert_max_num_queries(8):
        assert len(claim(1, worker, now)) == 60


def test_commit_costs_the_same_for_many_deliveries(
    owner, worker, now, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(chunks, "SIZE", 60)
    run = running(owner, 60)
    claimed = claim(1, worker, now)
    results = [result(one, retry.Done()) for one in claimed[:30]]
    with django_assert_max_num_queries(3 if connection.vendor == "postgresql" else 44):
        assert record(worker, results, now, to_send=claimed[30:]) == claimed[30:]
    assert counts(run) == {"sent": 30}


# ---------------------------------------------------------------- record


def test_dead_mailboxes_cost_the_same_statements_however_many(owner, worker, now, monkeypatch):
    monkeypatch.setattr(chunks, "SIZE", 60)
    running(owner, 22)
    claimed = claim(1, worker, now)

    def statements(some) -> int:
        dead = [result(one, retry.Suppress(), Outcome.PERMANENT, code=550) for one in some]
        with CaptureQueriesContext(connection) as captured:
            record(worker, dead, now)
        return sum("mailings_suppression" in query["sql"] for query in captured)

    assert statements(claimed[:2]) == statements(claimed[2:])
    gone = {(one.address, "bounced") for one in claimed}
    assert set(Suppression.objects.values_list("address", "reason")) == gone


@pytest.mark.parametrize(
    ("outcome", "decision", "status", "tries", "open_again"),
    [
        (Outcome.ACCEPTED, retry.Done(), "sent", 1, False),
        (Outcome.TEMPORARY, retry.Retry(timezone.now(), charged=True), "deferred", 1, True),
        (Outcome.UNAVAILABLE, retry.Retry(timezone.now(), charged=False), "deferred", 0, True),
        (Outcome.PERMANENT, retry.GiveUp(), "failed", 1, False),
        (Outcome.PERMANENT, retry.Suppress(), "failed", 1, False),
        (Outcome.PERMANENT, retry.PauseMailing("no"), "deferred", 0, True),
        (Outcome.UNCERTAIN, retry.Retry(timezone.now(), charged=True), "uncertain", 1, True),
        (Outcome.UNCERTAIN, retry.GiveUp(), "uncertain", 1, False),
        (Outcome.RENDER, retry.GiveUp(), "failed", 1, False),
    ],
)
def test_result_settles_the_delivery_and_leaves_an_attempt(
    owner, worker, now, outcome, decision, status, tries, open_again
):
    run = running(owner, 1)
    (claimed,) = claim(1, worker, now)
    given = result(claimed, decision, outcome, code=250, enhanced_code="2.0.0", reply="words")
    record(worker, [given], now)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.tries, delivery.attempt_count) == (status, tries, 1)
    assert (delivery.next_attempt_at is not None) == open_again
    assert (delivery.finished_at is None) == open_again
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.outcome, attempt.code, attempt.reply) == (
        1, outcome, 250, "words",
    )  # fmt: skip
    assert counts(run) == {status: 1}
    assert Suppression.objects.exists() == isinstance(decision, retry.Suppress)
    closing.finish_runs(now)
    run.refresh_from_db()
    assert (run.status == RunStatus.SENDING) == open_again


def test_a_result_recorded_twice_is_one_attempt(owner, worker, now):
    run = running(owner, 1)
    (claimed,) = claim(1, worker, now)
    for _ in range(2):
        record(worker, [result(claimed, retry.Done())], now)
    assert Attempt.objects.count() == 1
    assert counts(run) == {"sent": 1}


def test_deferred_delivery_comes_back_when_its_time_has_come(owner, worker, now):
    run = running(owner, 1)
    (claimed,) = claim(1, worker, now)
    again = retry.Retry(now + HOUR, charged=True)
    record(worker, [result(claimed, again, Outcome.TEMPORARY)], now)
    assert claim(1, worker, now + HOUR - SECOND) == []
    assert claiming.next_due(now) == now + HOUR
    (second,) = claim(1, worker, now + HOUR)
    assert (second.history.tries, second.history.attempts) == (1, 1)
    assert second.history.first_refused_at == Attempt.objects.get().started_at
    assert counts(run) == {}
    record(worker, [result(second, retry.Done())], now + HOUR)
    assert list(Attempt.objects.order_by("number").values_list("number", "outcome")) == [
        (1, "temporary"),
        (2, "accepted"),
    ]


def test_uncertain_delivery_is_charged_a_resend_when_it_is_handed_over_again(
    owner, worker, now, settings
):
    settings.UNCERTAIN_RESENDS = 1
    running(owner, 1)
    (claimed,) = claim(1, worker, now)
    assert claimed.history.resends_left == 1
    again = retry.Retry(now, charged=True)
    record(worker, [result(claimed, again, Outcome.UNCERTAIN)], now)
    (second,) = claim(1, worker, now)
    assert second.history.resends_left == 0
    claiming.release(worker, now)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.uncertain_resends) == ("uncertain", 0)
    (third,) = claim(1, worker, now)
    record(worker, [], now, to_send=[third])
    assert Delivery.objects.get().uncertain_resends == 1


# ---------------------------------------------------------------- postponed: a receiver rests


def postpone(worker, claimed, at, now) -> None:
    recording.record(worker, Batch(postponed=[(one, at) for one in claimed]), now)


def test_postponed_deliveries_wait_untried_and_uncharged_until_their_time(owner, worker, now):
    run = running(owner, 2)
    for when in (now + HOUR, now + 2 * HOUR):  # first tries, then other tries
        postpone(worker, claim(2, worker, when - HOUR), when, when - HOUR)
        assert counts(run) == {"deferred": 2}
        assert claim(2, worker, when - SECOND) == []
        assert claiming.next_due(when - HOUR) == when
    found = claim(2, worker, now + 2 * HOUR)
    assert [(one.tries, one.attempts) for one in found] == [(0, 0)] * 2
    assert not Attempt.objects.exists()


def test_a_postponed_delivery_that_is_uncertain_stays_so(owner, worker, now):
    run = running(owner, 1)
    record(
        worker,
        [result(claim(1, worker, now)[0], retry.Retry(now, charged=True), Outcome.UNCERTAIN)],
        now,
    )
    postpone(worker, claim(1, worker, now), now + HOUR, now)
    assert counts(run) == {"uncertain": 1}
    (again,) = claim(1, worker, now + HOUR)
    assert again.resends_left == 0


def test_what_was_settled_meanwhile_is_not_postponed(owner, worker, now):
    run = running(owner, 2)
    claimed = claim(2, worker, now)
    record(worker, [result(claimed[0], retry.Done())], now)
    postpone(worker, claimed, now + HOUR, now)
    assert counts(run) == {"sent": 1, "deferred": 1}


def test_postponing_costs_the_same_for_many_deliveries(
    owner, worker, now, monkeypatch, django_assert_max_num_queries
):
    monkeypatch.setattr(chunks, "SIZE", 60)
    run = running(owner, 60)
    claimed = claim(1, worker, now)
    with django_assert_max_num_queries(9):
        postpone(worker, claimed, now + HOUR, now)
    assert counts(run) == {"deferred": 60}


# ---------------------------------------------------------------- release, rescue, fence


def test_released_deliveries_are_due_at_once_where_they_were(owner, worker, now):
    run = running(owner, 3)
    batch = claim(3, worker, now)
    record(worker, [result(batch[0], retry.Retry(now, charged=True), Outcome.TEMPORARY)], now)
    claim(3, worker, now)
    assert claiming.release(worker, now) == 4  # three chunks, and the row claimed again
    assert Counter(run.deliveries.values_list("status", flat=True)) == {
        "pending": 2,
        "deferred": 1,
    }
    assert counts(run) == {"deferred": 1}
    assert len(claim(3, worker, now)) == 3


def test_dead_worker_leaves_exactly_what_it_handed_over_uncertain(owner, worker, now):
    run = running(owner, 5)
    first, second, *_ = claim(4, worker, now)
    record(worker, [], now, to_send=[first])
    record(worker, [result(first, retry.Done())], now, to_send=[second])
    lease.release_lock(worker)  # what its death does

    assert claiming.rescue_expired(now) == 5  # four chunks, and what was handed over
    assert counts(run) == {"sent": 1, "uncertain": 1}
    lost = Delivery.objects.get(status="uncertain")
    assert lost.pk == second.pk
    assert lost.next_attempt_at > now
    assert lost.attempts.get().outcome == Outcome.LOST
    assert not WorkerLease.objects.exists()
    assert claiming.rescue_expired(now) == 0


def test_living_worker_is_left_alone_until_its_lease_is_over(owner, worker, now):
    running(owner, 2)
    claim(1, worker, now)
    assert claiming.rescue_expired(now) == 0
    assert claiming.rescue_expired(now + lease.length() + SECOND) == 1


@pytest.mark.django_db(transaction=True)
def test_sleeper_that_was_taken_for_dead_is_fenced(owner, worker, now):
    run = running(owner, 2)
    (claimed,) = claim(1, worker, now)
    record(worker, [], now, to_send=[claimed])
    claiming.rescue_expired(now + lease.length() + SECOND)
    with pytest.raises(claiming.LeaseLost):
        record(worker, [result(claimed, retry.Done())], now)
    with pytest.raises(claiming.LeaseLost):
        claim(1, worker, now)
    assert counts(run) == {"uncertain": 1}


def test_delivery_that_kills_its_workers_fails_after_the_third(owner, now, settings):
    settings.UNCERTAIN_RESENDS = 9
    run = running(owner, 1)
    moment = now
    for _ in range(3):
        worker = claiming.enlist(moment)
        batch = claim(1, worker, moment)
        record(worker, [], moment, to_send=batch)
        lease.release_lock(worker)
        claiming.rescue_expired(moment)
        moment += timedelta(seconds=settings.UNCERTAIN_WAIT + 1)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.lease_losses) == ("failed", 3)
    assert list(delivery.attempts.values_list("number", flat=True).order_by("number")) == [1, 2, 3]
    assert counts(run) == {"failed": 1}


def test_without_resends_a_lost_delivery_stays_uncertain(owner, worker, now, settings):
    settings.UNCERTAIN_RESENDS = 0
    run = running(owner, 1)
    record(worker, [], now, to_send=claim(1, worker, now))
    lease.release_lock(worker)
    claiming.rescue_expired(now)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.next_attempt_at) == ("uncertain", None)
    closing.finish_runs(now)
    run.refresh_from_db()
    assert run.status == RunStatus.DONE


def test_sign_of_life_is_kept_by_rescues_until_it_is_old(db, now):
    process = uuid.uuid4()
    lease.beat(process, now)
    lease.beat(process, now + SECOND)
    claiming.rescue_expired(now + SECOND)
    assert WorkerLease.objects.get().heartbeat_at == now + SECOND
    claiming.rescue_expired(now + HOUR)
    assert not WorkerLease.objects.exists()


def test_retired_worker_leaves_nothing_behind(owner, worker, now):
    run = running(owner, 2)
    claim(2, worker, now)
    claiming.retire(worker, now)
    assert not WorkerLease.objects.exists()
    assert lease.is_gone(worker)
    assert counts(run) == {}
    assert set(run.deliveries.values_list("status", flat=True)) == {"pending"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_retry", [False, True], ids=["a chunk", "other tries"])
def test_what_is_claimed_while_the_worker_retires_is_left_to_others(owner, monkeypatch, is_retry):
    now = timezone.now()
    run = running(owner, 2)
    if is_retry:
        run.deliveries.move(DeliveryStatus.DEFERRED, next_attempt_at=now - SECOND)
        Run.objects.update(deferred_count=2)
    worker = claiming.enlist(now)
    release = claiming.release

    def claim_more() -> None:
        try:
            claim(2, worker, timezone.now())
        except lease.LeaseLost:
            pass
        finally:
            connections.close_all()

    claiming_thread = threading.Thread(target=claim_more)

    def release_while_another_claims(*arguments: object) -> int:
        freed = release(*arguments)
        claiming_thread.start()
        claiming_thread.join(0.5)  # it waits, for as long as the worker retires
        return freed

    monkeypatch.setattr(claiming, "release", release_while_another_claims)
    claiming.retire(worker, now)
    claiming_thread.join()
    assert not WorkerLease.objects.exists()
    assert not run.deliveries.exclude(lease_owner=None).exists()
    assert not run.chunks.exclude(worker=None).exists()
    assert list(invariants.broken(timezone.now())) == []
