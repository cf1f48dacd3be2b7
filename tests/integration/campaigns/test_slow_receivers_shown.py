"""The page says who asked us to slow down, and when it goes on."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation

from mailings.models import Attempt, Delivery, Mailing, Run
from mailings.reports import slow_receivers
from mailings.states import DeliveryStatus, MailingStatus, RunStatus
from tests import factories
from tests.integration.cabinet import speak

pytestmark = pytest.mark.django_db

GMAIL = "4.7.28 unusual rate of unsolicited mail originating from your IP. d2e1a72fcc - gsmtp"


@pytest.fixture
def run(client, owner) -> Run:
    client.force_login(owner)
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
    Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.RUNNING)
    mailing.refresh_from_db()
    now = timezone.now()
    return Run.objects.create(
        mailing=mailing, occurrence=1, scheduled_for=now, started_at=now, status=RunStatus.SENDING
    )


def wait_for(run: Run, address: str, reply: str, minutes: int, code: int = 421, tries: int = 1):
    delivery = Delivery.objects.create(
        run=run, address=address, status=DeliveryStatus.DEFERRED, attempt_count=tries,
        next_attempt_at=timezone.now() + timedelta(minutes=minutes),
    )  # fmt: skip
    if tries:
        Attempt.objects.create(
            delivery=delivery, number=1, started_at=timezone.now(), step="rcpt", code=code,
            outcome="temporary", enhanced_code=reply.split(maxsplit=1)[0], reply=reply,
        )  # fmt: skip
    run.deferred_count += 1
    run.targeted += 1
    run.save()


def test_the_first_time_of_each_receiver_is_told_and_nothing_of_others(run):
    wait_for(run, "a@gmail.com", GMAIL, 14)
    wait_for(run, "b@shop.example", GMAIL, 12)
    wait_for(run, "c@ya.ru", "4.7.1 too many messages", 3, code=451)
    wait_for(run, "d@gmail.com", "4.2.2 mailbox full", 1, code=452)
    wait_for(run, "e@gmail.com", "", 1, tries=0)  # not tried at all
    wait_for(run, "f@old.example", "4.7.1 Greylisted", 1, code=450)
    with translation.override("ru"):
        found = slow_receivers.of(run, timezone.now())
    assert [receiver.name for receiver in found] == ["Яндекс", "Gmail"]
    later = slow_receivers.of(run, timezone.now() + timedelta(minutes=13))
    assert [receiver.name for receiver in later] == ["Gmail"]
    assert slow_receivers.of(run, timezone.now() + timedelta(minutes=15)) == []


def test_a_mailing_that_is_paused_or_waits_for_nobody_says_nothing_and_asks_nothing(run):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert slow_receivers.of(run, timezone.now()) == []
    assert len(queries) == 0
    wait_for(run, "a@gmail.com", GMAIL, 14)
    run.mailing.status = MailingStatus.PAUSED
    assert slow_receivers.of(run, timezone.now()) == []


def test_a_look_costs_the_same_however_many_wait(run):
    costs = []
    for total in (3, 30, 300):
        for n in range(run.deferred_count, total):
            wait_for(run, f"a{n}@gmail.com", GMAIL, 14)
        with CaptureQueriesContext(connection) as queries:
            slow_receivers.of(run, timezone.now())
        costs.append(len(queries))
    assert costs == [2, 2, 2]


@pytest.mark.parametrize(
    ("language", "words"),
    [("ru", "Gmail просит не спешить"), ("en", "Gmail asked us to slow down")],
)
@pytest.mark.parametrize("live", [False, True])
def test_both_pages_say_it(client, run, language, words, live):
    wait_for(run, "a@gmail.com", GMAIL, 14)
    speak(run.mailing.owner, language)
    headers = {"HX-Request": "true", "HX-Target": "live"} if live else {}
    for row in (run.mailing, run):
        page = client.get(row.get_absolute_url(), headers=headers).content.decode()
        assert words in page
