"""A whole session against a scripted SMTP server: many connections, many faults, one ledger."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery import retry, worker
from mailings.delivery.queue import claiming, fairness, lease
from mailings.delivery.queue.claims import AttemptResult
from mailings.delivery.runs import closing, composing, invariants, planning
from mailings.delivery.session import recording
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.session.rate_limits import RateLimits
from mailings.delivery.session.recording import Batch
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection
from mailings.models import Attempt, Chunk, Delivery, Mailing, Run, Transport, WorkerLease
from mailings.models.suppression import SuppressionReason
from mailings.states import MailingStatus, Outcome
from mailings.suppression import stop_list
from tests import factories
from tests.smtp_faults import Accept, Drop, Hang, LongLine, Raw, Reset
from tests.smtpd import SmtpServer

SECOND = timedelta(seconds=1)
QUICK = dict.fromkeys(
    ("connect", "banner", "ehlo", "auth", "mail", "rcpt", "data", "block", "dot", "quit"), 1.0
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def server(transactional_db, settings, monkeypatch) -> Iterator[SmtpServer]:
    """The mail service of the sessions under test; its deadlines are a second."""
    with SmtpServer() as server:
        settings.EMAIL_URL = server.url
        monkeypatch.setattr(worker, "connector", impatient)
        yield server


def impatient(url: str, **options):
    config = SmtpConfig.from_url(url, policy=Policy(**QUICK), local_name="localhost")
    return lambda source: SmtpConnection(config, source)


def running(owner, count: int, *, connections: int = 8, **fields) -> Run:
    default_transport()
    Transport.objects.update(max_connections=connections)
    fields.setdefault("clients", factories.make_clients(owner, count))
    mailing = factories.make_mailing(owner, **fields)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def send(**options) -> Counter:
    return worker.send_due(**({"stopping": lambda: False} | options))


def statuses(run: Run) -> dict[str, int]:
    """Count the run's deliveries by status; its counters must say the same, the ledger be sound."""
    assert list(invariants.broken(timezone.now())) == []
    return dict(Counter(run.deliveries.values_list("status", flat=True)))


def make_due() -> None:
    """Let the time pass after which what waits is tried again, and a service that rests."""
    past = timezone.now() - SECOND
    Delivery.objects.exclude(next_attempt_at=None).update(next_attempt_at=past)
    Transport.objects.exclude(breaker_until=None).update(breaker_until=past)


def arrived(server: SmtpServer) -> Counter:
    return Counter(message.recipients[0] for message in server.messages)


# ---------------------------------------------------------------- the straight way


def test_many_connections_share_the_work_and_each_mail_arrives_once(owner, server):
    run = running(owner, 300)
    assert send() == {Outcome.ACCEPTED: 300}
    assert statuses(run) == {"sent": 300}
    assert set(arrived(server).values()) == {1}
    assert len(arrived(server)) == 300
    assert 1 < server.most_open_connections <= 8
    assert not Chunk.objects.exists()
    assert not WorkerLease.objects.exists()
    assert Mailing.objects.get().status == MailingStatus.COMPLETED


def test_never_more_in_flight_than_connections_and_all_of_it_committed(owner, server):
    run = running(owner, 60, connections=5)
    seen: list[int] = []

    def look() -> None:
        while not done.is_set():
            seen.extend(map(len, WorkerLease.objects.values_list("in_flight", flat=True)))
        connections.close_all()

    done = threading.Event()
    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        send()
    finally:
        done.set()
        watcher.join()
    assert 0 < max(seen) <= 5
    assert statuses(run) == {"sent": 60}


def test_two_workers_share_a_run_without_a_copy(owner, server):
    run = running(owner, 1500, connections=6)
    totals: list[Counter] = []

    def work() -> None:
        totals.append(send())
        connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(totals, Counter()) == {Outcome.ACCEPTED: 1500}
    assert statuses(run) == {"sent": 1500}
    assert set(arrived(server).values()) == {1}


# ---------------------------------------------------------------- faults

