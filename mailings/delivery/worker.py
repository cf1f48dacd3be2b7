"""Begins a worker's session, one a process at a time, on the mail services that may be used."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError

from mailings.delivery import event_loop
from mailings.delivery.queue import claiming, daily_limit
from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.runs import closing, composing
from mailings.delivery.session.circuit_breaker import (
    CircuitBreaker,
    transports_in_use,
)
from mailings.delivery.session.connection_pool import PoolConfig
from mailings.delivery.session.daily_meter import DailyMeter
from mailings.delivery.session.mail_exchangers import MailExchangers
from mailings.delivery.session.rate_limits import RateLimits, read_domain_limits
from mailings.delivery.session.receivers import Receivers
from mailings.delivery.session.session import Session
from mailings.delivery.single_flight import SingleFlight, never
from mailings.delivery.transports import connector
from mailings.delivery.transports.kinds import TransportKind, kind_of
from mailings.models import Run, Transport
from mailings.signals import deliveries_ready
from mailings.states import Outcome
from mailings.timing import clock, steady

log = logging.getLogger(__name__)

_single_flight = SingleFlight()
_session: Session | None = None

_exchangers = MailExchangers()


def _by_mx(domain: str) -> str:
    return _exchangers.group_of(domain) if settings.MX_LOOKUPS else ""


receivers = Receivers(_by_mx)
"""What the sessions of this process have heard of those who receive the mails."""


def deliver(
    *, stopping: Callable[[], bool], more_comes: Callable[[], bool] = never
) -> Counter[Outcome]:
    """Send what is due. One session a process: a second call makes the first one look again.

    It stays while `more_comes`: fifty runs that begin one after the other need no fifty sessions.
    """
    total: Counter[Outcome] = Counter()
    if _session is not None:
        _session.look()

    def work() -> None:
        total.update(send_due(stopping=stopping, more_comes=more_comes))

    _single_flight.run(work, stopping=stopping)
    return total


def ignore_result(result: AttemptResult) -> None:
    """Listen to results and do nothing."""


def send_due(
    *,
    stopping: Callable[[], bool],
    more_comes: Callable[[], bool] = never,
    mailing_id: int | None = None,
    on_result: Callable[[AttemptResult], None] = ignore_result,
) -> Counter[Outcome]:
    """Work until nothing is due, every mail service must rest, or the process is to stop."""
    with steady.held():
        return _send_due(stopping, more_comes, mailing_id, on_result)


def _send_due(
    stopping: Callable[[], bool],
    more_comes: Callable[[], bool],
    mailing_id: int | None,
    on_result: Callable[[AttemptResult], None],
) -> Counter[Outcome]:
    now = clock.now()
    if not claiming.has_due(now, mailing_id=mailing_id):
        return Counter()
    configs = _pool_configs(now)
    outcomes: Counter[Outcome] = Counter()
    if configs:
        try:
            session = event_loop.run(
                _run(
                    configs,
                    stopping=stopping,
                    more_comes=more_comes,
                    mailing_id=mailing_id,
                    receivers=receivers,
                    on_result=on_result,
                )
            )
        finally:
            _close_meters(configs)  # also after a fault of our own: it may come again each minute
        outcomes = session.outcomes
        if session.has_failed:
            return outcomes  # the next one begins in a minute, when its lease may be rescued
        closing.sweep(clock.now())
        for config in configs:
            if config.is_probe and not outcomes:
                CircuitBreaker(config.transport_id).return_probe(clock.now())
    _set_alarm(clock.now(), mailing_id)
    return outcomes


def _close_meters(configs: list[PoolConfig]) -> None:
    for config in configs:
        if config.meter is not None:
            try:
                config.meter.close()
            except DatabaseError:  # the day has fewer, as after a `kill -9`
                facts = {"transport_id": config.transport_id}
                log.warning("mails_not_given_back", extra=facts, exc_info=True)


async def _run(configs: list[PoolConfig], **options: object) -> Session:
    global _session  # noqa: PLW0603 - one a process, and tasks must find it
    session = _session = Session(configs, **options)  # type: ignore[arg-type]
    try:
        with _little_collecting():
            await session.run()
    finally:
        _session = None
    return session


COLLECT_EVERY = 50_000
"""Objects made and not freed yet. A session holds some thousand mails, none of them in a circle."""


@contextmanager
def _little_collecting() -> Iterator[None]:
    """Have the cycle collector look seldom, and not at what was there before: by default it goes
    through all of Django again and again, which takes a twentieth of the time."""
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(COLLECT_EVERY, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _pool_configs(now: datetime) -> list[PoolConfig]:
    """Return the services that may be used now, one of those that rest perhaps as a probe; none
    whose day is used up."""
    configs = []
    for transport in transports_in_use():
        daily_limit.set_right(transport, now)
        if daily_limit.today(transport, now).is_used_up:
            continue
        permitted = CircuitBreaker(transport.pk).permit(transport.max_connections, now)
        if permitted:
            configs.append(_pool_config(transport, now))
    return configs


WORKED_LATELY = timedelta(minutes=15)
"""A service that has passed nothing on for so long may do so with nobody."""


def _pool_config(transport: Transport, now: datetime) -> PoolConfig:
    url = transport.url or settings.EMAIL_URL
    connect = connector(
        url,
        local_name=composing.sender_domain(),
        mails_per_connection=transport.mails_per_connection,
    )
    limits = RateLimits(
        connections=transport.max_connections,
        rate_per_minute=transport.rate_per_minute,
        domain_limits=read_domain_limits(transport.domain_limits),
    )
    day = daily_limit.today(transport, now)
    worked = transport.last_ok_at is not None and now - transport.last_ok_at < WORKED_LATELY
    return PoolConfig(
        transport.pk,
        connect,
        limits,
        meter=None if day.allowed is None else DailyMeter(transport),
        is_probe=not transport.is_working,
        signs_itself=kind_of(url) is TransportKind.HTTP_API,
        worked_lately=worked,
    )


def _opening(now: datetime) -> datetime:
    """Return when the first of the services may be used."""
    openings = []
    for transport in transports_in_use():
        day = daily_limit.today(transport, now)
        openings.append(max(transport.breaker_until or now, day.ends_at if day.is_used_up else now))
    return min(openings)


def _set_alarm(now: datetime, mailing_id: int | None) -> None:
    """Have a worker woken for what a session leaves: other tries, a service that rests."""
    alarms = [claiming.next_due(now)]
    if claiming.has_due(now, mailing_id=mailing_id):
        alarms.append(max(now, _opening(now)))
    for at in alarms:
        if at is not None:
            deliveries_ready.send_robust(Run, at=at)
