"""A pool loses no mail between the permission to hand one over and its leaving."""

import asyncio
from time import monotonic

from mailings.delivery.session.connection_pool import ConnectionPool, PoolConfig
from mailings.delivery.session.rate_limits import RateLimits
from mailings.delivery.transports.mail import Mail


class Dispatcher:
    """A session with mails to give, which notes what comes back."""

    def __init__(self, *mails: Mail) -> None:
        self.mails = list(mails)
        self.returned: list[Mail] = []

    def next_mail(self, pool: ConnectionPool) -> Mail | None:
        return self.mails.pop(0) if self.mails else None

    def has_waiting(self) -> bool:
        return bool(self.mails)

    def requeue(self, pool: ConnectionPool, mail: Mail) -> None:
        self.returned.append(mail)

    def request_commit(self) -> None:
        """Nobody commits here."""

    pool_changed = request_commit


class Connection:
    """A connection whose server has said 354 and which is told to stop before the body left."""

    accepted = 0

    def __init__(self, source: ConnectionPool) -> None:
        self.source = source

    def start(self) -> None:
        self.mail = self.source.next_mail(self)
        assert self.mail is not None
        assert not self.source.may_send_body(self, self.mail)

    def stop(self) -> None:
        self.source.closed(self, self.mail, None)


def test_body_that_was_permitted_and_did_not_leave_is_given_back():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        dispatcher = Dispatcher(mail)
        pool = ConnectionPool(dispatcher, PoolConfig(1, Connection, RateLimits(connections=1)))  # type: ignore[arg-type]
        pool.wake_up()
        (slot,) = pool.slots
        assert not pool.clear_to_send(slot), "not committed yet"
        pool.mark_committed(slot, mail, monotonic() + 60)
        assert pool.clear_to_send(slot)
        assert pool.bodies_in_flight == 1

        pool.stop()
        assert dispatcher.returned == [mail]
        assert (pool.bodies_in_flight, pool.is_open) == (0, False)

    asyncio.run(run())


def test_permission_does_not_outlast_a_sleep():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        pool = ConnectionPool(
            Dispatcher(mail), PoolConfig(1, Connection, RateLimits(connections=1))
        )  # type: ignore[arg-type]
        pool.wake_up()
        (slot,) = pool.slots
        pool.mark_committed(slot, mail, monotonic() - 1)
        assert not pool.clear_to_send(slot)
        assert pool.bodies_in_flight == 0
        assert pool.awaits_commit, "it is asked again"

    asyncio.run(run())


# A commit that comes back when its envelope is no longer where it was


def pool_with(mail: Mail, dispatcher: Dispatcher | None = None) -> ConnectionPool:
    pool = ConnectionPool(
        dispatcher or Dispatcher(mail), PoolConfig(1, Connection, RateLimits(connections=1))
    )  # type: ignore[arg-type]
    pool.wake_up()
    return pool


def test_closed_connection_leaves_nothing_for_the_commit_that_names_its_mail():
    """Neither leave: allowed, it would be counted as handed over; held, let go a second time."""

    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        dispatcher = Dispatcher(mail)
        pool = pool_with(mail, dispatcher)
        (slot,) = pool.slots
        pool.stop()
        assert dispatcher.returned == [mail]

        assert not pool.withdraw(slot, mail)
        pool.mark_committed(slot, mail, monotonic() + 60)
        assert slot.committed is None
        assert not pool.clear_to_send(slot)
        assert (slot.body, slot.next, pool.bodies_in_flight) == (None, None, 0)
        assert dispatcher.returned == [mail], "once"

    asyncio.run(run())


def test_refused_envelope_is_not_given_back_by_its_connection():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        dispatcher = Dispatcher(mail)
        pool = pool_with(mail, dispatcher)
        (slot,) = pool.slots
        assert pool.withdraw(slot, mail)
        assert dispatcher.returned == []
        assert not pool.withdraw(slot, mail), "a second time there is nothing"
        assert not pool.clear_to_send(slot)
        assert not pool.is_open

    asyncio.run(run())


def test_verdict_about_one_mail_does_not_touch_the_next():
    async def run() -> None:
        before = Mail("a@example.org", "b@example.org", b"body")
        mail = Mail("a@example.org", "c@example.org", b"body")
        pool = pool_with(mail)
        (slot,) = pool.slots
        pool.mark_committed(slot, before, monotonic() + 60)
        assert slot.committed is None
        assert not pool.withdraw(slot, before)
        assert slot.next is mail

    asyncio.run(run())


def test_pool_that_is_disconnected_tells_the_session_nothing():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        dispatcher = Dispatcher(mail)
        pool = ConnectionPool(dispatcher, PoolConfig(1, Deaf, RateLimits(connections=1)))  # type: ignore[arg-type]
        pool.wake_up()
        pool.disconnect()
        assert dispatcher.returned == []
        assert Deaf.ended

    asyncio.run(run())


class Deaf(Connection):
    """Ends at once, and says so."""

    ended = False

    def abort(self) -> None:
        Deaf.ended = True
        self.source.closed(self, self.mail, None)
