"""Starts, pauses, stops, refusals, crashes and departures in any order: after every step the ledger
is sound and agrees with the mail service, and in the end nothing is left behind."""

import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.contrib.auth.models import Group
from django.db.models import Count, Q
from django.utils import timezone
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from accounts.roles import MANAGERS
from mailings.campaigns import services
from mailings.clients import bulk, deleting
from mailings.clients import services as client_services
from mailings.delivery import worker
from mailings.delivery.queue import claiming, lease
from mailings.delivery.runs import invariants, planning
from mailings.delivery.session import recording
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.session.group_commit import GroupCommit
from mailings.delivery.session.session import Session
from mailings.delivery.transports import base, memory
from mailings.delivery.transports.base import Step
from mailings.delivery.transports.mail import Mail as Handed
from mailings.models import (
    Attempt,
    Chunk,
    Client,
    ClientDeletion,
    Delivery,
    Mailing,
    Message,
    Run,
    Suppression,
    Transport,
    WorkerLease,
)
from mailings.models.suppression import SuppressionReason
from mailings.states import OPEN_DELIVERIES, DeliveryStatus, MailingStatus, RunStatus
from mailings.suppression import stop_list
from mailings.timing import clock
from tests import factories
from tests.ledger import HANDED_OVER, Mail, Row, lies
from tests.smtp_dialogue import message_id_of

SECOND = timedelta(seconds=1)


def refusal(kind: type[base.SendResult], step: Step, **fields: Any) -> base.SendResult:
    return kind(step=step, started_at=datetime.now(UTC), reply="because", **fields)


ANSWERS: dict[str, Callable[[], base.SendResult]] = {
    "busy": lambda: refusal(base.Temporary, Step.RCPT, code=450),
    "unknown": lambda: refusal(base.Permanent, Step.RCPT, code=550, enhanced_code="5.1.1"),
    "content": lambda: refusal(base.Permanent, Step.DOT, code=554, enhanced_code="5.6.0"),
    "sender": lambda: refusal(base.Permanent, Step.MAIL, code=550, enhanced_code="5.7.1"),
    "away": lambda: refusal(base.Unavailable, Step.CONNECT),
    "cut": lambda: refusal(base.Uncertain, Step.DOT),
    "taken, cut": lambda: refusal(base.Uncertain, Step.DOT),
}
"""What the mail service answers, besides accepting. Of what it took it tells nothing when cut."""


class Engine:
    """A worker and the mail service, in this process. All that this walk knows of a session's
    insides is in here."""

    def __init__(self) -> None:
        self.log: list[Mail] = []
        self.answers: list[str] = []
        self.is_killed = self.is_stopping = False
        self._acts: dict[int, tuple[Callable[[], None], bool]] = {}

    def act_at(self, commit: int, act: Callable[[], None], *, stops: bool) -> None:
        """In the next session, do something right before a commit that names what is in hand; and,
        `stops`, have the process told to end before it comes back."""
        self._acts = {commit: (act, stops)}

    def work(self, answers: list[str]) -> None:
        """Hand over as many mails as there are answers, unless there are fewer; then retire."""
        self._run(answers)

    def crash(self, answers: list[str]) -> None:
        """Do the same, and be killed while one mail more is in hand."""
        self._run([*answers, "killed"])

    def _run(self, answers: list[str]) -> None:
        self.answers, self.is_killed, self.is_stopping = list(answers), False, False
        default_transport()
        Transport.objects.update(max_connections=1)
        memory.service.reset()
        memory.service.answer = self._answer
        with patch.object(recording, "record", self._record):
            worker.send_due(stopping=lambda: self.is_stopping or not self.answers)
        memory.service.reset()
        self._acts = {}

    def _record(self, who: Any, batch: recording.Batch, now: datetime) -> recording.Verdict:
        """A process that was killed writes nothing any more, and its locks are gone."""
        if self.is_killed:
            raise lease.LeaseLost
        act, stops = None, False
        if batch.to_send:
            self._acts = {commit - 1: what for commit, what in self._acts.items()}
            act, stops = self._acts.pop(0, (None, False))
        if act is not None:
            act()
        self.is_stopping |= stops
        return RECORD(who, batch, now)

    def _answer(self, mail: Handed) -> base.SendResult:
        if not self.answers:
            return ANSWERS["cut"]()  # its session is over
        answer = self.answers.pop(0)
        if answer in ("accepted", "taken, cut", "killed"):
            self.log.append(Mail(message_id_of(mail.body), mail.recipient))
        if answer == "killed":
            self.is_killed = True
        return ANSWERS[answer]() if answer in ANSWERS else memory.accept(mail)


