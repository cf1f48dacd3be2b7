"""R1: a receiver that says “slow down” gets fewer mails; all others get theirs meanwhile."""

from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from mailings.delivery import worker
from mailings.delivery.queue import claiming
from mailings.delivery.session import receivers
from mailings.models import Attempt, Delivery, Run, Transport
from mailings.signals import deliveries_ready
from mailings.states import Outcome
from tests import factories
from tests.integration.delivery.test_session import (  # noqa: F401 - a fixture
    arrived,
    make_due,
    running,
    send,
    server,
    statuses,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

GMAIL = (
    "4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP"
    " address. d2e1a72fcca58-1234 - gsmtp"
)


def mixed(owner, gmail: int, others: int, **fields) -> Run:
    """Gmail's recipients first: they would hold up the others."""
    addresses = [f"g{n}@gmail.com" for n in range(gmail)]
    addresses += [f"o{n}@{'mail.ru' if n % 2 else 'example.org'}" for n in range(others)]
    clients = [factories.make_client(owner, email=email) for email in addresses]
    return running(owner, len(clients), clients=clients, **fields)


def rest_is_over() -> None:
    """Let the time pass for which somebody is left alone."""
    for group in worker.receivers.slow.values():
        group.rest_until = group.line_at = 0.0
    make_due()


@pytest.mark.parametrize(
    ("step", "reply"),
    [("rcpt", f"421 {GMAIL}"), ("rcpt", f"450 {GMAIL}"), ("dot", f"421 {GMAIL}")],
)
def test_gmail_is_left_alone_and_all_others_get_theirs(owner, server, step, reply):  # noqa: F811
    run = mixed(owner, 60, 60, connections=4)
    server.script[step] = {"*@gmail.com": reply}
    outcomes = send()
    assert outcomes[Outcome.ACCEPTED] == 60
    assert 1 <= outcomes[Outcome.TEMPORARY] <= 8  # what was on its way
    assert statuses(run) == {"sent": 60, "deferred": 60}
    assert not any(address.endswith("gmail.com") for address in arrived(server))
    assert Transport.objects.get().is_working
    assert not run.deliveries.filter(status="deferred").exclude(tries=0).exists()
    assert Attempt.objects.filter(outcome=Outcome.TEMPORARY).count() < 10

    waits = run.deliveries.filter(status="deferred").values_list("next_attempt_at", flat=True)
    least = timezone.now() + timedelta(seconds=receivers.REST / 2)
    assert all(least < at < least + timedelta(minutes=12) for at in waits)
    assert send() == {}, "nothing is due, nobody is woken for nothing"

    server.script.clear()
    rest_is_over()
    while Delivery.objects.exclude(status="sent").exists():
        send()
        rest_is_over()
    assert statuses(run) == {"sent": 120}
    assert set(arrived(server).values()) == {1}


def test_while_it_rests_what_comes_due_is_not_tried_and_waits_on(owner, server):  # noqa: F811
    run = mixed(owner, 20, 0)
    server.script["rcpt"] = {"*@gmail.com": f"450 {GMAIL}"}
    send()
    tried, number = Attempt.objects.count(), server.count_of("RCPT")
    make_due()
    assert send() == {}
    assert (Attempt.objects.count(), server.count_of("RCPT")) == (tried, number)
    assert statuses(run) == {"deferred": 20}
    assert claiming.next_due(timezone.now()) is not None


def test_a_worker_is_woken_when_the_rest_is_over(owner, server):  # noqa: F811
    mixed(owner, 5, 5)
    server.script["rcpt"] = {"*@gmail.com": f"450 {GMAIL}"}
    rung = []

    def listen(**kwargs) -> None:
        rung.append(kwargs["at"])

    deliveries_ready.connect(listen)
    try:
        send()
    finally:
        deliveries_ready.disconnect(listen)
    due = Delivery.objects.exclude(next_attempt_at=None).order_by("next_attempt_at")
    assert due[0].next_attempt_at in rung


def test_it_comes_back_step_by_step(owner, server, monkeypatch):  # noqa: F811
    run = mixed(owner, 40, 0)
    monkeypatch.setattr(receivers, "GROW_EVERY", 0.0)
    server.script["rcpt"] = [f"450 {GMAIL}"]
    send()
    slow = worker.receivers.slow["gmail"]
    assert slow.rate == receivers.RATE
    rest_is_over()
    send()
    rest_is_over()
    send()
    assert statuses(run) == {"sent": 40}
    assert slow.rate >= receivers.RATE * receivers.GROWTH


def test_a_mailing_that_ends_meanwhile_leaves_nobody_open(owner, server):  # noqa: F811
    run = mixed(owner, 10, 10)
    server.script["rcpt"] = {"*@gmail.com": f"450 {GMAIL}"}
    send()
    run.mailing.__class__.objects.update(end_at=timezone.now() - timedelta(seconds=1))
    make_due()
    send()
    from mailings.delivery.runs import closing

    closing.sweep(timezone.now())
    assert statuses(run) == {"sent": 10, "expired": 10}


def test_a_service_that_says_so_of_everybody_rests_itself(owner, server, monkeypatch):  # noqa: F811
    monkeypatch.setattr("mailings.delivery.session.connection_pool.SLOW_DOWN", 1.0)
    monkeypatch.setattr(receivers, "REST_OF_UNKNOWN", 1.0)
    clients = [factories.make_client(owner, email=f"c{n}@d{n}.example") for n in range(30)]
    run = running(owner, 30, clients=clients, connections=5)
    server.script["rcpt"] = ["450 4.7.1 too many mails, slow down"] * 2
    assert send() == {Outcome.TEMPORARY: 2, Outcome.ACCEPTED: 28}
    assert statuses(run) == {"sent": 28, "deferred": 2}
    assert Counter(run.deliveries.values_list("tries", flat=True))[1] == 30
