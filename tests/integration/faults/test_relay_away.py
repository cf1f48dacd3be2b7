"""The mail service goes and comes back, or is slow: nothing is lost, nobody is charged, pages are
served."""

import time

import pytest

from tests.integration.faults.conftest import CONNECTIONS
from tests.site import wait_for
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.slow

BREAKER = "SELECT breaker_state FROM mailings_transport"
UNCERTAIN = "SELECT count(*) FROM mailings_attempt WHERE outcome = 'uncertain'"
PAUSE_IS_OVER = (
    "UPDATE mailings_transport SET breaker_until = now() WHERE breaker_state <> 'closed'"
)


def test_relay_that_goes_in_mid_mailing_gets_everything_when_it_is_back(service, relay):
    relay.need(0.02)
    service.mailing(500)
    workers = 2
    with service.workers(workers):
        service.wait_for_mails(50)
        relay.kill()
        with SmtpServer({"banner": "421 4.3.2 closed for repairs"}, port=relay.port) as closed:
            wait_for(
                lambda: service.value(BREAKER) == "open",
                timeout=30,
                message=service.trouble("the breaker does not open"),
            )
            time.sleep(1)  # what was connecting when it opened
            for _ in range(3):
                before = closed.connections
                time.sleep(1)
                assert closed.connections == before, "a herd knocks at a closed door"
                service.sql(PAUSE_IS_OVER)
                service.make_due()
                wait_for(
                    lambda before=before: closed.connections > before,
                    timeout=30,
                    message="no probe went",
                )
                time.sleep(1)
                assert closed.connections == before + 1, "more than one probe"
                assert service.value(BREAKER) == "open"
        before = relay.connections()
        relay.start()
        service.sql(PAUSE_IS_OVER)
        wait_for(
            lambda: service.value(BREAKER) == "closed",
            timeout=30,
            message=service.trouble("the breaker does not close"),
        )
        service.make_due()
        service.wait_until_settled()
    service.check()
    assert service.statuses() == {"sent": 500}
    # The killed relay may have taken a mail and not come to say so: then, and only then, it goes
    # once more.
    assert service.surplus() <= service.value(UNCERTAIN)
    assert service.surplus() <= workers * CONNECTIONS
    charged = service.value(
        "SELECT count(*) FROM mailings_delivery d WHERE tries <> (SELECT count(*)"
        " FROM mailings_attempt a WHERE a.delivery_id = d.id AND outcome <> 'unavailable')"
    )
    assert charged == 0
    # One of its own to see that it is there; connections are used for many mails.
    assert relay.connections() - before <= 1 + workers * (CONNECTIONS + 1) + 500 // 50


def test_slow_relay_slows_no_page_and_no_start(service, relay):
    """It needs five seconds a mail. Meanwhile people read, and their next mailing is planned."""
    relay.need(5)
    service.mailing(10 * CONNECTIONS)
    with service.workers(1), service.web() as browser:
        wait_for(
            lambda: service.sql("SELECT 1 FROM mailings_workerlease WHERE in_flight <> '[]'"),
            timeout=30,
            message="nothing is being sent",
        )
        began = time.monotonic()
        for path in ["/app/", "/app/mailings/", "/app/clients/", "/readyz"] * 3:
            assert browser.get(path)[0] == 200
        assert time.monotonic() - began < 30  # a tenth of a second each on an idle machine
        second = service.mailing(1, name="second")
        wait_for(
            lambda: service.mailing_status(second) == "running",
            timeout=20,
            message="the second mailing is not planned",
        )
    assert relay.count() < 10 * CONNECTIONS
