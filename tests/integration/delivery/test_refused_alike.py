"""A mail service that refuses everybody alike: nobody is failed for what is not their fault.

What the service was asked is counted by the scripted server itself.
"""

import pytest
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery.runs import holding, planning
from mailings.models import Mailing, Transport
from mailings.states import MailingStatus, Outcome
from mailings.suppression import stop_list
from tests import factories
from tests.integration.delivery.test_session import (
    arrived,
    make_due,
    running,
    send,
    server,
    statuses,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

__all__ = ["server"]

PEOPLE = 40
CONNECTIONS = 4

OF_THE_SERVICE = {
    "relay denied": {"rcpt": "554 5.7.1 <x@example.org>: Relay access denied"},
    "relay denied, without a code": {"rcpt": "550 relay not permitted"},
    "relay denied for now": {"rcpt": "454 4.7.1 <x@example.org>: Relay access denied"},
    "relay denied after the letter": {"dot": "554 5.7.1 Relay access denied"},
    "log-in lost at MAIL": {"mail": "530 5.7.0 Authentication required"},
    "log-in lost at RCPT": {"rcpt": "535 5.7.8 Authentication credentials invalid"},
    "log-in lost, as a refusal": {"rcpt": "550 5.7.1 Client was not authenticated"},
    "quota": {"rcpt": "450 4.7.1 daily quota exceeded"},
    "quota at MAIL": {"mail": "452 4.3.1 daily sending quota exceeded"},
    "quota for good": {"rcpt": "552 5.7.1 quota of the account is used up"},
    "quota, Gmail": {"dot": "550 5.4.5 Daily user sending limit exceeded. - gsmtp"},
    "quota, SES": {"dot": "454 Throttling failure: Daily message quota exceeded."},
}


@pytest.mark.parametrize("script", OF_THE_SERVICE.values(), ids=OF_THE_SERVICE)
def test_a_service_that_passes_nothing_on_is_left_alone(owner, server, script):
    run = running(owner, PEOPLE, connections=CONNECTIONS)
    server.script.update(script)
    tried = send()
    assert set(tried) == {Outcome.UNAVAILABLE}
    assert sum(tried.values()) <= 5 + CONNECTIONS
    assert server.count_of("RCPT") <= 5 + 3 * CONNECTIONS  # one ahead, behind a letter
    assert Transport.objects.get().breaker_state == "open"
    for _ in range(3):  # one probe each
        before = server.count_of("RCPT"), server.count_of("MAIL")
        make_due()
        assert send() == {Outcome.UNAVAILABLE: 1}
        assert server.count_of("RCPT") - before[0] <= 1
        assert server.count_of("MAIL") - before[1] <= 1
    assert set(statuses(run)) == {"pending", "deferred"}
    assert set(run.deliveries.values_list("tries", flat=True)) == {0}
    assert send() == {}  # it rests

    server.script.clear()
    for _ in range(5):
        make_due()
        send()
    assert statuses(run) == {"sent": PEOPLE}
    assert set(arrived(server).values()) == {1}


def test_a_log_in_that_is_lost_in_mid_session_fails_nobody(owner, server):
    run = running(owner, PEOPLE, connections=CONNECTIONS)
    server.script["rcpt"] = [None] * 10 + ["554 5.7.1 Relay access denied"] * 1000
    tried = send()
    assert tried[Outcome.ACCEPTED] == 10
    assert set(statuses(run)) == {"sent", "pending", "deferred"}
    assert server.count_of("RCPT") <= 10 + 5 + 2 * CONNECTIONS

    server.script.clear()
    for _ in range(5):
        make_due()
        send()
    assert statuses(run) == {"sent": PEOPLE}


def test_one_whom_the_service_never_passes_on_is_failed_in_the_end(owner, server):
    """Others are sent meanwhile: it is not the service."""
    run = running(owner, 3, connections=1)
    stranger = run.deliveries.order_by("pk").last().address
    server.script["rcpt"] = {stranger: "550 5.7.1 Relaying denied"}
    for _ in range(20):
        make_due()
        # Somebody else's mailing, all of whose mails are taken.
        running_again(owner, 2)
        send()
        if "deferred" not in statuses(run):
            break
    assert statuses(run) == {"sent": 2, "failed": 1}
    assert run.deliveries.get(address=stranger).attempts.count() == 10
    assert not stop_list.suppressed_among(owner.pk, [stranger])


def running_again(owner, count: int) -> None:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())


