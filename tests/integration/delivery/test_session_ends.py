"""However a session ends, what was in the air is settled or uncertain, never pending: copies are
counted at the mail service, and with no resends allowed there is none."""

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from mailings.campaigns import services
from mailings.delivery import retry, worker
from mailings.delivery.queue import claiming, fairness, lease
from mailings.delivery.session import recording
from mailings.delivery.session.buffer import Buffer
from mailings.delivery.session.commit_pacing import CommitPacing
from mailings.delivery.session.connection_pool import ConnectionPool
from mailings.delivery.session.feeder import Feeder
from mailings.delivery.session.group_commit import GroupCommit
from mailings.delivery.session.recorder import Recorder
from mailings.delivery.session.session import Session
from mailings.models import Chunk, Mailing, Run, WorkerLease
from tests.integration.delivery.test_session import (
    SECOND,
    arrived,
    impatient,
    make_due,
    running,
    send,
    statuses,
)
from tests.site import wait_for
from tests.smtp_faults import Accept, Hang, Wait
from tests.smtpd import SmtpServer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

CONNECTIONS = 6


@pytest.fixture
def server(transactional_db, settings, monkeypatch) -> Iterator[SmtpServer]:
    """It takes a mail at its final dot, and is a while in saying so."""
    settings.UNCERTAIN_RESENDS = 0
    with SmtpServer({"dot": {"*": Accept(Wait(0.03, "250 2.0.0 queued"))}}) as server:
        settings.EMAIL_URL = server.url
        monkeypatch.setattr(worker, "connector", impatient)
        yield server


def copies(server: SmtpServer) -> dict[str, int]:
    return {address: count for address, count in arrived(server).items() if count > 1}


# ---------------------------------------------------------------- held and stopped at once


def pause(mailing: Mailing, manager: User) -> None:
    services.pause_mailing(mailing=mailing, by=mailing.owner)


def resume(mailing: Mailing, manager: User) -> None:
    services.resume_mailing(mailing=mailing, by=mailing.owner)


def stop(mailing: Mailing, manager: User) -> None:
    services.stop_mailing(mailing=mailing, by=manager, reason="Complaints")


def allow(mailing: Mailing, manager: User) -> None:
    services.allow_mailing(mailing=mailing, by=manager, reason="Settled")
    resume(Mailing.objects.get(), manager)


def block(mailing: Mailing, manager: User) -> None:
    User.objects.filter(pk=mailing.owner_id).update(is_active=False)


def unblock(mailing: Mailing, manager: User) -> None:
    User.objects.filter(pk=mailing.owner_id).update(is_active=True)


HOLDS = {"pause": (pause, resume), "stop": (stop, allow), "block": (block, unblock)}


class Fate:
    """Holds the mailing and ends the process around one commit, in an order that dice decide."""

    def __init__(self, dice: random.Random, hold: Callable[[], None]) -> None:
        self.is_stopping = False
        self._hold, self._hold_at = hold, dice.randint(2, 6)
        self._stops = dice.choice(["before", "after", "at the next"])
        self._commits = 0
        self.was_met = False

    def record(self, who: Any, batch: recording.Batch, now: Any) -> recording.Verdict:
        self._commits += bool(batch.to_send)
        is_held_now = self._commits == self._hold_at and not self.was_met
        if is_held_now:
            self._hold()
            self.is_stopping |= self._stops == "before"
        verdict = RECORD(who, batch, now)
        self.is_stopping |= self.was_met or (is_held_now and self._stops == "after")
        self.was_met |= is_held_now
        return verdict


RECORD = recording.record