FAULTS = {
    # name: (script, status after one session, outcomes of its attempts, tries charged)
    "6 hang at MAIL": ({"mail": [Hang()]}, "deferred", "temporary", 1),
    "7 hang at RCPT": ({"rcpt": [Hang()]}, "deferred", "temporary", 1),
    "8 hang at DATA": ({"data": [Hang()]}, "deferred", "temporary", 1),
    "9 hang at the dot": ({"dot": [Hang()]}, "uncertain", "uncertain", 1),
    "13 drop at MAIL": ({"mail": [Drop()]}, "deferred", "temporary", 1),
    "14 reset at RCPT": ({"rcpt": [Reset()]}, "deferred", "temporary", 1),
    "15 drop at DATA": ({"data": [Drop()]}, "deferred", "temporary", 1),
    "16 taken, then dropped": ({"dot": [Accept(Drop())]}, "uncertain", "uncertain", 1),
    "16 taken, then reset": ({"dot": [Accept(Reset())]}, "uncertain", "uncertain", 1),
    "18 garbage at RCPT": ({"rcpt": [Raw(b"\0\xff\r\n")]}, "deferred", "temporary", 1),
    "19 garbage at the dot": ({"dot": [Accept(Raw(b"\0\r\n"))]}, "uncertain", "uncertain", 1),
    "25 long line at RCPT": ({"rcpt": [LongLine()]}, "deferred", "temporary", 1),
    "29 greylisting": ({"rcpt": ["450 4.2.0 later"]}, "deferred", "temporary", 1),
    "31 mailbox full": ({"rcpt": ["452 4.2.2 full"]}, "deferred", "temporary", 1),
    "31 mailbox full for good": ({"rcpt": ["552 5.2.2 full"]}, "deferred", "temporary", 1),
    "30 no such user": ({"rcpt": ["550 5.1.1 who?"]}, "failed", "permanent", 1),
    "S6 ahead of the dot": (
        {"data": [Raw(b"354 go\r\n250 2.0.0 queued\r\n")]},
        "deferred",
        "temporary",
        1,
    ),
    "S6 two at the dot": (
        {"dot": [Raw(b"250 2.0.0 queued\r\n550 5.7.1 no\r\n")]},
        "uncertain",
        "uncertain",
        1,
    ),
    "S6 two at MAIL": ({"mail": [Raw(b"250 ok\r\n550 5.7.1 no\r\n")]}, "deferred", "temporary", 1),
    "33 content": ({"dot": ["554 5.6.0 no"]}, "failed", "permanent", 1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_settles_its_own_mail_and_no_other(owner, server, fault):
    script, status, outcome, tries = FAULTS[fault]
    run = running(owner, 5, connections=1)
    server.script.update(script)
    assert send() == {outcome: 1, "accepted": 4}
    assert statuses(run) == {status: 1, "sent": 4}
    hit = run.deliveries.exclude(status="sent").get()
    assert (hit.tries, hit.attempts.get().outcome) == (tries, outcome)
    suppressed = stop_list.suppressed_among(owner.pk, [hit.address])
    assert bool(suppressed) == (fault == "30 no such user")

    make_due()
    send()
    settled = "failed" if status == "failed" else "sent"
    assert statuses(run) == ({"sent": 4, "failed": 1} if settled == "failed" else {"sent": 5})
    copies = arrived(server)
    assert copies.pop(hit.address, 0) <= 1 + (status == "uncertain")
    assert set(copies.values()) == {1}
    ids = {message.message_id for message in server.messages}
    assert len(ids) == len(arrived(server))


SERVICE_FAULTS = {
    "4 hang at the banner": {"banner": Hang()},
    "5 hang at EHLO": {"ehlo": Hang()},
    "11 drop at the banner": {"banner": Drop()},
    "12 drop at EHLO": {"ehlo": Drop(), "helo": Drop()},
    "27 421 at the banner": {"banner": "421 4.3.2 closing"},
    "28 554 at the banner": {"banner": "554 5.3.2 go away"},
}


@pytest.mark.parametrize("fault", SERVICE_FAULTS)
def test_a_service_that_is_away_charges_nobody_and_is_left_alone(owner, server, fault):
    run = running(owner, 20, connections=4)
    server.script.update(SERVICE_FAULTS[fault])
    assert set(send()) == {Outcome.UNAVAILABLE}
    assert Transport.objects.get().breaker_state == "open"
    assert server.connections <= 5 * 4
    assert set(run.deliveries.values_list("tries", flat=True)) == {0}
    assert set(statuses(run)) <= {"pending", "deferred"}
    assert send() == {}

    server.script.clear()
    make_due()
    assert send()[Outcome.ACCEPTED] == 20
    assert statuses(run) == {"sent": 20}
    assert Transport.objects.get().breaker_state == "closed"


def test_1_nobody_listening_is_told_in_the_log(owner, server):
    run = running(owner, 3)
    server.stop()
    send()
    attempt = Attempt.objects.order_by("pk").first()
    assert (attempt.outcome, attempt.step) == ("unavailable", "connect")
    assert attempt.reply
    server.start()
    make_due()
    send()
    assert statuses(run) == {"sent": 3}


def test_40_refusals_at_random_each_reach_their_own_delivery(owner, server):
    run = running(owner, 200, connections=10)
    addresses = list(run.deliveries.order_by("pk").values_list("address", flat=True))
    later, never = set(addresses[::19]), set(addresses[7::23]) - set(addresses[::19])
    server.script["rcpt"] = dict.fromkeys(later, "450 4.2.0 later") | dict.fromkeys(
        never, "550 5.2.1 no"
    )
    send()
    by_status = {
        status: set(run.deliveries.filter(status=status).values_list("address", flat=True))
        for status in ("sent", "deferred", "failed")
    }
    assert by_status["failed"] == never
    assert by_status["deferred"] == later
    assert by_status["sent"] == set(addresses) - later - never
    statuses(run)


def test_27_421_after_some_mails_is_a_normal_end(owner, settings, transactional_db, monkeypatch):
    with SmtpServer(mails_per_connection=7) as server:
        settings.EMAIL_URL = server.url
        run = running(owner, 60, connections=3)
        assert send()[Outcome.ACCEPTED] == 60
        assert statuses(run) == {"sent": 60}
        assert server.connections >= 60 // 7
        assert set(run.deliveries.values_list("tries", flat=True)) == {1}


def test_32_refused_sender_pauses_before_more_than_the_connections_are_tried(owner, server):
    run = running(owner, 40, connections=4)
    server.script["mail"] = "550 5.7.1 you may not"
    outcomes = send()
    assert set(outcomes) == {Outcome.PERMANENT}
    assert outcomes[Outcome.PERMANENT] <= 4
    mailing = Mailing.objects.get()
    assert mailing.is_paused_by_system
    assert "you may not" in mailing.status_reason
    assert set(statuses(run)) == {"pending", "deferred"}


# ---------------------------------------------------------------- people, while it runs


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
def test_62_people_are_obeyed_at_the_next_commit(owner, manager, server, act):
    run = running(owner, 80, connections=4)
    acted = threading.Event()

    def tell(result) -> None:
        if not acted.is_set():
            acted.set()
            act(Mailing.objects.get(), owner, manager)

    send(on_result=tell)
    left = statuses(run)
    # What stood in the lease when they acted may still have gone.
    assert 1 <= left.pop("sent") <= 1 + 2 * 4
    assert sum(left.values()) == 80 - len(server.messages)
    assert set(left) <= {"pending", "cancelled"}
    assert set(arrived(server).values()) == {1}


def test_paused_run_goes_on_where_it_stopped(owner, server):
    run = running(owner, 60, connections=4)
    paused = threading.Event()

    def tell(result) -> None:
        if not paused.is_set():
            paused.set()
            services.pause_mailing(mailing=Mailing.objects.get(), by=owner)

    send(on_result=tell)
    assert send() == {}
    services.resume_mailing(mailing=Mailing.objects.get(), by=owner)
    send()
    assert statuses(run) == {"sent": 60}
    assert set(arrived(server).values()) == {1}


def test_unsubscribing_while_mails_wait_still_counts(owner, server, monkeypatch):
    monkeypatch.setattr("mailings.delivery.session.group_commit.STALE_AFTER", 0.0)
    run = running(owner, 30, connections=1)
    addresses = list(run.deliveries.order_by("pk").values_list("address", flat=True))
    gone = threading.Event()

    def tell(result) -> None:
        if not gone.is_set():
            gone.set()
            for address in addresses[20:]:
                stop_list.suppress(
                    address, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk
                )

    send(on_result=tell)
    assert statuses(run) == {"sent": 20, "skipped": 10}
    assert set(run.deliveries.filter(status="skipped").values_list("reason", flat=True)) == {
        "suppressed"
    }


def test_cancelling_a_run_in_a_workers_hands_settles_what_is_not_handed_over(owner, server):
    """The worker's chunk is closed under it; what stands in its lease is its own to settle."""
    run = running(owner, 10)
    me = claiming.enlist(timezone.now())
    WorkerLease.objects.filter(pk=me).update(in_flight=[run.deliveries.order_by("pk").first().pk])
    services.cancel_mailing(mailing=run.mailing, by=owner)
    assert Counter(run.deliveries.values_list("status", flat=True)) == {
        "cancelled": 9,
        "pending": 1,
    }
    claiming.retire(me, timezone.now())
    closing.sweep(timezone.now())
    assert statuses(run) == {"cancelled": 10}


def test_stopping_process_answers_for_what_is_in_flight_and_frees_the_rest(owner, server):
    run = running(owner, 400, connections=4)
    send(stopping=lambda: len(server.messages) >= 30)
    left = statuses(run)
    assert left["sent"] == len(server.messages)
    assert set(left) == {"sent", "pending"}
    assert not Chunk.objects.exclude(worker=None).exists()
    assert not WorkerLease.objects.exists()
    send()
    assert statuses(run) == {"sent": 400}
    assert set(arrived(server).values()) == {1}


def test_small_mailing_does_not_wait_behind_a_big_one(owner, stranger, server):
    order: list[int] = []
    big = running(owner, 700, connections=2)
    small = running(stranger, 10, connections=2)
    send(on_result=lambda result: order.append(result.claimed.run_id))
    last = max(place for place, run_id in enumerate(order) if run_id == small.pk)
    assert last < 60
    assert statuses(big) == {"sent": 700}


# ---------------------------------------------------------------- limits


def test_a_slow_domain_is_passed_by_the_others(owner, server):
    slow = [factories.make_client(owner, email=f"s{n}@slow.example") for n in range(3)]
    fast = factories.make_clients(owner, 40)
    run = running(owner, 0, clients=slow + fast, connections=2)
    Transport.objects.update(domain_limits="slow.example 60")
    send()
    assert statuses(run) == {"sent": 43}
    order = [message.recipients[0].endswith("@slow.example") for message in server.messages]
    assert order.index(True) < 43 - 3
    assert order[-2:] == [True, True]  # one a second, when all others had gone long ago


def test_a_rate_holds_everything_to_its_pace(owner, server):
    run = running(owner, 4, connections=4)
    Transport.objects.update(rate_per_minute=120)
    send()
    assert statuses(run) == {"sent": 4}
    times = [message.at for message in server.messages]
    # Half a second apart when they were let go; never faster, however slow the machine is.
    assert times[-1] - times[0] > 1.0


def test_a_worker_knows_its_share_of_the_limits_before_its_first_mail(owner, server, monkeypatch):
    running(owner, 3)
    Transport.objects.update(rate_per_minute=60_000)
    events: list[tuple[str, object]] = []
    monkeypatch.setattr(lease, "count_sending", lambda now: 4)
    share_with, take = RateLimits.share_with, RateLimits.take

    def shared(limits: RateLimits, workers: int) -> None:
        events.append(("shared", workers))
        share_with(limits, workers)

    def taken(limits: RateLimits, domain: str, now: float) -> float:
        events.append(("mail", domain))
        return take(limits, domain, now)

    monkeypatch.setattr(RateLimits, "share_with", shared)
    monkeypatch.setattr(RateLimits, "take", taken)
    assert send() == {Outcome.ACCEPTED: 3}
    assert [kind for kind, _ in events].index("mail") > events.index(("shared", 4))


def test_who_says_that_it_is_too_much_gets_a_rest(owner, server, monkeypatch):
    monkeypatch.setattr("mailings.delivery.session.receivers.REST_OF_UNKNOWN", 1.0)
    run = running(owner, 30, connections=5)
    server.script["rcpt"] = ["450 4.7.1 too many mails, slow down"]
    assert send() == {Outcome.TEMPORARY: 1, Outcome.ACCEPTED: 29}
    assert statuses(run) == {"sent": 29, "deferred": 1}
    assert server.most_open_connections <= 5


# ---------------------------------------------------------------- poison


def test_65_chunk_with_which_workers_die_is_halved_until_the_deadly_delivery_stands_alone(
    owner, server
):
    """A delivery whose making kills the process: nothing of it was handed over, yet it is found."""
    run = running(owner, 9, connections=1)
    deadly = run.deliveries.order_by("pk")[6]
    deaths = 0
    while True:
        now = timezone.now()
        me = claiming.enlist(now)
        if not dies_with(deadly, me):
            claiming.retire(me, now)
            break
        deaths += 1
        assert deaths < 15
        lease.release_lock(me)
        claiming.rescue_expired(timezone.now() + SECOND)
    deadly.refresh_from_db()
    assert (deadly.status, deadly.attempts.get().outcome) == ("failed", "lost")
    assert statuses(run) == {"sent": 8, "failed": 1}


def dies_with(deadly: Delivery, me: uuid.UUID) -> bool:
    """Work as a session does, a chunk after another, until the deadly delivery has its turn."""
    now = timezone.now()
    while due := fairness.due_runs(now):
        claimed = claiming.claim(due[0], me, now)
        accepted = [
            AttemptResult(c, Outcome.ACCEPTED, retry.Done(), now, step="dot") for c in claimed
        ]
        if deadly.pk in [c.pk for c in claimed]:
            return True
        done = Batch(results=accepted, finished_chunks=[claimed[0].chunk_id])
        recording.record(me, done, now)
    return False


def test_64_client_whose_mail_cannot_be_made_fails_alone(owner, server, monkeypatch):
    run = running(owner, 20)
    bad = run.deliveries.order_by("pk")[3]
    render = composing.render

    def break_for_one(compiled, delivery, now):
        if delivery.pk == bad.pk:
            raise KeyError("city")
        return render(compiled, delivery, now)

    monkeypatch.setattr(composing, "render", break_for_one)
    assert send() == {Outcome.ACCEPTED: 19, Outcome.RENDER: 1}
    assert statuses(run) == {"sent": 19, "failed": 1}
