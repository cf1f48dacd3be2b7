"""A line loses no mail between the permission to hand one over and its leaving."""

import asyncio
from time import monotonic

from mailings.delivery.session.connection_pool import Line
from mailings.delivery.session.rate_limits import Limits
from mailings.delivery.transports.smtp.mail import Mail


class Owner:
    """A session with mails to give, which notes what comes back."""

    def __init__(self, *mails: Mail) -> None:
        self.mails = list(mails)
        self.returned: list[Mail] = []

    def next_mail(self, line: Line) -> Mail | None:
        return self.mails.pop(0) if self.mails else None

    def has_waiting(self) -> bool:
        return bool(self.mails)

    def put_back(self, mail: Mail) -> None:
        self.returned.append(mail)

    def want_commit(self) -> None:
        """Nobody commits here."""

    line_changed = want_commit


class Link:
    """A connection whose server has said 354 and which is told to stop before the body left."""

    accepted = 0

    def __init__(self, source: Line) -> None:
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
        owner = Owner(mail)
        line = Line(owner, 1, Link, Limits(connections=1))  # type: ignore[arg-type]
        line.offer()
        (slot,) = line.slots
        assert not line.hand_over(slot), "not committed yet"
        line.mark(slot, mail, monotonic() + 60)
        assert line.hand_over(slot)
        assert line.bodies == 1

        line.stop()
        assert owner.returned == [mail]
        assert (line.bodies, line.is_open) == (0, False)

    asyncio.run(run())


def test_permission_does_not_outlast_a_sleep():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        line = Line(Owner(mail), 1, Link, Limits(connections=1))  # type: ignore[arg-type]
        line.offer()
        (slot,) = line.slots
        line.mark(slot, mail, monotonic() - 1)
        assert not line.hand_over(slot)
        assert line.bodies == 0
        assert line.awaits_commit, "it is asked again"

    asyncio.run(run())


# A commit that comes back when its envelope is no longer where it was


def line_with(mail: Mail, owner: Owner | None = None) -> Line:
    line = Line(owner or Owner(mail), 1, Link, Limits(connections=1))  # type: ignore[arg-type]
    line.offer()
    return line


def test_closed_connection_leaves_nothing_for_the_commit_that_names_its_mail():
    """Neither leave: allowed, it would be counted as handed over; held, let go a second time."""

    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        owner = Owner(mail)
        line = line_with(mail, owner)
        (slot,) = line.slots
        line.stop()
        assert owner.returned == [mail]

        assert not line.refuse(slot, mail)
        line.mark(slot, mail, monotonic() + 60)
        assert slot.marked is None
        assert not line.hand_over(slot)
        assert (slot.body, slot.next, line.bodies) == (None, None, 0)
        assert owner.returned == [mail], "once"

    asyncio.run(run())


def test_refused_envelope_is_not_given_back_by_its_connection():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        owner = Owner(mail)
        line = line_with(mail, owner)
        (slot,) = line.slots
        assert line.refuse(slot, mail)
        assert owner.returned == []
        assert not line.refuse(slot, mail), "a second time there is nothing"
        assert not line.hand_over(slot)
        assert not line.is_open

    asyncio.run(run())


def test_verdict_about_one_mail_does_not_touch_the_next():
    async def run() -> None:
        before = Mail("a@example.org", "b@example.org", b"body")
        mail = Mail("a@example.org", "c@example.org", b"body")
        line = line_with(mail)
        (slot,) = line.slots
        line.mark(slot, before, monotonic() + 60)
        assert slot.marked is None
        assert not line.refuse(slot, before)
        assert slot.next is mail

    asyncio.run(run())


def test_line_that_is_cut_tells_the_session_nothing():
    async def run() -> None:
        mail = Mail("a@example.org", "b@example.org", b"body")
        owner = Owner(mail)
        line = Line(owner, 1, Deaf, Limits(connections=1))  # type: ignore[arg-type]
        line.offer()
        line.cut()
        assert owner.returned == []
        assert Deaf.ended

    asyncio.run(run())


class Deaf(Link):
    """Ends at once, and says so."""

    ended = False

    def abort(self) -> None:
        Deaf.ended = True
        self.source.closed(self, self.mail, None)
