"""Hosts whose clocks are wrong: the database's clock decides what is due."""

import time

import pytest

from tests.integration.faults.test_killed_workers import LATER

pytestmark = pytest.mark.slow

SHIFT = """
from datetime import UTC, datetime, timedelta
import time_machine
time_machine.travel(datetime.now(UTC) + timedelta(hours={}), tick=True).start()
"""

FARTHEST = "SELECT max(abs(extract(epoch FROM started_at - now()))) FROM mailings_attempt"


@pytest.fixture(params=[5, -5], ids=["ahead", "behind"])
def shift(request) -> str:
    return SHIFT.format(request.param)


def test_worker_with_a_wrong_clock_starts_nothing_early_and_nothing_late(service, relay, shift):
    service.mailing(40)
    later = service.run(LATER, "later", time.time() + 3600)
    relay.need(0.05)
    with service.workers(1, before=shift), service.workers(1):
        service.wait_until_settled()
        time.sleep(1)
    assert service.statuses() == {"sent": 40}
    assert service.mailing_status(later) == "created"
    assert service.outcomes() == {"accepted": 40}  # none was taken from a living worker
    service.check()


def test_attempts_bear_the_databases_time(service):
    service.mailing(5)
    with service.workers(1, before=SHIFT.format(5)):
        service.wait_until_settled()
    assert service.value(FARTHEST) < 600
    service.check()
