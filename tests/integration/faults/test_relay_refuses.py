"""R2: the relay answers, and refuses everybody alike. Workers in processes of their own; what they
asked is counted at the relay."""

import time

import pytest

from tests.integration.faults.conftest import CONNECTIONS
from tests.integration.faults.test_relay_away import BREAKER, PAUSE_IS_OVER
from tests.site import wait_for
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.slow

PEOPLE = 40
WORKERS = 2
AT_ONCE = 5 + WORKERS * CONNECTIONS
"""What is on its way when the fifth refusal is written."""
NOT_CHARGED = "SELECT count(*) FROM mailings_delivery WHERE tries > 0"
PAUSED = "SELECT count(*) FROM mailings_mailing WHERE status = 'paused' AND status_actor = 'system'"


@pytest.fixture
def refusing(relay):
    """A scripted server in the place of the relay."""
    relay.kill()
    with SmtpServer(port=relay.port) as server:
        yield server


@pytest.mark.parametrize(
    "script",
    [
        {"rcpt": "554 5.7.1 <x@example.org>: Relay access denied"},
        {"rcpt": "530 5.7.0 Authentication required"},
        {"rcpt": "450 4.7.1 daily quota exceeded"},
        {"rcpt": "552 5.7.1 quota of the account exceeded"},
    ],
    ids=["relay denied", "log-in lost", "quota for now", "quota"],
)
def test_a_relay_that_passes_nothing_on_is_left_alone_and_nobody_fails(
    service, relay, refusing, script
):
    refusing.script.update(script)
    service.mailing(PEOPLE)
    with service.workers(WORKERS):
        wait_for(
            lambda: service.value(BREAKER) == "open",
            timeout=60,
            message=service.trouble("the breaker does not open"),
        )
        time.sleep(1)  # what was on its way when it opened
        asked = refusing.count_of("RCPT")
        assert asked <= AT_ONCE
        time.sleep(2)
        assert refusing.count_of("RCPT") == asked, "a service that rests is asked"
        for _ in range(3):
            before = refusing.count_of("RCPT")
            service.sql(PAUSE_IS_OVER)
            service.make_due()
            wait_for(
                lambda before=before: refusing.count_of("RCPT") > before,
                timeout=60,
                message=service.trouble("no probe went"),
            )
            time.sleep(1)
            assert refusing.count_of("RCPT") == before + 1, "more than one probe"
        assert set(service.statuses()) <= {"pending", "sending", "deferred"}
        assert service.value(NOT_CHARGED) == 0

        refusing.stop()
        relay.start()
        service.sql(PAUSE_IS_OVER)
        wait_for(
            lambda: service.value(BREAKER) == "closed",
            timeout=60,
            message=service.trouble("the breaker does not close"),
        )
        service.make_due()
        service.wait_until_settled()
    service.check()
    assert service.statuses() == {"sent": PEOPLE}


def test_everybody_refused_in_the_same_words_pauses_before_more_than_a_few_fail(
    service, relay, refusing
):
    refusing.script["rcpt"] = "550 5.7.1 Message rejected due to local policy"
    mailing = service.mailing(200)
    with service.workers(WORKERS):
        wait_for(
            lambda: service.value(PAUSED) == 1,
            timeout=60,
            message=service.trouble("the mailing is not paused"),
        )
        time.sleep(1)
    assert refusing.count_of("RCPT") <= 10 + 2 * WORKERS * CONNECTIONS
    assert service.statuses().get("failed", 0) <= WORKERS  # the first of each
    assert "local policy" in service.value(
        "SELECT status_reason FROM mailings_mailing WHERE id = %s", mailing
    )
    service.check()
