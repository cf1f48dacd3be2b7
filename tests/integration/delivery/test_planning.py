"""From a due mailing to its run: once, with everything frozen, and what happens when it is late."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery.runs import closing, planning
from mailings.models import Client, Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.signals import deliveries_ready, mailing_scheduled
from mailings.states import Actor, DeliveryStatus, MailingStatus, RunStatus, SkipReason
from mailings.suppression import stop_list
from tests import factories

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def scheduled(owner, **fields) -> Mailing:
    fields.setdefault("clients", factories.make_clients(owner, 3))
    mailing = factories.make_mailing(owner, **fields)
    services.schedule_mailing(mailing=mailing, by=owner)
    return mailing


def due_at(mailing: Mailing, at, **changes) -> Mailing:
    """Make a running mailing whose next occurrence, number `next_occurrence`, is at `at`."""
    Mailing.objects.filter(pk=mailing.pk).update(
        status=MailingStatus.RUNNING, next_run_at=at, **changes
    )
    mailing.refresh_from_db()
    return mailing


def test_due_mailing_becomes_a_run_with_frozen_recipients_and_content(owner):
    client = factories.make_client(
        owner, email="Anna@Example.ORG", full_name="Анна", attributes={"city": "Тверь"}
    )
    mailing = scheduled(owner, clients=[client], sender_name="Редакция")
    assert planning.plan(timezone.now()) == 1

    run = Run.objects.get()
    assert (run.status, run.targeted, run.occurrence) == (RunStatus.SENDING, 1, 0)
    assert run.scheduled_for == mailing.start_at
    assert run.subject == mailing.message.subject
    assert "{{ first_name" in run.html
    assert run.text
    assert run.sender_name == "Редакция"
    delivery = run.deliveries.get()
    assert delivery.spelling == "Anna@example.org"
    assert (delivery.address, delivery.full_name, delivery.variables, delivery.status) == (
        "anna@example.org", "Анна", {"city": "Тверь"}, DeliveryStatus.PENDING,
    )  # fmt: skip
    mailing.refresh_from_db()
    assert (mailing.status, mailing.next_run_at) == (MailingStatus.RUNNING, None)


def test_a_mailing_that_cannot_be_frozen_keeps_no_other_waiting(owner, stranger):
    broken = scheduled(owner)
    broken.segments.add(factories.make_segment(stranger))  # no form would: a fault of our own
    scheduled(stranger)
    assert planning.plan(timezone.now()) == 1
    assert Run.objects.get().mailing.owner == stranger
    broken.refresh_from_db()
    assert (broken.status, broken.next_occurrence) == (MailingStatus.CREATED, 0)


def test_planning_twice_makes_one_run(owner):
    scheduled(owner)
    now = timezone.now()
    assert [planning.plan(now), planning.plan(now)] == [1, 0]
    assert Run.objects.count() == 1
    assert Delivery.objects.count() == 3


@pytest.mark.django_db(transaction=True)
def test_two_schedulers_at_once_make_one_run(owner):
    scheduled(owner, clients=factories.make_clients(owner, 20))
    begin = threading.Barrier(4)
    began: list[int] = []

    def schedule() -> None:
        begin.wait()
        began.append(planning.plan(timezone.now()))
        connections.close_all()

    threads = [threading.Thread(target=schedule) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(began) == [0, 0, 0, 1]
    assert Run.objects.count() == 1
    assert Delivery.objects.count() == 20


def test_recipients_are_frozen_by_a_bounded_number_of_queries(owner, django_assert_max_num_queries):
    few, many = scheduled(owner), scheduled(owner, clients=factories.make_clients(owner, 60))
    with django_assert_max_num_queries(60) as both:
        planning.plan(timezone.now())
    assert Run.objects.get(mailing=many).targeted == 60
    assert Run.objects.get(mailing=few).targeted == 3
    assert sum('INSERT INTO "mailings_delivery"' in q["sql"] for q in both) == 2


def test_each_recipient_is_frozen_once_and_foreign_ones_never(owner, stranger):
    anna, boris = factories.make_clients(owner, 2)
    foreign = factories.make_client(stranger)
    lists = [factories.make_list(owner, [anna, boris]), factories.make_list(owner, [anna])]
    scheduled(owner, lists=lists, clients=[boris, foreign])
    planning.plan(timezone.now())
    assert set(Delivery.objects.values_list("client_id", flat=True)) == {anna.pk, boris.pk}


def test_suppressed_recipients_are_frozen_as_skipped(owner):
    anna, boris = factories.make_clients(owner, 2)
    stop_list.suppress(
        anna.email_normalised.upper(), reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk
    )
    scheduled(owner, clients=[anna, boris])
    planning.plan(timezone.now())
    run = Run.objects.get()
    assert (run.targeted, run.skipped_count, run.pending_count) == (2, 1, 1)
    skipped = Delivery.objects.get(status=DeliveryStatus.SKIPPED)
    assert (skipped.client, skipped.reason) == (anna, SkipReason.SUPPRESSED)
    assert skipped.finished_at is not None


def test_a_run_without_anybody_left_is_done_and_the_mailing_completed(owner):
    mailing = scheduled(owner)
    owner.clients.all().delete()
    planning.plan(timezone.now())
    assert Run.objects.get().status == RunStatus.DONE
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.COMPLETED


def test_client_added_later_joins_the_next_run_only(owner):
    start = timezone.now() - SECOND
    client_list = factories.make_list(owner, factories.make_clients(owner, 1))
    mailing = scheduled(owner, clients=[], lists=[client_list], start_at=start, frequency="daily")
    planning.plan(timezone.now())
    client_list.clients.add(factories.make_client(owner))
    Delivery.objects.update(status="cancelled")
    Run.objects.update(status="done", finished_at=timezone.now())
    planning.plan(start + DAY + SECOND)
    assert list(mailing.runs.order_by("occurrence").values_list("occurrence", "targeted")) == [
        (0, 1),
        (1, 2),
    ]


def test_planned_mailing_announces_work_and_its_next_time(
    owner, django_capture_on_commit_callbacks
):
    start = timezone.now() - SECOND
    scheduled(owner, start_at=start, frequency="daily")
    heard = []

    def listen(signal, **kwargs):
        heard.append((signal, kwargs.get("at")))

    for signal in (deliveries_ready, mailing_scheduled):
        signal.connect(listen)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            planning.plan(timezone.now())
    finally:
        for signal in (deliveries_ready, mailing_scheduled):
            signal.disconnect(listen)
    assert (deliveries_ready, None) in heard
    assert (mailing_scheduled, start + DAY) in heard


# ---------------------------------------------------------------- lateness


def test_after_downtime_only_the_newest_occurrence_runs(owner):
    start = timezone.now() - 3 * DAY - HOUR
    mailing = scheduled(owner, start_at=start, frequency="daily")
    due_at(mailing, start, next_occurrence=0)
    planning.plan(timezone.now())
    found = mailing.runs.order_by("occurrence").values_list("occurrence", "status")
    assert list(found) == [(0, "missed"), (1, "missed"), (2, "missed"), (3, "sending")]
    assert all(run.reason for run in mailing.runs.filter(status="missed"))
    mailing.refresh_from_db()
    assert (mailing.next_occurrence, mailing.next_run_at) == (4, start + 4 * DAY)


@pytest.mark.parametrize(
    ("frequency", "period", "late", "expected"),
    [
        ("daily", DAY, 5 * HOUR, "sending"),
        ("daily", DAY, 7 * HOUR, "missed"),
        ("weekly", 7 * DAY, 23 * HOUR, "sending"),
        ("weekly", 7 * DAY, 25 * HOUR, "missed"),
    ],
)
def test_an_occurrence_runs_within_its_grace_only(owner, frequency, period, late, expected):
    start = timezone.now() - period - late
    mailing = scheduled(owner, start_at=start, frequency=frequency)
    due_at(mailing, start + period, next_occurrence=1)
    planning.plan(timezone.now())
    assert mailing.runs.get().status == expected


def test_a_single_occurrence_runs_however_late_until_the_end(owner):
    mailing = scheduled(owner, start_at=timezone.now() - SECOND)
    due_at(mailing, mailing.start_at)
    planning.plan(timezone.now() + 30 * DAY)
    assert mailing.runs.get().status == RunStatus.SENDING


def test_mailing_created_long_after_its_start_runs_at_once(owner):
    mailing = scheduled(owner, start_at=timezone.now() - 20 * HOUR, frequency="daily")
    planning.plan(timezone.now())
    assert mailing.runs.get().status == RunStatus.SENDING


def test_an_occurrence_over_a_run_that_still_sends_is_skipped(owner):
    start = timezone.now() - DAY - SECOND
    mailing = scheduled(owner, start_at=start, frequency="daily")
    Run.objects.create(mailing=mailing, scheduled_for=start, status=RunStatus.SENDING, targeted=1)
    due_at(mailing, start + DAY, next_occurrence=1)
    planning.plan(timezone.now())
    skipped = mailing.runs.get(occurrence=1)
    assert skipped.status == RunStatus.SKIPPED
    assert skipped.reason
    mailing.refresh_from_db()
    assert mailing.next_run_at == start + 2 * DAY


@pytest.mark.parametrize("status", ["draft", "paused", "stopped", "completed", "cancelled"])
def test_only_active_mailings_are_planned(owner, status):
    mailing = scheduled(owner)
    Mailing.objects.filter(pk=mailing.pk).update(status=status)
    planning.plan(timezone.now())
    assert not Run.objects.exists()


def test_mailing_of_a_blocked_owner_waits(owner):
    scheduled(owner)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    planning.plan(timezone.now())
    assert not Run.objects.exists()


def test_message_that_cannot_be_mail_pauses_its_mailing_and_no_other(owner, settings):
    broken, sound = scheduled(owner, reply_to="not an address"), scheduled(owner)
    planning.plan(timezone.now())
    broken.refresh_from_db()
    assert (broken.status, broken.status_actor) == (MailingStatus.PAUSED, Actor.SYSTEM)
    assert broken.status_reason
    assert sound.runs.get().status == RunStatus.SENDING
    assert not broken.runs.exists()


# ---------------------------------------------------------------- ends


def test_at_the_end_what_is_unsent_expires_and_the_mailing_is_completed(owner):
    mailing = scheduled(owner, end_at=timezone.now() + HOUR)
    planning.plan(timezone.now())
    run = mailing.runs.get()
    sent, deferred, _pending = run.deliveries.order_by("pk")
    Delivery.objects.filter(pk=sent.pk).update(status="sent")
    Delivery.objects.filter(pk=deferred.pk).update(
        status="deferred", next_attempt_at=mailing.end_at
    )
    Run.objects.filter(pk=run.pk).update(sent_count=1, deferred_count=1)

    closing.sweep(mailing.end_at - SECOND)
    run.refresh_from_db()
    assert run.status == RunStatus.SENDING

    closing.sweep(mailing.end_at)
    run.refresh_from_db()
    mailing.refresh_from_db()
    assert (run.status, run.sent_count, run.expired_count, run.deferred_count) == (
        RunStatus.EXPIRED, 1, 2, 0,
    )  # fmt: skip
    assert mailing.status == MailingStatus.COMPLETED
    assert set(run.deliveries.filter(status="expired").values_list("reason", flat=True)) == {
        SkipReason.MAILING_ENDED
    }


@pytest.mark.parametrize("status", ["paused", "stopped"])
def test_held_mailing_ends_at_its_end_too(owner, status):
    mailing = scheduled(owner, end_at=timezone.now() + HOUR)
    planning.plan(timezone.now())
    Mailing.objects.filter(pk=mailing.pk).update(status=status)
    closing.sweep(mailing.end_at)
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.COMPLETED
    assert mailing.runs.get().status == RunStatus.EXPIRED


def test_what_a_worker_is_handing_over_keeps_the_run_open_at_the_end(owner):
    mailing = scheduled(owner, end_at=timezone.now() + HOUR)
    planning.plan(timezone.now())
    to_send = Delivery.objects.order_by("pk").first()
    Delivery.objects.filter(pk=to_send.pk).update(
        status="sending", lease_owner="11111111-1111-1111-1111-111111111111"
    )
    closing.sweep(mailing.end_at)
    mailing.refresh_from_db()
    run = mailing.runs.get()
    assert (mailing.status, run.status, run.pending_count) == ("running", "sending", 1)


def test_mailing_that_ended_without_an_occurrence_is_completed(owner):
    mailing = scheduled(owner, start_at=timezone.now() + HOUR, end_at=timezone.now() + 2 * HOUR)
    Mailing.objects.filter(pk=mailing.pk).update(status="paused", next_run_at=None)
    closing.sweep(mailing.end_at)
    mailing.refresh_from_db()
    assert mailing.status == MailingStatus.COMPLETED


def test_recurring_mailing_without_end_goes_on_after_its_run(owner):
    mailing = scheduled(owner, frequency="weekly")
    planning.plan(timezone.now())
    Delivery.objects.update(status="sent")
    Run.objects.update(sent_count=3)
    closing.sweep(timezone.now())
    mailing.refresh_from_db()
    assert mailing.runs.get().status == RunStatus.DONE
    assert mailing.status == MailingStatus.RUNNING


def test_cancelled_mailing_cancels_what_is_unsent(owner):
    mailing = scheduled(owner)
    planning.plan(timezone.now())
    mailing.refresh_from_db()
    services.cancel_mailing(mailing=mailing, by=owner)
    run = mailing.runs.get()
    assert (run.status, run.cancelled_count) == (RunStatus.CANCELLED, 3)
    assert set(run.deliveries.values_list("status", "reason")) == {
        ("cancelled", "mailing_cancelled")
    }


def test_big_cancelled_run_is_left_to_the_sweep(owner, monkeypatch):
    monkeypatch.setattr(services, "SETTLED_AT_ONCE", 2)
    mailing = scheduled(owner)
    planning.plan(timezone.now())
    mailing.refresh_from_db()
    services.cancel_mailing(mailing=mailing, by=owner)
    assert mailing.runs.get().status == RunStatus.SENDING
    closing.sweep(timezone.now())
    assert mailing.runs.get().status == RunStatus.CANCELLED


def test_next_starts_are_those_that_come_soon(owner):
    now = timezone.now()
    soon, later = now + 30 * SECOND, now + HOUR
    scheduled(owner, start_at=soon)
    scheduled(owner, start_at=soon)
    scheduled(owner, start_at=later)
    assert planning.next_starts(now, timedelta(minutes=1)) == [soon]


@pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite cannot take a constraint away within a test"
)
def test_address_that_is_there_twice_after_all_gets_one_letter(owner):
    unique = next(c for c in Client._meta.constraints if c.name.startswith("client_address_unique"))
    with connection.schema_editor() as editor:
        editor.remove_constraint(Client, unique)
    clients = factories.make_clients(owner, 3)
    Client.objects.filter(pk=clients[2].pk).update(email_normalised=clients[0].email_normalised)
    mailing = scheduled(owner, clients=clients)
    assert planning.plan(timezone.now()) == 1

    run = mailing.runs.get()
    addresses = sorted(run.deliveries.values_list("address", flat=True))
    assert addresses == sorted({client.email_normalised for client in clients[:2]})
    assert run.targeted == 2
