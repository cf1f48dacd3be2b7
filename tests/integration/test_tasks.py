"""Alarms: punctual when the queue works, harmless when it does not."""

from datetime import timedelta

import pytest
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from mailings import tasks
from mailings.campaigns import services
from mailings.delivery.transports import memory
from mailings.models import Mailing, Run, WorkerLease
from mailings.signals import deliveries_ready
from tests import factories

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def empty_queue():
    HUEY.flush()
    memory.service.reset()
    yield
    HUEY.flush()
    memory.service.reset()


def names(found) -> list[str]:
    return sorted(task.name for task in found)


def alarms() -> list[str]:
    """Return the tasks that wait for a time of their own; a worker puts them aside until then."""
    assert all(task.eta is not None for task in HUEY.pending())
    return names(HUEY.pending())


def test_due_mailing_wakes_the_planner_at_once(owner, django_capture_on_commit_callbacks):
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
    with django_capture_on_commit_callbacks(execute=True):
        services.schedule_mailing(mailing=mailing, by=owner)
    (task,) = HUEY.pending()
    assert (task.name, task.eta) == ("plan", None)


def test_soon_starting_mailing_gets_an_alarm_and_a_later_one_is_left_to_the_sweep(
    owner, django_capture_on_commit_callbacks
):
    for delay in (30 * SECOND, timedelta(hours=3)):
        mailing = factories.make_mailing(
            owner, clients=factories.make_clients(owner, 1), start_at=timezone.now() + delay
        )
        with django_capture_on_commit_callbacks(execute=True):
            services.schedule_mailing(mailing=mailing, by=owner)
    assert alarms() == ["plan"]


def test_sweep_sets_alarms_for_what_comes_before_the_next_one(owner):
    now = timezone.now()
    for delay in (30 * SECOND, 30 * SECOND, 90 * SECOND):
        mailing = factories.make_mailing(
            owner, clients=factories.make_clients(owner, 1), start_at=now + delay
        )
        services.schedule_mailing(mailing=mailing, by=owner)
    tasks.set_alarms.call_local()
    assert alarms() == ["plan"]


def test_the_consumer_looks_at_its_alarms_several_times_a_second():
    consumer = tasks.PunctualConsumer(HUEY, scheduler_interval=1)
    assert consumer._create_scheduler().interval == tasks.LOOK_AT_ALARMS_EVERY < 0.5


def test_queue_that_is_away_is_logged_and_raises_nothing(monkeypatch, caplog):
    def refuse(*args, **kwargs):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(HUEY.storage, "enqueue", refuse)
    deliveries_ready.send(Run)
    assert "queue_away" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_tasks_do_their_work_in_one_line_each(owner):
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 2))
    services.schedule_mailing(mailing=mailing, by=owner)
    for task in (tasks.rescue, tasks.plan, tasks.deliver, tasks.heartbeat, tasks.publish_scheduled):
        task.call_local()
    assert len(memory.service.taken) == 2
    assert Mailing.objects.get().status == "completed"
    assert WorkerLease.objects.get().pk == tasks.PROCESS


def test_every_task_comes_around_each_minute():
    now = timezone.now()
    periodic = names(HUEY.read_periodic(now))
    assert {"deliver", "heartbeat", "plan", "publish_scheduled", "rescue", "set_alarms"} <= set(
        periodic
    )