RECORD = recording.record

PLACES: list[tuple[type, str]] = [
    (Session, "take_result"),
    (Session, "_committed"),
    (GroupCommit, "_name_in_flight"),
    (Session, "_buffer_prefetched"),
    (Session, "_begin"),
]
"""Where a session may fail by itself."""

answers_given = st.lists(st.sampled_from(["accepted", "accepted", *ANSWERS]), max_size=6)
numbers = st.integers(0, 20)


class Walk(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.engine = Engine()

    @initialize()
    def begin(self) -> None:
        self.owner = User.objects.create_user("owner@example.org", full_name="Ольга Орлова")
        self.manager = User.objects.create_user("m@example.org", full_name="Марина Строгая")
        self.manager.groups.add(Group.objects.get_or_create(name=MANAGERS)[0])
        self.message = factories.make_message(self.owner)

    # ------------------------------------------------------------ people

    @rule(count=st.integers(1, 7))
    def start(self, count: int) -> None:
        clients = [
            Client.objects.get_or_create(
                owner=self.owner, email_normalised=f"c{n}@example.org",
                defaults={"email": f"c{n}@example.org", "full_name": f"Клиент {n}"},
            )[0]
            for n in range(count)
        ]  # fmt: skip
        mailing = factories.make_mailing(self.owner, clients=clients, message=self.message)
        self._ask(services.schedule_mailing, mailing, by=self.owner)

    @rule(n=numbers, act=st.sampled_from(["pause", "resume", "cancel"]))
    def own(self, n: int, act: str) -> None:
        self._ask(getattr(services, f"{act}_mailing"), self._mailing(n), by=self.owner)

    @rule(n=numbers, act=st.sampled_from(["stop", "allow"]))
    def manage(self, n: int, act: str) -> None:
        service = getattr(services, f"{act}_mailing")
        self._ask(service, self._mailing(n), by=self.manager, reason="Жалоба")

    @rule(active=st.booleans())
    def block_or_unblock(self, active: bool) -> None:
        User.objects.filter(pk=self.owner.pk).update(is_active=active)
        self.owner.refresh_from_db()

    @rule(n=numbers)
    def unsubscribe(self, n: int) -> None:
        stop_list.suppress(
            f"c{n % 7}@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=self.owner.pk
        )

    @rule(n=numbers)
    def forgive(self, n: int) -> None:
        """So that not everybody is on the stop-list in the end."""
        Suppression.objects.filter(address=f"c{n % 7}@example.org").update(
            address_hash=f"{n}-{Suppression.objects.count()}", address=""
        )

    @rule(n=numbers)
    def delete_client(self, n: int) -> None:
        client = Client.objects.order_by("pk")[n % 7 : n % 7 + 1].first()
        if client is not None and self.owner.is_active:
            client_services.delete_client(client=client, by=self.owner)

    @rule(n=numbers)
    def delete_many(self, n: int) -> None:
        if self.owner.is_active:
            some = Client.objects.filter(
                pk__in=list(Client.objects.values_list("pk", flat=True))[n % 4 :: 2]
            )
            bulk.take_away(chosen=some, by=self.owner)

    @rule(most=st.integers(1, 3))
    def delete_a_part(self, most: int) -> None:
        with patch.object(deleting, "DELIVERIES", most):
            for pk in ClientDeletion.objects.values_list("pk", flat=True):
                deleting.step(pk, clock.now())

    @rule(n=numbers)
    def end(self, n: int) -> None:
        mailing = self._mailing(n)
        if mailing is not None and mailing.start_at < timezone.now() - SECOND:
            Mailing.objects.filter(pk=mailing.pk, end_at=None).update(end_at=clock.now())

    def _mailing(self, n: int) -> Mailing | None:
        rows = list(Mailing.objects.select_related("owner").order_by("-pk")[:3])
        return rows[n % len(rows)] if rows else None

    def _ask(self, act: Callable[..., None], mailing: Mailing | None, **words: Any) -> None:
        if mailing is None or not words["by"].is_active:
            return
        # What the rules do not allow now is refused: an answer as good as another.
        with contextlib.suppress(services.Refused):
            act(mailing=mailing, **words)

    # ------------------------------------------------------------ the service

    @rule()
    def plan(self) -> None:
        planning.plan(clock.now())

    @rule(answers=answers_given)
    def work(self, answers: list[str]) -> None:
        self.engine.work(answers)

    @rule(
        answers=st.lists(
            st.sampled_from(["accepted", "busy", "taken, cut"]), min_size=3, max_size=8
        ),
        n=numbers,
        act=st.sampled_from(["pause", "stop", "block"]),
        commit=st.integers(1, 3),
        stops=st.booleans(),
    )
    def work_and_be_held(
        self, answers: list[str], n: int, act: str, commit: int, stops: bool
    ) -> None:
        acts: dict[str, Callable[[], None]] = {
            "pause": lambda: self.own(n=n, act="pause"),
            "stop": lambda: self.manage(n=n, act="stop"),
            "block": lambda: self.block_or_unblock(active=False),
        }
        self.engine.act_at(commit, acts[act], stops=stops)
        self.engine.work(answers)

    @rule(
        answers=answers_given,
        where=st.sampled_from(PLACES),
        after=st.integers(0, 3),
    )
    def fail(self, answers: list[str], where: tuple[type, str], after: int) -> None:
        """A session ends by a fault of its own."""
        left, right = iter(range(after)), getattr(*where)

        def fault(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise ZeroDivisionError
            return right(*arguments, **options)

        with patch.object(*where, fault), contextlib.suppress(RuntimeError):
            self.engine.work(answers)

    @rule(answers=answers_given)
    def crash(self, answers: list[str]) -> None:
        self.engine.crash(answers)

    @rule()
    def rescue(self) -> None:
        claiming.rescue_expired(clock.now())

    @rule()
    def time_passes(self) -> None:
        past = clock.now() - SECOND
        Delivery.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=past)
        Transport.objects.filter(breaker_until__isnull=False).update(breaker_until=past)

    # ------------------------------------------------------------ what must hold

    @invariant()
    def ledger_is_sound(self) -> None:
        assert list(invariants.broken(clock.now())) == []
        handed = Count("attempts", filter=Q(attempts__outcome__in=HANDED_OVER))
        rows = Delivery.objects.annotate(handed=handed).values_list(
            "pk", "address", "status", "uncertain_resends", "handed"
        )
        # What a dead worker handed over has its mark, and gets its attempt when it is rescued.
        marked = {
            pk for ids in WorkerLease.objects.values_list("in_flight", flat=True) for pk in ids
        }
        found = [Row(*row[:-1], row[-1] + (row[0] in marked)) for row in rows]
        assert lies(self.engine.log, found) == []

    def teardown(self) -> None:
        try:
            self._come_to_an_end()
        finally:
            forget_everything()

    def _come_to_an_end(self) -> None:
        """Whatever was done, a mail service that works and a few rounds settle all that may go."""
        self.block_or_unblock(active=True)
        Transport.objects.update(breaker_state="closed", breaker_failures=0, breaker_until=None)
        for _ in range(6):
            self.rescue()
            self.plan()
            self.time_passes()
            self.work(["accepted"] * 200)
            self.ledger_is_sound()
        deleting.run_waiting(clock.now, stopping=lambda: False, rest=lambda seconds: None)
        assert not ClientDeletion.objects.filter(finished_at=None).exists()
        assert not Client._base_manager.filter(owner=None).exists()
        waits = Q(status__in=OPEN_DELIVERIES) | Q(
            status=DeliveryStatus.UNCERTAIN, next_attempt_at__isnull=False
        )
        held = [MailingStatus.PAUSED, MailingStatus.STOPPED]
        left = Delivery.objects.filter(waits).exclude(run__mailing__status__in=held)
        assert list(left.values_list("status", "run__mailing__status")) == []
        assert not Run.objects.filter(
            status__in=[RunStatus.PREPARING, RunStatus.SENDING],
            mailing__status=MailingStatus.COMPLETED,
        ).exists()


def forget_everything() -> None:
    Mailing.clients.through.objects.all().delete()
    for model in (Attempt, Delivery, Chunk, Run, Mailing, Message, Client, ClientDeletion,
                  Suppression, Transport):  # fmt: skip
        model._base_manager.all()._raw_delete("default")
    WorkerLease.objects.all().delete()
    User.objects.filter(email__in=["owner@example.org", "m@example.org"]).delete()


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_ledger_is_sound_on_every_way_through():
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=20,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