@pytest.mark.parametrize("kind", HOLDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hold_and_end_within_a_commit_copy_and_lose_nothing(
    owner, manager, server, monkeypatch, caplog, kind, seed
):
    hold, release = HOLDS[kind]
    dice = random.Random(f"{kind}{seed}")
    run = running(owner, 70, connections=CONNECTIONS)
    met = 0
    for _ in range(4):
        fate = Fate(dice, lambda: hold(Mailing.objects.get(), manager))
        monkeypatch.setattr(recording, "record", fate.record)
        send(stopping=lambda fate=fate: fate.is_stopping)
        assert not WorkerLease.objects.exists(), "it did not retire"
        assert not Chunk.objects.exclude(worker=None).exists()
        if fate.was_met:
            met += 1
            release(Mailing.objects.get(), manager)
    monkeypatch.setattr(recording, "record", RECORD)
    assert met >= 3
    send()
    assert statuses(run) == {"sent": 70}
    assert len(server.messages) == 70
    assert "session_crashed" not in caplog.text


@pytest.mark.parametrize("kind", HOLDS)
def test_retries_that_are_held_while_the_process_ends_are_given_back_once(
    owner, manager, server, monkeypatch, caplog, kind
):
    """Other tries are claimed row by row: given back twice, one may be somebody else's by then."""
    hold, release = HOLDS[kind]
    run = running(owner, 30, connections=CONNECTIONS)
    server.script["rcpt"] = "450 4.2.0 later"
    send()
    assert statuses(run) == {"deferred": 30}
    del server.script["rcpt"]
    dice = random.Random(kind)
    released_deliveries: list[int] = []
    give_back = claiming.release_deliveries

    def note(who: Any, now: Any, ids: list[int]) -> None:
        released_deliveries.extend(ids)
        give_back(who, now, ids)

    monkeypatch.setattr(claiming, "release_deliveries", note)
    for _ in range(2):
        make_due()
        released_deliveries.clear()
        fate = Fate(dice, lambda: hold(Mailing.objects.get(), manager))
        monkeypatch.setattr(recording, "record", fate.record)
        send(stopping=lambda fate=fate: fate.is_stopping)
        assert fate.was_met
        assert set(Counter(released_deliveries).values()) == {1}
        assert not WorkerLease.objects.exists()
        assert set(statuses(run)) <= {"sent", "deferred"}
        release(Mailing.objects.get(), manager)
    monkeypatch.setattr(recording, "record", RECORD)
    make_due()
    send()
    assert statuses(run) == {"sent": 30}
    assert len(server.messages) == 30
    assert "session_crashed" not in caplog.text


# ---------------------------------------------------------------- faults of our own


class OwnFaultError(Exception):
    """What nobody foresaw."""


def failing(function: Callable[..., Any], after: int) -> Callable[..., Any]:
    """Let so many calls pass, then raise each time."""
    left = iter(range(after))

    def fail(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise OwnFaultError
        return function(*arguments, **options)

    return fail


FAULTS: dict[str, list[tuple[Any, str, int]]] = {
    # where: [(of, name, calls that go well)]
    "loop: a result": [(Session, "take_result", 15)],
    "loop: a decision": [(retry, "decide", 0)],
    "loop: a mail": [(Session, "next_mail", 20)],
    "loop: the first mail of a connection": [(Session, "next_mail", 2)],
    "loop: a pool's result": [(ConnectionPool, "done", 15)],
    "loop: a pool's permission": [(ConnectionPool, "may_send_body", 15)],
    "loop: a chunk's end": [(Buffer, "end_claim", 15)],
    "loop: the verdict": [(Session, "_committed", 4)],
    "loop: bodies": [(GroupCommit, "_release", 4)],
    "loop: the batch": [(GroupCommit, "_name_in_flight", 4)],
    "loop: the clock": [(CommitPacing, "heartbeat_is_due", 0)],
    "loop, and again while it ends": [(Session, "take_result", 15), (ConnectionPool, "closed", 0)],
    "loop, and the lock is not let go": [(Session, "take_result", 15), (lease, "abandon", 0)],
    "recorder: the commit": [(recording, "record", 4)],
    "recorder: who listens": [(Recorder, "_tell_breakers", 4)],
    "recorder: the retirement": [(claiming, "retire", 0)],
    "feeder: what is due": [(fairness, "due_runs", 2)],
    "feeder: a claim": [(claiming, "claim", 0)],
    "feeder: the content": [(Feeder, "_content", 0)],
    "start": [(Session, "_begin", 0)],
}


@pytest.mark.parametrize("where", FAULTS)
def test_after_a_fault_of_our_own_nothing_in_the_air_goes_out_again(
    owner, server, monkeypatch, where
):
    run = running(owner, 60, connections=CONNECTIONS)
    server.script["rcpt"] = [None] * 12 + ["450 4.2.0 later"]
    with monkeypatch.context() as broken:
        for of, name, after in FAULTS[where]:
            broken.setattr(of, name, failing(getattr(of, name), after))
        with contextlib.suppress(RuntimeError):
            send()
    assert_nothing_is_copied(run, server)


def rescue() -> None:
    """Rescue what the dead workers had, once the database knows that their connections are gone."""
    dead = list(WorkerLease.objects.values_list("pk", flat=True))
    for pk in dead:
        lease.release_lock(pk)
    wait_for(lambda: all(map(lease.is_gone, dead)), timeout=10, message="a lock is still held")
    claiming.rescue_expired(timezone.now() + SECOND)


def assert_nothing_is_copied(run: Run, server: SmtpServer) -> None:
    """The lease was left to the rescue; after that, the others are sent."""
    taken = set(arrived(server))
    rescue()
    assert not WorkerLease.objects.exclude(in_flight=[]).exists()
    assert not Chunk.objects.exclude(worker=None).exists()
    pending = set(run.deliveries.filter(status="pending").values_list("address", flat=True))
    assert not taken & pending, "what the mail service took waits to be sent"
    server.script.pop("rcpt", None)
    make_due()
    send()
    assert copies(server) == {}
    left = statuses(run)
    assert set(left) <= {"sent", "uncertain"}
    assert left.get("uncertain", 0) <= CONNECTIONS
    # What is uncertain was in the air, or was to be let go by the commit that came back last.
    assert len(server.messages) >= run.targeted - left.get("uncertain", 0)


def test_crash_leaves_the_lease_and_what_stands_in_it(owner, server, monkeypatch, caplog):
    server.script["dot"] = Accept(Hang())
    run = running(owner, 20, connections=CONNECTIONS)
    in_the_air = threading.Event()

    def stop_or_crash() -> bool:
        if len(server.messages) < CONNECTIONS - 2:
            return False
        in_the_air.set()
        raise OwnFaultError

    with pytest.raises(RuntimeError):
        send(stopping=stop_or_crash)
    assert in_the_air.is_set()
    assert "session_crashed" in caplog.text
    taken = set(arrived(server))
    left = WorkerLease.objects.get()
    named = set(run.deliveries.filter(pk__in=left.in_flight).values_list("address", flat=True))
    assert taken <= named
    server.script.clear()
    assert_nothing_is_copied(run, server)


def test_cancelled_event_loop_leaves_what_is_in_the_air_to_the_rescue(owner, server, monkeypatch):
    """As when the interpreter is interrupted: nobody has seen the answers."""
    server.script["dot"] = Accept(Hang())
    run = running(owner, 20, connections=CONNECTIONS)
    run_session = Session.run

    async def run_and_be_cancelled(session: Session) -> Any:
        task = asyncio.current_task()
        assert task is not None

        async def cancel() -> None:
            while len(server.messages) < 3:
                await asyncio.sleep(0.01)
            task.cancel()

        cancelling = asyncio.create_task(cancel())
        try:
            return await run_session(session)
        finally:
            cancelling.cancel()

    with monkeypatch.context() as interrupted:
        interrupted.setattr(Session, "run", run_and_be_cancelled)
        with pytest.raises(asyncio.CancelledError):
            send()
    assert WorkerLease.objects.get().in_flight
    server.script.clear()
    assert_nothing_is_copied(run, server)


def test_fault_of_the_feeder_lets_what_is_in_the_air_be_answered(owner, server, monkeypatch):
    run = running(owner, 60, connections=CONNECTIONS)
    with monkeypatch.context() as broken:
        broken.setattr(fairness, "due_runs", failing(fairness.due_runs, 1))
        send()
    assert set(statuses(run)) <= {"sent", "pending"}
    assert statuses(run).get("sent", 0) == len(server.messages)
    assert WorkerLease.objects.get().in_flight == []
    assert_nothing_is_copied(run, server)


# ---------------------------------------------------------------- what kills a worker


def test_chunk_is_tried_before_it_is_sent_and_then_forgotten(owner, server):
    """Workers that die before anything is handed over, of whatever else, make no delivery fail."""
    run = running(owner, 1, connections=1)
    server.script["banner"] = Hang()
    for _ in range(4):
        session = threading.Event()

        def killed(*, session=session) -> bool:
            if server.open_connections:
                session.set()
                raise OwnFaultError
            return False

        with pytest.raises(RuntimeError):
            send(stopping=killed)
        assert session.is_set()
        assert Chunk.objects.get().losses == 0
        rescue()
        assert Chunk.objects.get().losses == 1
    assert statuses(run) == {"pending": 1}
    server.script.clear()
    send()
    assert statuses(run) == {"sent": 1}
