"""Clients who are deleted while a run with them is being frozen: by every door, in transactions
that really are at the same time. Nobody is written to, and no row of the ledger points to nowhere.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from django.db import connections, transaction
from django.utils import timezone

from accounts.models import User
from mailings.campaigns import follow_ups, services
from mailings.clients import bulk, deleting
from mailings.clients import services as client_services
from mailings.delivery import worker
from mailings.delivery.runs import invariants, planning
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.transports import memory
from mailings.models import Client, ClientList, Delivery, Mailing, Run
from mailings.states import DeliveryStatus, SkipReason
from mailings.timing import clock
from tests import factories

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

PATIENCE = 0.7
"""Seconds in which a deletion that waits for nobody is through."""
LONG = 30  # seconds


def by_hand(clients: list[Client], owner: User) -> None:
    for client in clients:
        client_services.delete_client(client=client, by=owner)


def in_bulk(clients: list[Client], owner: User) -> None:
    bulk.delete(chosen=Client.objects.filter(pk__in=[c.pk for c in clients]), by=owner)


def in_the_background(clients: list[Client], owner: User) -> None:
    bulk.take_away(chosen=Client.objects.filter(pk__in=[c.pk for c in clients]), by=owner)
    deleting.run_waiting(clock.now, stopping=lambda: False)


def as_a_query(clients: list[Client], owner: User) -> None:
    Client.objects.filter(pk__in=[c.pk for c in clients]).delete()


def as_rows(clients: list[Client], owner: User) -> None:
    for client in clients:
        Client.objects.get(pk=client.pk).delete()


DOORS = [by_hand, in_bulk, in_the_background, as_a_query, as_rows]


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Begin `act` in a transaction of its own, have the block done while it tries, and wait."""
    faults: list[Exception] = []

    def run() -> None:
        try:
            act()
        except Exception as fault:  # noqa: BLE001 - the test's own thread looks at it
            faults.append(fault)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    yield
    thread.join(LONG)
    assert not thread.is_alive()
    assert faults == []


def scheduled(owner: User, clients: list[Client]) -> Mailing:
    mailing = factories.make_mailing(owner, clients=clients)
    services.schedule_mailing(mailing=mailing, by=owner)
    return mailing


def send() -> list[str]:
    default_transport()
    memory.service.reset()
    worker.send_due(stopping=lambda: False)
    return [mail.recipient for mail in memory.service.taken]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("count", [1, 120])
def test_whoever_is_deleted_while_a_run_is_frozen_is_skipped(owner, door, count):
    gone, left = factories.make_clients(owner, count), factories.make_clients(owner, 3)
    mailing = scheduled(owner, [*gone, *left])
    commit = transaction.atomic()
    commit.__enter__()
    assert planning.plan(timezone.now()) == 1  # frozen, and not committed
    with meanwhile(lambda: door(gone, owner)):
        commit.__exit__(None, None, None)

    assert not Client.objects.filter(pk__in=[c.pk for c in gone]).exists()
    assert list(invariants.broken(clock.now())) == []
    assert sorted(send()) == sorted(c.email_normalised for c in left)
    skipped = Delivery.objects.filter(run__mailing=mailing, status=DeliveryStatus.SKIPPED)
    assert set(skipped.values_list("reason", "client")) == {(SkipReason.CLIENT_DELETED, None)}
    assert skipped.count() == count
    assert list(invariants.broken(clock.now())) == []


@pytest.mark.parametrize("door", DOORS)
def test_whoever_is_being_deleted_is_not_frozen(owner, door):
    gone, left = factories.make_clients(owner, 5), factories.make_clients(owner, 2)
    mailing = scheduled(owner, [*gone, *left])
    commit = transaction.atomic()
    commit.__enter__()
    door(gone, owner)  # deleted, and not committed
    with meanwhile(lambda: planning.plan(timezone.now())):
        commit.__exit__(None, None, None)

    run = Run.objects.get(mailing=mailing)
    assert (run.targeted, run.deliveries.count()) == (2, 2)
    assert list(invariants.broken(clock.now())) == []
    assert sorted(send()) == sorted(c.email_normalised for c in left)


