"""What the workers are woken for, one line each. The rows are the queue: a task carries no
business, may run twice or never, and comes around every minute anyway. Alarms only make what is
due before the next minute punctual.
"""

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.utils import timezone
from huey import crontab
from huey.consumer import Consumer
from huey.contrib.djhuey import HUEY, db_periodic_task

from mailings.delivery import clock, lease, planning, queue, worker
from mailings.importing import running

log = logging.getLogger(__name__)

SWEEP = timedelta(minutes=1)
"""The period of every task below."""
CONSUMER_READ_TIMEOUT = 5  # seconds; longer than Huey's blocking read of one second

PROCESS = uuid.uuid4()

_consumers: list[Consumer] = []


@db_periodic_task(crontab())
def rescue() -> None:
    queue.rescue_expired(clock.now())


@db_periodic_task(crontab())
def plan() -> None:
    planning.plan(clock.now())


@db_periodic_task(crontab())
def deliver() -> None:
    worker.deliver(stopping=is_stopping)


@db_periodic_task(crontab())
def set_alarms() -> None:
    ring_for_what_comes_soon(clock.now())


@db_periodic_task(crontab())
def heartbeat() -> None:
    lease.beat(PROCESS, clock.now())


@db_periodic_task(crontab())
def run_import() -> None:
    running.run_waiting(clock.now, stopping=is_stopping)


@db_periodic_task(crontab())
def publish_scheduled() -> None:
    call_command("publish_scheduled", verbosity=0)


# ---------------------------------------------------------------- alarms


def ring_for_what_comes_soon(now: datetime) -> None:
    for at in planning.next_starts(now, SWEEP):
        ring(plan, at, now)
    retry_at = queue.next_due(now)
    if retry_at is not None:
        ring(deliver, retry_at, now)


def ring(task: Any, at: datetime, now: datetime) -> None:
    """Wake a worker for `task` at `at`. A queue that is away is no error: the sweep comes."""
    if at > now + SWEEP:
        return
    try:
        if at <= now:
            task()
        else:
            task.schedule(delay=(at - now).total_seconds())
    except Exception as error:  # noqa: BLE001 - SQLite's, Redis's and the socket's own
        log.warning("queue_away", extra={"task": task.task_class.__name__, "error": error})


def on_mailing_scheduled(*, at: datetime, **kwargs: Any) -> None:
    ring(plan, at, timezone.now())


def on_deliveries_ready(*, at: datetime | None = None, **kwargs: Any) -> None:
    now = timezone.now()
    ring(deliver, at or now, now)


def on_imports_waiting(**kwargs: Any) -> None:
    now = timezone.now()
    ring(run_import, now, now)


# ---------------------------------------------------------------- the consumer


def is_stopping() -> bool:
    """Return whether this process's consumer was told to stop."""
    return any(consumer.stop_flag.is_set() for consumer in _consumers)


def create_consumer(**options: Any) -> Consumer:
    """Make Huey's consumer, and keep it at hand for its stop flag."""
    pool = getattr(HUEY.storage, "pool", None)
    if pool is not None:
        # Elsewhere a Redis that is away must not keep a web page waiting.
        pool.connection_kwargs["socket_timeout"] = CONSUMER_READ_TIMEOUT
    consumer = Consumer(HUEY, **options)
    _consumers.append(consumer)
    return consumer


HUEY.create_consumer = create_consumer
