"""Mail that is due and that nobody sends raises an alert; mail that waits for a reason does not."""

import logging
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from mailings import tasks
from mailings.delivery.queue import backlog
from mailings.models import Chunk, Delivery, Mailing, Run, Transport, WorkerLease
from mailings.states import DeliveryStatus, MailingStatus
from tests import factories

MINUTE = timedelta(minutes=1)


@pytest.fixture
def now():
    return timezone.now()


@pytest.fixture
def run(owner, now) -> Run:
    """Due for three minutes, with nobody who sends it."""
    mailing = factories.make_mailing(owner)
    Mailing.objects.update(status=MailingStatus.RUNNING, status_at=now - 3 * MINUTE)
    run = factories.make_run(mailing, targeted=1)
    Run.objects.update(created_at=now - 3 * MINUTE)
    factories.make_delivery(run)
    return run


def test_run_that_nobody_sends_is_told_in_the_log_the_ledger_and_the_desk(
    run, now, client, manager, caplog
):
    WorkerLease.objects.create(
        host="a", pid=1, started_at=now, heartbeat_at=now, expires_at=now + 60 * MINUTE
    )
    with caplog.at_level(logging.ERROR):
        tasks.watch.call_local()
    assert [record.run_id for record in caplog.records] == [run.pk]
    out = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_ledger", stdout=out)
    assert out.getvalue() == f"A run has been due for minutes and nobody sends it: run {run.pk}\n"
    client.force_login(manager)
    assert "за две минуты не ушло ни одного" in client.get("/cms/").content.decode()


def service_is_away(now):
    Transport.objects.create(name="relay", breaker_state="open", breaker_until=now + MINUTE)


def service_takes_mail(now):
    Transport.objects.create(name="relay", last_ok_at=now)


def mailing_is_paused(now):
    Mailing.objects.update(status=MailingStatus.PAUSED)


def mailing_was_resumed_just_now(now):
    Mailing.objects.update(status_at=now)


def mailing_has_ended(now):
    Mailing.objects.update(start_at=now - 9 * MINUTE, end_at=now - MINUTE)


def run_was_made_just_now(now):
    Run.objects.update(created_at=now)


def delivery_waits_for_its_next_try(now):
    Chunk.objects.all().delete()
    Delivery.objects.update(status=DeliveryStatus.DEFERRED, next_attempt_at=now + MINUTE)


def delivery_is_settled(now):
    Chunk.objects.all().delete()
    Delivery.objects.update(status=DeliveryStatus.FAILED, finished_at=now)


@pytest.mark.parametrize(
    "reason",
    [
        service_is_away,
        service_takes_mail,
        mailing_is_paused,
        mailing_was_resumed_just_now,
        mailing_has_ended,
        run_was_made_just_now,
        delivery_waits_for_its_next_try,
        delivery_is_settled,
    ],
    ids=lambda reason: reason.__name__,
)
def test_run_that_waits_for_a_reason_is_not_stuck(run, now, reason):
    reason(now)
    assert not backlog.stuck_runs(now).exists()


def test_retry_that_is_overdue_counts_too(run, now):
    Delivery.objects.update(status=DeliveryStatus.DEFERRED, next_attempt_at=now - 3 * MINUTE)
    assert backlog.stuck_runs(now).get() == run