def test_many_deletions_and_many_runs_at_once_leave_a_sound_ledger(owner, stranger):
    clients = {user: factories.make_clients(user, 60) for user in (owner, stranger)}
    mailings = [scheduled(user, clients[user]) for user in clients for _ in range(4)]
    begin = threading.Barrier(5)
    faults: list[Exception] = []

    def work(act: Callable[[], object]) -> None:
        begin.wait()
        try:
            act()
        except Exception as fault:  # noqa: BLE001 - the test's own thread looks at it
            faults.append(fault)
        finally:
            connections.close_all()

    acts: list[Callable[[], object]] = [
        lambda: planning.plan(timezone.now()),
        lambda: planning.plan(timezone.now()),
        lambda: by_hand(clients[owner][:12], owner),
        lambda: in_bulk(clients[owner][20:50], owner),
        lambda: as_a_query(clients[stranger][5:40], stranger),
    ]
    threads = [threading.Thread(target=work, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert faults == []
    assert list(invariants.broken(clock.now())) == []
    assert Run.objects.count() == len(mailings)

    there = set(Client.objects.values_list("email_normalised", flat=True))
    mailed = send()
    assert set(mailed) <= there
    assert list(invariants.broken(clock.now())) == []


def test_user_who_is_deleted_while_their_run_is_frozen_leaves_nothing_or_everything(owner):
    """The deletion waits for the run, of which it knew nothing, and is refused or takes it along;
    what was frozen never outlives what it points to."""
    scheduled(owner, factories.make_clients(owner, 5))
    outcomes: list[str] = []

    def delete_user() -> None:
        try:
            User.objects.get(pk=owner.pk).delete()
            outcomes.append("gone")
        except Exception as error:  # noqa: BLE001 - which, is what the test asks
            outcomes.append(type(error).__name__)

    commit = transaction.atomic()
    commit.__enter__()
    assert planning.plan(timezone.now()) == 1
    with meanwhile(delete_user):
        commit.__exit__(None, None, None)

    assert outcomes in (["gone"], ["IntegrityError"], ["ProtectedError"])
    assert list(invariants.broken(clock.now())) == []
    if outcomes == ["gone"]:
        assert not Delivery.objects.exists()
    else:
        assert Client.objects.filter(owner=owner).count() == 5


def test_mailing_that_is_just_beginning_is_not_deleted(owner):
    mailing = scheduled(owner, factories.make_clients(owner, 3))
    answers: list[object] = []

    def delete() -> None:
        try:
            services.delete_mailing(mailing=mailing, by=owner)
            answers.append("deleted")
        except services.Refused:
            answers.append("refused")

    commit = transaction.atomic()
    commit.__enter__()
    assert planning.plan(timezone.now()) == 1
    with meanwhile(delete):
        commit.__exit__(None, None, None)
    assert answers == ["refused"]
    assert list(invariants.broken(clock.now())) == []


def test_whoever_is_being_deleted_is_put_on_no_list(owner):
    clients = factories.make_clients(owner, 6)
    target = factories.make_list(owner)
    commit = transaction.atomic()
    commit.__enter__()
    in_bulk(clients[:3], owner)
    everybody = Client.objects.filter(owner=owner)
    with meanwhile(lambda: bulk.put_on_list(chosen=everybody, target=target, by=owner)):
        commit.__exit__(None, None, None)
    assert ClientList.clients.through.objects.filter(clientlist=target).count() == 3


def test_whoever_is_being_deleted_is_in_no_follow_up(owner):
    mailing = scheduled(owner, factories.make_clients(owner, 2))
    planning.plan(timezone.now())
    on = factories.make_list(owner, factories.make_clients(owner, 4))
    mailing.lists.add(on)
    gone = list(on.clients.all()[:2])
    commit = transaction.atomic()
    commit.__enter__()
    by_hand(gone, owner)
    with meanwhile(lambda: follow_ups.send_to_added(mailing=mailing, by=owner)):
        commit.__exit__(None, None, None)
    made = Mailing.objects.get(follows__mailing=mailing)
    assert made.clients.count() == 2
