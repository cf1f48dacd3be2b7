"""What the workers are woken for, one line each. The rows are the queue: a task carries no
business, may run twice or never, and comes around every minute anyway. Alarms only make what is
due before the next minute punctual.
"""

import logging
import threading
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import connection
from huey import crontab
from huey.consumer import Consumer, Scheduler
from huey.contrib.djhuey import HUEY, db_periodic_task

from mailings.clients import deleting
from mailings.clients.importing import running
from mailings.consents import ledger
from mailings.delivery import proof_sending, worker
from mailings.delivery.queue import backlog, claiming, lease
from mailings.delivery.runs import planning
from mailings.delivery.single_flight import SingleFlight
from mailings.feedback import mailbox_reading
from mailings.feedback import services as feedback
from mailings.messages import drafts
from mailings.sender_domains import services as sender_domains
from mailings.subscribing import letters as subscribe_letters
from mailings.timing import clock

log = logging.getLogger(__name__)

SWEEP = timedelta(minutes=1)
"""The period of every task below."""
CONSUMER_READ_TIMEOUT = 5  # seconds; longer than Huey's blocking read of one second

LOOK_AT_ALARMS_EVERY = 0.1
"""Seconds. Huey's least is 1, and by so much a mailing would start late."""

PROCESS = uuid.uuid4()

_consumers: list[Consumer] = []
_planning = SingleFlight()
_deleting = SingleFlight()
_looking = SingleFlight()
_swept_at = time.monotonic()


@db_periodic_task(crontab())
def rescue() -> None:
    claiming.rescue_expired(clock.now())


@db_periodic_task(crontab())
def plan() -> None:
    global _swept_at  # noqa: PLW0603 - of this process
    _swept_at = time.monotonic()
    _planning.run(lambda: planning.plan(clock.now()))


@db_periodic_task(crontab(), priority=1)  # ahead of the many plans of one instant
def deliver() -> None:
    worker.deliver(stopping=is_stopping, more_comes=lambda: _planning.is_running)


@db_periodic_task(crontab())
def send_proofs() -> None:
    proof_sending.send_waiting(clock.now())


@db_periodic_task(crontab())
def send_subscribe_letters() -> None:
    subscribe_letters.send_waiting(clock.now, stopping=is_stopping)


@db_periodic_task(crontab())
def set_alarms() -> None:
    ring_for_what_comes_soon(clock.now())


@db_periodic_task(crontab())
def heartbeat() -> None:
    lease.beat(PROCESS, clock.now())


@db_periodic_task(crontab())
def watch() -> None:
    backlog.alert(clock.now())


@db_periodic_task(crontab())
def run_import() -> None:
    running.run_waiting(clock.now, stopping=is_stopping)


@db_periodic_task(crontab())
def delete_clients() -> None:
    _deleting.run(
        lambda: deleting.run_waiting(clock.now, stopping=is_stopping), stopping=is_stopping
    )


@db_periodic_task(crontab(minute="*/3"))
def read_mailbox() -> None:
    mailbox_reading.read(clock.now, stopping=is_stopping)


@db_periodic_task(crontab(minute="17"))
def prune_drafts() -> None:
    drafts.prune(clock.now())


@db_periodic_task(crontab(minute="47"))
def prune_reports() -> None:
    feedback.prune(clock.now())


@db_periodic_task(crontab(minute="27", hour="3"))
def prune_consents() -> None:
    ledger.prune(clock.now())


@db_periodic_task(crontab(minute="37"))
def prune_subscribe_requests() -> None:
    subscribe_letters.prune(clock.now())


@db_periodic_task(crontab())
def check_sender_domains() -> None:
    # By one thread: name servers that answer slowly must not hold those that send mail.
    _looking.run(
        lambda: sender_domains.check_due(clock.now(), stopping=is_stopping), stopping=is_stopping
    )


@db_periodic_task(crontab())
def publish_scheduled() -> None:
    call_command("publish_scheduled", verbosity=0)


# ---------------------------------------------------------------- alarms


def ring_for_what_comes_soon(now: datetime) -> None:
    for at in planning.next_starts(now, SWEEP):
        ring(plan, at, now)
    retry_at = claiming.next_due(now)
    if retry_at is not None:
        ring(deliver, retry_at, now)


def ring(task: Any, at: datetime, now: datetime) -> None:
    """Wake a worker for `task` at `at`, both by the database's clock: by this host's own the alarm
    would be as wrong as that is."""
    if at <= now + SWEEP:
        wake(task, after=(at - now).total_seconds())


def wake(task: Any, *, after: float = 0.0) -> None:
    """Wake a worker for `task` in so many seconds. A queue that is away is no error: the sweep
    comes."""
    try:
        if after <= 0:
            task()
        else:
            task.schedule(delay=after)
    except Exception as error:  # noqa: BLE001 - SQLite's, Redis's and the socket's own
        log.warning("queue_away", extra={"task": task.task_class.__name__, "error": error})


def on_mailing_scheduled(*, at: datetime, **kwargs: Any) -> None:
    ring(plan, at, clock.now())


def on_deliveries_ready(*, at: datetime | None = None, **kwargs: Any) -> None:
    if at is None:
        wake(deliver)
    else:
        ring(deliver, at, clock.now())


def on_imports_waiting(**kwargs: Any) -> None:
    wake(run_import)


def on_clients_leave(**kwargs: Any) -> None:
    wake(delete_clients)


def on_proof_requested(**kwargs: Any) -> None:
    wake(send_proofs)


def on_subscribe_letters_wait(**kwargs: Any) -> None:
    wake(send_subscribe_letters)


# ---------------------------------------------------------------- without the queue

QUEUE_AWAY = timedelta(seconds=75)
"""Without the minutely tasks for so long, this process does without Huey what they are for."""
LOOK_EVERY = 5.0  # seconds


def sweep_without_queue() -> None:
    """Run in a thread of every consumer: a Redis that is away must not stop the mail.

    Where another consumer gets the tasks each minute, this is a second look that finds nothing.
    """
    global _swept_at  # noqa: PLW0603
    while not is_stopping():
        time.sleep(LOOK_EVERY)
        if time.monotonic() - _swept_at < QUEUE_AWAY.total_seconds():
            continue
        _swept_at = time.monotonic()
        log.info("sweeping_without_queue")
        for task in (rescue, plan, deliver):
            try:
                task.call_local()
            except Exception:  # the database may be away as well; the next sweep tries again
                log.exception("sweep_failed", extra={"task": task.task_class.__name__})
        connection.close()


# ---------------------------------------------------------------- the consumer


def is_stopping() -> bool:
    """Return whether this process's consumer was told to stop."""
    return any(consumer.stop_flag.is_set() for consumer in _consumers)


class PunctualScheduler(Scheduler):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.interval = LOOK_AT_ALARMS_EVERY


class PunctualConsumer(Consumer):
    scheduler_class = PunctualScheduler


def create_consumer(**options: Any) -> Consumer:
    """Make Huey's consumer, and keep it at hand for its stop flag."""
    pool = getattr(HUEY.storage, "pool", None)
    if pool is not None:
        # Elsewhere a Redis that is away must not keep a web page waiting.
        pool.connection_kwargs["socket_timeout"] = CONSUMER_READ_TIMEOUT
    consumer = PunctualConsumer(HUEY, **options)
    _consumers.append(consumer)
    threading.Thread(target=sweep_without_queue, name="sweep", daemon=True).start()
    wake(heartbeat)  # show the worker at once, not at the next minute
    return consumer


HUEY.create_consumer = create_consumer
