"""A session from claim to record: what is sent, what is refused, what happens on the way."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import worker
from mailings.delivery.runs import composing, holding, invariants, planning
from mailings.delivery.session import circuit_breaker
from mailings.delivery.session.circuit_breaker import CircuitBreaker, default_transport
from mailings.delivery.transports import base, memory
from mailings.delivery.transports.base import Step
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.memory import MemoryService, accept
from mailings.models import Attempt, Delivery, Mailing, Run, Suppression, Transport, WorkerLease
from mailings.states import Actor, MailingStatus, Outcome, RunStatus
from tests import factories

pytestmark = pytest.mark.slow

Answer = Callable[[Mail], base.SendResult]

SECOND = timedelta(seconds=1)


def refuse(kind: type[base.SendResult], step: Step = Step.RCPT, **fields) -> base.SendResult:
    return kind(step=step, started_at=datetime.now(UTC), reply="because", **fields)


def never() -> bool:
    return False


@pytest.fixture
def service(transactional_db) -> Iterator[MemoryService]:
    """The mail service of the sessions under test; give it another `answer` to refuse.

    One connection, so that mails are handed over one after another.
    """
    memory.service.reset()
    use_connections(1)
    yield memory.service
    memory.service.reset()


def use_connections(number: int) -> None:
    default_transport()
    Transport.objects.update(max_connections=number)


def running(owner, count: int, **fields) -> Run:
    fields.setdefault("clients", factories.make_clients(owner, count))
    mailing = factories.make_mailing(owner, **fields)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def run_session(**options) -> Counter:
    return worker.send_due(**({"stopping": never} | options))


def test_each_recipient_gets_a_mail_of_their_own(owner, service):
    clients = [
        factories.make_client(owner, full_name="Анна Ёлкина", email="anna@example.org"),
        factories.make_client(owner, full_name="Boris", email="boris@example.org"),
    ]
    run = running(owner, 2, clients=clients, reply_to="desk@example.org")
    assert run_session() == {Outcome.ACCEPTED: 2}

    mails = {
        mail.recipient: message_from_bytes(mail.body, policy=policy.default)
        for mail in service.taken
    }
    assert set(mails) == {"anna@example.org", "boris@example.org"}
    anna = mails["anna@example.org"]
    assert "Анна Ёлкина" in anna["Subject"]
    assert anna["To"].addresses[0].addr_spec == "anna@example.org"
    assert anna["Reply-To"].addresses[0].addr_spec == "desk@example.org"
    delivery = Delivery.objects.get(address="anna@example.org")
    assert anna["Message-ID"] == composing.message_id(
        delivery, composing.message_id_tail(delivery.run)
    )
    assert "Boris" not in anna.as_string()

    run.refresh_from_db()
    assert (run.status, run.sent_count) == (RunStatus.DONE, 2)
    assert Mailing.objects.get().status == MailingStatus.COMPLETED
    attempt = delivery.attempts.get()
    assert (attempt.outcome, attempt.step, attempt.code) == ("accepted", "dot", 250)
    assert attempt.reply
    assert attempt.transport == default_transport()
    assert not WorkerLease.objects.exists()


def test_what_is_handed_over_stands_in_the_lease_committed(owner, service):
    running(owner, 3)
    seen = []

    def answer(mail):
        in_flight = WorkerLease.objects.get().in_flight
        seen.append([Delivery.objects.get(pk=pk).address for pk in in_flight] == [mail.recipient])
        return accept(mail)

    service.answer = answer
    run_session()
    assert seen == [True, True, True]


def test_collector_of_garbage_is_as_before_when_a_session_has_ended(owner, service):
    running(owner, 1)
    before, seen = gc.get_threshold(), []

    def answer(mail):
        seen.append((gc.get_threshold()[0] == worker.COLLECT_EVERY, gc.get_freeze_count() > 0))
        return accept(mail)

    service.answer = answer
    run_session()
    assert seen == [(True, True)]
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_each_refusal_is_its_recipients_own(owner, service):
    run = running(owner, 6)
    answers = iter(
        [
            refuse(base.Temporary, code=450),
            refuse(base.Permanent, code=550, enhanced_code="5.1.1"),
            refuse(base.Permanent, code=550, enhanced_code="5.7.1"),
            refuse(base.Uncertain, Step.DOT),
            refuse(base.Unavailable, code=421),
        ]
    )
    service.answer = lambda mail: next(answers, None) or accept(mail)
    outcomes = run_session()
    assert outcomes == {
        Outcome.TEMPORARY: 1, Outcome.PERMANENT: 2, Outcome.UNCERTAIN: 1, Outcome.UNAVAILABLE: 1,
        Outcome.ACCEPTED: 1,
    }  # fmt: skip
    run.refresh_from_db()
    assert (run.sent_count, run.deferred_count, run.failed_count, run.uncertain_count) == (
        1, 2, 2, 1,
    )  # fmt: skip
    assert run.status == RunStatus.SENDING
    assert Suppression.objects.get().owner == owner


def test_a_client_whose_mail_cannot_be_made_fails_alone(owner, service, monkeypatch):
    run = running(owner, 3)
    bad = run.deliveries.order_by("pk").first()
    render = composing.render

    def break_for_one(compiled, delivery, now):
        if delivery.pk == bad.pk:
            raise KeyError("city")
        return render(compiled, delivery, now)

    monkeypatch.setattr(composing, "render", break_for_one)
    assert run_session() == {Outcome.ACCEPTED: 2, Outcome.RENDER: 1}
    bad.refresh_from_db()
    assert bad.status == "failed"
    attempt = bad.attempts.get()
    assert (attempt.outcome, attempt.step) == ("render", "render")
    assert "city" in attempt.reply


def test_refused_sender_pauses_the_mailing_with_the_servers_words(owner, service):
    running(owner, 5)
    service.answer = lambda mail: refuse(base.Permanent, Step.MAIL, code=550)
    assert run_session() == {Outcome.PERMANENT: 1}
    mailing = Mailing.objects.get()
    assert (mailing.status, mailing.status_actor) == (MailingStatus.PAUSED, Actor.SYSTEM)
    assert "because" in mailing.status_reason
    assert Counter(Delivery.objects.values_list("status", flat=True)) == {
        "deferred": 1, "pending": 4,
    }  # fmt: skip

    service.answer = accept
    services.resume_mailing(mailing=mailing, by=owner)
    assert run_session() == {Outcome.ACCEPTED: 5}


def test_ten_content_refusals_in_a_row_pause_the_mailing(owner, service):
    run = running(owner, 30)
    service.answer = lambda mail: refuse(base.Permanent, Step.DOT, code=554)
    run_session()
    run.refresh_from_db()
    assert holding.CONTENT_REFUSALS <= run.failed_count <= holding.CONTENT_REFUSALS + 1
    mailing = Mailing.objects.get()
    assert (mailing.status, mailing.status_actor) == (MailingStatus.PAUSED, Actor.SYSTEM)


def test_content_refusals_between_acceptances_pause_nothing(owner, service):
    run = running(owner, 24)
    turns = iter(range(24))
    service.answer = lambda mail: (
        accept(mail) if next(turns) % 8 == 7 else refuse(base.Permanent, Step.DOT, code=554)
    )
    run_session()
    run.refresh_from_db()
    assert (run.sent_count, run.failed_count, run.status) == (3, 21, RunStatus.DONE)


@pytest.mark.parametrize(
    "act",
    [
        lambda mailing, owner, manager: services.pause_mailing(mailing=mailing, by=owner),
        lambda mailing, owner, manager: services.cancel_mailing(mailing=mailing, by=owner),
        lambda mailing, owner, manager: services.stop_mailing(
            mailing=mailing, by=manager, reason="Complaints"
        ),
        lambda mailing, owner, manager: (
            type(owner).objects.filter(pk=owner.pk).update(is_active=False)
        ),
    ],
    ids=["pause", "cancel", "stop", "block"],
)
def test_people_are_obeyed_before_the_next_mail(owner, manager, service, act):
    running(owner, 5)

    def answer(mail):
        if len(service.taken) == 1:
            act(Mailing.objects.get(), owner, manager)
        return accept(mail)

    service.answer = answer
    run_session()
    assert len(service.taken) == 2


def test_stopping_process_finishes_the_mail_in_flight_and_frees_the_rest(owner, service):
    run = running(owner, 5)
    run_session(stopping=lambda: len(service.taken) >= 2)
    assert Counter(run.deliveries.values_list("status", flat=True)) == {"sent": 2, "pending": 3}
    assert not WorkerLease.objects.exists()


def test_command_for_one_mailing_leaves_others_alone(owner, service):
    mine, other = running(owner, 2), running(owner, 2)
    run_session(mailing_id=mine.mailing_id)
    other.refresh_from_db()
    assert (len(service.taken), other.sent_count) == (2, 0)


def test_a_second_call_rings_instead_of_working_beside(owner, service):
    """A task that comes while a session runs must not occupy a thread, nor be forgotten."""
    running(owner, 1)
    answered = []

    def answer(mail):
        if not answered:
            answered.append(worker.deliver(stopping=never))
        return accept(mail)

    service.answer = answer
    assert worker.deliver(stopping=never) == {Outcome.ACCEPTED: 1}
    assert answered == [Counter()]


# ---------------------------------------------------------------- the breaker


def fault(step: Step = Step.CONNECT, **fields) -> base.SendResult:
    return refuse(base.Unavailable, step, **fields)


def test_service_that_is_away_costs_five_tries_and_charges_nobody(owner, service):
    run = running(owner, 20)
    service.answer = lambda mail: fault()
    assert run_session() == {Outcome.UNAVAILABLE: circuit_breaker.FAULTS_IN_A_ROW}
    assert Attempt.objects.count() == circuit_breaker.FAULTS_IN_A_ROW
    assert set(run.deliveries.values_list("tries", flat=True)) == {0}
    assert run_session() == {}
    transport = Transport.objects.get()
    assert transport.breaker_state == "open"
    assert transport.last_error


def test_one_probe_goes_when_the_pause_is_over_and_its_success_opens_the_way(owner, service):
    running(owner, 8)
    service.answer = lambda mail: fault()
    run_session()
    Transport.objects.update(breaker_until=timezone.now() - SECOND)
    assert run_session() == {Outcome.UNAVAILABLE: 1}

    service.answer = accept
    Transport.objects.update(breaker_until=timezone.now() - SECOND)
    Delivery.objects.filter(status="deferred").update(next_attempt_at=timezone.now() - SECOND)
    assert run_session() == {Outcome.ACCEPTED: 8}
    assert Transport.objects.get().breaker_state == "closed"


def report(breaker: CircuitBreaker, outcome: base.SendResult, now: datetime) -> bool:
    if isinstance(outcome, base.Unavailable):
        return breaker.record_failure(outcome.step, outcome.code, outcome.reply, now)
    breaker.record_success(now)
    return True


@pytest.mark.django_db
def test_pause_doubles_with_each_failed_probe_up_to_its_most():
    breaker, now = CircuitBreaker(default_transport().pk), timezone.now()
    assert breaker.permit(50, now) == 50
    for _ in range(4):
        assert report(breaker, fault(), now)
    assert not report(breaker, fault(), now)
    pauses = []
    for _ in range(6):
        until = Transport.objects.get().breaker_until
        pauses.append((until - now).total_seconds())
        assert breaker.permit(50, until - SECOND) == 0
        assert breaker.permit(50, until) == 1
        assert breaker.permit(50, until) == 0  # one probe, not two
        now = until
        assert not report(breaker, fault(), now)
    assert pauses == [60, 120, 240, 480, 900, 900]


@pytest.mark.django_db
def test_refused_password_pauses_at_once_for_long():
    breaker, now = CircuitBreaker(default_transport().pk), timezone.now()
    assert not report(breaker, fault(Step.AUTH, code=535), now)
    assert Transport.objects.get().breaker_until == now + circuit_breaker.PAUSE_MOST


@pytest.mark.django_db
def test_refused_messages_are_no_fault_of_the_service():
    breaker, now = CircuitBreaker(default_transport().pk), timezone.now()
    for _ in range(4):
        report(breaker, fault(), now)
    report(breaker, refuse(base.Permanent, code=550), now)
    assert report(breaker, fault(), now)


def test_half_of_the_last_tries_failing_pauses_too(owner, service):
    running(owner, 40)
    turns = iter(range(100))
    service.answer = lambda mail: fault() if next(turns) % 2 else accept(mail)
    outcomes = run_session()
    assert outcomes[Outcome.UNAVAILABLE] == circuit_breaker.FAULTS_AMONG_THEM
    assert Transport.objects.get().breaker_state == "open"


def test_unused_probe_is_given_back(owner, service):
    transport = default_transport()
    now = timezone.now()
    Transport.objects.update(breaker_state="open", breaker_until=now - SECOND)
    breaker = CircuitBreaker(transport.pk)
    assert breaker.permit(50, now) == 1
    breaker.return_probe(now)
    assert breaker.permit(50, now) == 1


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no backend to end")
def test_lost_database_connection_between_acceptance_and_record_loses_no_result(owner, service):
    """PostgreSQL ends every backend of the session while a mail is on the wire."""
    run = running(owner, 6)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (mine,) = cursor.fetchone()

    def answer(mail):
        if len(service.taken) in (1, 3):
            end_backends(but=mine)
        return accept(mail)

    service.answer = answer
    assert run_session() == {Outcome.ACCEPTED: 6}
    run.refresh_from_db()
    assert (run.sent_count, len(service.taken)) == (6, 6)
    assert list(invariants.broken(timezone.now())) == []


def end_backends(*, but: int) -> None:
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid NOT IN (%s, pg_backend_pid())",
            [but],
        )
    other.close()


def test_database_that_is_away_is_not_taken_for_a_client_that_cannot_be_rendered(
    owner, service, monkeypatch
):
    running(owner, 2)
    tried = []
    get = Run.objects.get

    def fail_once(*args, **kwargs):
        if not tried:
            tried.append(1)
            raise OperationalError("away")
        return get(*args, **kwargs)

    monkeypatch.setattr(Run.objects, "get", fail_once)
    assert run_session() == {Outcome.ACCEPTED: 2}
    assert tried
