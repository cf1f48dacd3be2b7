"""Mailings through an HTTP API, from claim to record: FAULTS as a mailing meets them."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import proof_sending, worker
from mailings.delivery.runs import invariants, planning
from mailings.delivery.session import circuit_breaker
from mailings.messages import proofs
from mailings.models import Attempt, Transport
from mailings.states import MailingStatus, Outcome
from mailings.timing import clock
from tests import factories
from tests.http_api import HttpApi, Request, Script, hang, recipient, reply, say, take

pytestmark = pytest.mark.slow


@pytest.fixture
def api(transactional_db) -> Iterator[HttpApi]:
    with HttpApi(choose=take) as api:
        Transport.objects.create(name="API", url=api.url(), max_connections=1)
        yield api
    assert list(invariants.broken(clock.now())) == []


def running(owner, count: int):
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, count))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def send() -> Counter:
    return worker.send_due(stopping=lambda: False)


def test_each_recipient_gets_the_rendered_mail_once(owner, api):
    Transport.objects.update(max_connections=4)
    run = running(owner, 30)
    assert send() == {Outcome.ACCEPTED: 30}
    addresses = set(run.deliveries.values_list("address", flat=True))
    assert sorted(map(recipient, api.requests)) == sorted(addresses)
    attempt = Attempt.objects.first()
    assert (attempt.step, attempt.code) == ("http", 200)
    assert "m1" in attempt.reply


def test_refusals_and_what_nobody_understood_are_each_recipients_own(owner, api):
    run = running(owner, 3)
    one, two, three = run.deliveries.order_by("pk").values_list("address", flat=True)

    def choose(request: Request) -> Script:
        answers = {one: reply(422), two: reply(200, "<html>"), three: take(request)}
        return answers[recipient(request)]

    api.choose = choose
    assert send() == {Outcome.PERMANENT: 1, Outcome.UNCERTAIN: 1, Outcome.ACCEPTED: 1}
    found = dict(run.deliveries.values_list("address", "status"))
    assert found == {one: "failed", two: "uncertain", three: "sent"}


def test_too_many_rests_as_long_as_asked_and_costs_nobody_a_try(owner, api):
    run = running(owner, 6)
    since: list[float] = []

    def choose(request: Request) -> Script:
        since.append(time.monotonic())
        return reply(429, Retry_After="2") if len(since) == 4 else take(request)

    api.choose = choose
    assert send() == {Outcome.ACCEPTED: 6}
    assert since[4] - since[3] >= 2
    assert set(run.deliveries.values_list("status", "attempt_count", "tries")) == {("sent", 1, 1)}
    assert Transport.objects.get().breaker_state == "closed"


def test_too_many_from_the_first_mail_on_is_told_and_opens_the_breaker(owner, api):
    run = running(owner, 8)
    api.choose = lambda request: reply(429, Retry_After="1")
    assert send() == {Outcome.UNAVAILABLE: circuit_breaker.FAULTS_IN_A_ROW}
    transport = Transport.objects.get()
    assert transport.breaker_state == "open"
    assert set(run.deliveries.values_list("tries", flat=True)) == {0}


def test_a_long_rest_is_kept_for_the_next_try_as_well(owner, api):
    run = running(owner, 1)
    api.choose = lambda request: reply(503, Retry_After="1800")
    assert send()[Outcome.UNAVAILABLE] == 1
    (at,) = run.deliveries.values_list("next_attempt_at", flat=True)
    assert at > timezone.now() + timedelta(minutes=29)


def test_a_refused_key_pauses_at_once_for_long(owner, api):
    running(owner, 4)
    api.choose = lambda request: reply(401, "no such token")
    assert send() == {Outcome.UNAVAILABLE: 1}
    transport = Transport.objects.get()
    assert transport.breaker_until > timezone.now() + timedelta(minutes=14)
    assert transport.last_error == "auth: no such token"
    assert len(api.requests) == 1


def test_a_service_that_is_away_charges_nobody_and_everything_is_sent_afterwards(owner, api):
    run = running(owner, 9)
    api.choose = lambda request: reply(502)
    assert send() == {Outcome.UNAVAILABLE: circuit_breaker.FAULTS_IN_A_ROW}
    api.choose = take
    past = timezone.now() - timedelta(seconds=1)
    Transport.objects.update(breaker_until=past)
    run.deliveries.filter(status="deferred").update(next_attempt_at=past)
    assert send() == {Outcome.ACCEPTED: 9}
    # Only the try that was taken counts.
    assert set(run.deliveries.values_list("status", "tries")) == {("sent", 1)}


def test_ten_refused_contents_in_a_row_pause_the_mailing(owner, api):
    run = running(owner, 30)
    api.choose = lambda request: reply(400, "spam")
    send()
    run.mailing.refresh_from_db()
    assert run.mailing.status == MailingStatus.PAUSED
    assert "spam" in run.mailing.status_reason
    assert len(api.requests) < 15


def test_an_answer_that_broke_off_is_sent_once_more_and_no_more(owner, api, settings):
    settings.UNCERTAIN_WAIT = 0
    run = running(owner, 1)
    api.choose = lambda request: say(b"")
    assert send()[Outcome.UNCERTAIN] >= 1
    send()
    assert len(api.requests) == 2
    assert run.deliveries.get().status == "uncertain"
    assert len({request.body for request in api.requests}) == 1  # the same Message-ID


def test_a_test_send_goes_the_same_way(owner, api):
    message = factories.make_message(owner, subject="Новости")
    proof = proofs.request_proof(message=message, client=None, by=owner)
    assert proof_sending.send_waiting(timezone.now()) == 1
    proof.refresh_from_db()
    assert (proof.outcome, proof.code) == (Outcome.ACCEPTED, 200)
    assert recipient(api.requests[0]) == proof.address


def test_a_test_send_does_not_wait_for_ever(owner, api, monkeypatch):
    monkeypatch.setattr(proof_sending, "PATIENCE", proof_sending.Policy(whole_mail=1))
    api.choose = lambda request: hang
    message = factories.make_message(owner)
    proof = proofs.request_proof(message=message, client=None, by=owner)
    proof_sending.send_waiting(timezone.now())
    proof.refresh_from_db()
    assert proof.outcome == Outcome.UNCERTAIN
    assert proof.reply == "No answer within 1 s."


def test_system_mail_leaves_through_anymail(api, settings):
    settings.EMAIL_BACKEND = "anymail.backends.postmark.EmailBackend"
    settings.ANYMAIL = {
        "POSTMARK_SERVER_TOKEN": "s3cret",
        "POSTMARK_API_URL": f"http://127.0.0.1:{api.port}/v1/",
    }
    assert mail.send_mail("Пароль", "…", "shop@example.org", ["anna@example.org"]) == 1
    assert recipient(api.requests[0]) == "anna@example.org"
