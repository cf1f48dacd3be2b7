"""The host's clock is set in the middle of a session: leases, waits and the log do not follow."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
import time_machine
from django.db import connections

from mailings.delivery import worker
from mailings.delivery.queue import claiming, lease
from mailings.models import Attempt, Delivery, Mailing, WorkerLease
from mailings.timing import clock
from tests.integration.delivery.test_session import arrived, impatient, running, send
from tests.smtp_faults import Wait
from tests.smtpd import SmtpServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

MINUTE = timedelta(minutes=1)
JUMPS = {"forward": timedelta(hours=2), "back": timedelta(hours=-2)}


@pytest.fixture
def server(transactional_db, settings, monkeypatch) -> Iterator[SmtpServer]:
    with SmtpServer({"dot": {"*": Wait(0.02)}}) as server:
        settings.EMAIL_URL = server.url
        monkeypatch.setattr(worker, "connector", impatient)
        yield server


class Clock:
    """The true time, whatever the host's clock says; sets that at the first result."""

    def __init__(self, jump: timedelta) -> None:
        self._began, self._began_at = time.monotonic(), datetime.now(UTC)
        self._jump = jump
        self._travel: time_machine.travel | None = None
        self.leases: list[tuple[datetime, WorkerLease]] = []

    @property
    def now(self) -> datetime:
        return self._began_at + timedelta(seconds=time.monotonic() - self._began)

    def set(self, result: object) -> None:
        if self._travel is None:
            self._travel = time_machine.travel(self.now + self._jump, tick=True)
            self._travel.start()
        self.leases += [(self.now, row) for row in WorkerLease.objects.all()]

    def set_right(self) -> None:
        if self._travel is not None:
            self._travel.stop()


@pytest.fixture(params=JUMPS.values(), ids=JUMPS)
def host(request) -> Iterator[Clock]:
    host = Clock(request.param)
    yield host
    host.set_right()


def test_leases_waits_and_the_log_keep_the_time(owner, server, host):
    server.script["rcpt"] = [None] * 10 + ["450 4.2.0 later"] * 10
    run = running(owner, 40, connections=2)
    send(on_result=host.set)
    # Leases: written for the next 25 minutes, and renewed all the time.
    assert len(host.leases) > 10
    for at, row in host.leases:
        assert abs(row.heartbeat_at - at) < MINUTE
        assert abs(row.expires_at - at - lease.length()) < MINUTE
    # Waits: five minutes, a fifth more or less.
    waits = [at - host.now for at in run.deliveries.values_list("next_attempt_at", flat=True) if at]
    assert len(waits) == 10
    assert all(3 * MINUTE < wait < 7 * MINUTE for wait in waits)
    # The log, in the order of the tries, and the letters' own dates.
    times = Attempt.objects.order_by("pk").values_list("started_at", flat=True)
    assert len(times) == 40
    assert all(abs(at - host.now) < MINUTE for at in times)
    for message in server.messages:
        line = next(x for x in message.content.split(b"\r\n") if x.startswith(b"Date: "))
        assert abs(parsedate_to_datetime(line[6:].decode()) - host.now) < MINUTE


def test_nothing_is_tried_after_the_end_or_long_before_its_time(owner, server, host):
    """What waits is not due because the host says so, and the end comes when it comes."""
    run = running(owner, 30, connections=1)
    later = list(run.deliveries.order_by("-pk").values_list("pk", flat=True)[:3])
    Delivery.objects.filter(pk__in=later).update(
        status="deferred", next_attempt_at=host.now + 30 * MINUTE
    )
    type(run).objects.filter(pk=run.pk).update(deferred_count=3)
    end = host.now + timedelta(seconds=2.5)
    Mailing.objects.update(end_at=end)
    server.script["dot"] = {"*": Wait(0.25)}
    send(on_result=host.set)
    started = Attempt.objects.values_list("started_at", flat=True)
    assert 2 <= len(started) < 27
    assert max(started) < end + timedelta(seconds=1)
    assert not Attempt.objects.filter(delivery__in=later).exists()
    assert set(arrived(server).values()) == {1}


def test_rescue_beside_a_session_takes_nobody_for_dead(owner, server, host):
    """It runs in the same process, each minute."""
    run = running(owner, 60, connections=2)
    rescued: list[int] = []
    done = threading.Event()

    def rescue() -> None:
        while not done.wait(0.05):
            rescued.append(claiming.rescue_expired(clock.now()))
        connections.close_all()

    rescuer = threading.Thread(target=rescue)
    rescuer.start()
    try:
        send(on_result=host.set)
    finally:
        done.set()
        rescuer.join()
    assert len(rescued) > 3
    assert set(rescued) == {0}
    assert set(run.deliveries.values_list("status", flat=True)) == {"sent"}
    assert set(arrived(server).values()) == {1}