OF_THE_SENDING = {
    "policy": "550 5.7.1 Message rejected due to local policy",
    "reputation": "554 5.7.1 Client host [192.0.2.1] blocked using zen.example",
    "no words": "550 no",
}


@pytest.mark.parametrize("words", OF_THE_SENDING.values(), ids=OF_THE_SENDING)
def test_everybody_refused_in_the_same_words_pauses_the_mailing(owner, server, words):
    people = 150  # more than a worker reads ahead
    run = running(owner, people, connections=CONNECTIONS)
    server.script["rcpt"] = words
    send()
    mailing = Mailing.objects.get()
    assert mailing.is_paused_by_system
    assert words.split(" ", 1)[1].removeprefix("5.7.1 ") in mailing.status_reason
    assert server.count_of("RCPT") <= holding.ALIKE_REFUSALS + 2 * CONNECTIONS
    settled = statuses(run)
    assert settled.pop("failed") == 1  # the first, before anybody could know
    assert set(settled) == {"pending", "deferred"}
    addresses = list(run.deliveries.values_list("address", flat=True))
    assert not stop_list.suppressed_among(owner.pk, addresses)

    server.script.clear()
    services.resume_mailing(mailing=mailing, by=owner)
    make_due()
    send()
    assert statuses(run) == {"sent": people - 1, "failed": 1}


def test_the_rule_holds_over_sessions_that_see_one_refusal_each(owner, server):
    running(owner, PEOPLE, connections=1)
    server.script["rcpt"] = OF_THE_SENDING["policy"]
    for _ in range(holding.ALIKE_REFUSALS):
        seen: list[object] = []
        send(on_result=seen.append, stopping=lambda seen=seen: bool(seen))
    assert Mailing.objects.get().status == MailingStatus.PAUSED
    assert server.count_of("RCPT") <= 2 * holding.ALIKE_REFUSALS


def test_few_who_are_refused_alike_fail_in_the_end(owner, server):
    run = running(owner, 2, connections=1)
    server.script["rcpt"] = OF_THE_SENDING["policy"]
    for _ in range(3):
        make_due()
        send()
    assert statuses(run) == {"failed": 2}


def test_refusals_among_acceptances_pause_nothing_and_fail_at_once(owner, server):
    run = running(owner, 60, connections=1)
    addresses = list(run.deliveries.order_by("pk").values_list("address", flat=True))
    refused = addresses[1::2]
    server.script["rcpt"] = dict.fromkeys(refused, OF_THE_SENDING["policy"])
    send()
    assert statuses(run) == {"sent": 30, "failed": 30}


def test_dead_mailboxes_in_a_row_are_failed_and_suppressed(owner, server):
    run = running(owner, 30, connections=2)
    server.script["rcpt"] = "550 5.7.1 No such user!"
    send()
    assert statuses(run) == {"failed": 30}
    addresses = list(run.deliveries.values_list("address", flat=True))
    assert len(stop_list.suppressed_among(owner.pk, addresses)) == 30
    assert Mailing.objects.get().status == MailingStatus.COMPLETED


def test_a_letter_too_large_is_no_fault_of_the_sender(owner, server):
    run = running(owner, PEOPLE, connections=CONNECTIONS)
    server.script["mail"] = "552 5.3.4 Message size exceeds fixed limit"
    send()
    mailing = Mailing.objects.get()
    assert mailing.is_paused_by_system
    assert "exceeds fixed limit" in mailing.status_reason
    assert "письмо" in mailing.status_reason.lower() or "message" in mailing.status_reason.lower()
    assert "failed" not in statuses(run)
