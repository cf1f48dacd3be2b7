"""A line loses no mail between the permission to hand one over and its leaving."""

import asyncio
from time import monotonic

from mailings.delivery.limits import Limits
from mailings.delivery.line import Line
from mailings.delivery.transports.smtp_mail import Mail


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
