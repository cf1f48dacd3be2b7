"""A mailing is held in the moment in which its worker is told to end, again and again: what the
relay accepted is counted there, and nobody gets two copies."""

import random
import signal
import socket
import threading
import time
from typing import Self

import pytest

from tests.integration.faults.conftest import CONNECTIONS
from tests.site import wait_for

pytestmark = pytest.mark.slow

HOLDS = {
    "pause": (
        "UPDATE mailings_mailing SET status = 'paused'",
        "UPDATE mailings_mailing SET status = 'running'",
    ),
    "stop": (
        "UPDATE mailings_mailing SET status = 'stopped'",
        "UPDATE mailings_mailing SET status = 'running'",
    ),
    "block": (
        "UPDATE accounts_user SET is_active = false",
        "UPDATE accounts_user SET is_active = true",
    ),
}
ROUNDS = 4


@pytest.mark.parametrize("kind", HOLDS)
def test_hold_and_sigterm_at_once_make_no_copy(make_service, relay, kind):
    hold, release = HOLDS[kind]
    dice = random.Random(kind)
    service = make_service(UNCERTAIN_RESENDS=0)
    relay.need(0.2)
    number = 40 * CONNECTIONS
    service.mailing(number)
    for _ in range(ROUNDS):
        before = relay.count()
        worker = service.work()
        service.wait_for_mails(before + CONNECTIONS // 2)
        time.sleep(dice.uniform(0, 0.1))
        if dice.random() < 0.7:
            service.sql(hold)
            worker.send(signal.SIGTERM)
        else:
            worker.send(signal.SIGTERM)
            service.sql(hold)
        assert worker.wait() == 0
        assert service.value("SELECT count(*) FROM mailings_workerlease") == 0
        service.sql(release)
    assert relay.count() < number, "the holds came too late to mean anything"
    relay.need(0)
    with service.workers(1):
        service.wait_until_settled()
    assert service.surplus() == 0
    assert relay.count() == number
    assert service.statuses() == {"sent": number}
    assert "session_crashed" not in service.workshop.log.read_text()
    service.check()


def test_kills_with_nothing_handed_over_make_no_delivery_fail(make_service, relay):
    """A relay that says nothing at all: three workers die while they wait for its greeting."""
    service = make_service(UNCERTAIN_RESENDS=0)
    with SilentPort() as port:
        service.mailing(1)
        for _ in range(4):
            met = port.met
            worker = service.work(EMAIL_URL=f"smtp://127.0.0.1:{port.number}")
            wait_for(
                lambda met=met: port.met > met, timeout=30, message=service.trouble("no connection")
            )
            assert worker.end(signal.SIGKILL) == -signal.SIGKILL
        assert service.statuses() == {"pending": 1}
    with service.workers(1):
        service.wait_until_settled()
    assert service.statuses() == {"sent": 1}
    assert service.outcomes() == {"accepted": 1}
    service.check()


class SilentPort:
    """Accepts connections, and counts them."""

    def __enter__(self) -> Self:
        self.met = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.number = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._meet, daemon=True).start()
        return self

    def _meet(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._open.append(connection)
            self.met += 1

    def __exit__(self, *exception: object) -> None:
        for one in [*self._open, self._socket]:
            one.close()
