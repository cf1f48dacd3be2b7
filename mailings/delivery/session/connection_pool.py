"""A mail service in use by a session: its connections, how many there may be, and what each holds.

A connection sends its next body only when its previous outcome is committed, and with it that the
next one is in hand. It begins with a few connections and adds to them while they do well; a service
that closes sessions gets fewer, one that fails is left to its breaker.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from mailings.delivery.session.rate_limits import Limits
from mailings.delivery.transports.base import Accepted, Outcome, Unavailable
from mailings.delivery.transports.smtp.mail import Mail

if TYPE_CHECKING:
    from mailings.delivery.transports import Connect, Link

AT_FIRST = 4
"""Connections with which a line begins; each that works makes room for two more."""
SLOW_DOWN = 5.0
"""Seconds of rest for a service that says that it is too much."""
RETRY_AFTER = 0.1  # seconds; doubled with every fault in a row
RETRY_AFTER_MOST = 30.0


class Owner(Protocol):
    """The session, as its lines see it."""

    def next_mail(self, line: "Line") -> Mail | None: ...
    def has_waiting(self) -> bool: ...
    def put_back(self, mail: Mail) -> None: ...
    def take_result(
        self, line: "Line", slot: "Slot | None", mail: Mail, outcome: Outcome
    ) -> None: ...
    def want_commit(self) -> None: ...
    def line_changed(self) -> None: ...


@dataclass(slots=True, eq=False)
class Slot:
    """What one connection holds. Of each mail the session hears exactly once."""

    link: "Link"
    is_ready: bool = False
    body: Mail | None = None  # left, not answered yet
    next: Mail | None = None  # its envelope is under way; the body waits for the commit
    marked: Mail | None = None  # committed as being handed over
    marked_until: float = 0.0
    unrecorded: int = 0  # outcomes that are not committed yet
    is_held: bool = False  # by a refusal that is not: it may stop the whole mailing
    is_parked: bool = False  # the server waits for the body of `next`


class Line:
    """The source (`smtp.mail.Source`) of a transport's connections."""

    def __init__(
        self,
        owner: Owner,
        transport_id: int,
        connect: "Connect",
        limits: Limits,
        *,
        is_probe: bool = False,
    ) -> None:
        self.transport_id = transport_id
        self.limits = limits
        self.is_resting = False  # its breaker is open
        self.bodies = 0  # on their way, not answered yet
        self._owner = owner
        self._connect = connect
        self._is_probe = is_probe
        self._probes_left = 1
        self._allowed = 1 if is_probe else AT_FIRST
        self._faults = 0
        self._retry_at = 0.0
        self._awaits_verdict = False  # a fault is being reported to the breaker
        self._is_stopping = False
        self._slots: dict[Link, Slot] = {}
        self._idle: dict[Link, None] = {}
        self._loop = asyncio.get_running_loop()

    @property
    def slots(self) -> Iterable[Slot]:
        return self._slots.values()

    @property
    def connections(self) -> int:
        return len(self._slots)

    @property
    def is_open(self) -> bool:
        return bool(self._slots)

    @property
    def holds_mail(self) -> bool:
        return any(slot.body or slot.next or slot.unrecorded for slot in self._slots.values())

    @property
    def awaits_commit(self) -> bool:
        return any(
            slot.body is None and slot.next is not None and slot.marked is not slot.next
            for slot in self._slots.values()
        )

    @property
    def takes_mail(self) -> bool:
        return not (self.is_resting or self._awaits_verdict or self._is_stopping)

    # What the session says

    def offer(self) -> None:
        """There is mail: wake connections that wait, and open more."""
        if not self.takes_mail:
            return
        for link in list(self._idle):
            if not self._owner.has_waiting():
                break
            if self._idle.pop(link, link) is None:
                link.wake()
        self._open_more()

    def hear(self, *, must_rest: bool) -> None:
        """The breaker has heard of the fault."""
        self._awaits_verdict = False
        if must_rest:
            self.is_resting = True
            self.stop()

    def stop(self) -> None:
        """Take no new mail; connections end when what they have handed over is answered."""
        self._is_stopping = True
        for link in list(self._slots):
            link.stop()

    def abort(self) -> None:
        self._is_stopping = True
        for link in list(self._slots):
            link.abort()

    def cut(self) -> None:
        """End every connection and hear nothing more of it: the session is over, and perhaps by a
        fault that another call would meet again. A connection that is left open would go on."""
        for name in ("next_mail", "may_send_body", "done", "closed"):
            setattr(self, name, _hear_nothing)
        self.abort()

    def mark(self, slot: Slot, mail: Mail, until: float) -> None:
        """`mail` stands in the lease: its body may leave as soon as it is its turn. After `until`,
        in the event loop's time, the lease is asked again."""
        if slot.next is mail:
            slot.marked = mail
            slot.marked_until = until

    def recorded(self, slot: Slot) -> None:
        """An outcome of this connection is committed."""
        slot.unrecorded -= 1
        if slot.is_held and not slot.unrecorded:
            slot.is_held = False
            if slot.link in self._slots and slot.next is None:
                self._idle[slot.link] = None

    def refuse(self, slot: Slot, mail: Mail) -> bool:
        """Take back an envelope, which ends its connection; False: it is not here any more."""
        if slot.next is not mail:
            return False
        slot.next = slot.marked = None
        slot.is_parked = False
        slot.link.stop()
        return True

    def hand_over(self, slot: Slot) -> bool:
        """Return whether the body that the server waits for may go; the caller then releases it."""
        if not (slot.is_parked and self._may_go(slot)):
            return False
        slot.is_parked = False
        self._hand_over(slot)
        return True

    def _may_go(self, slot: Slot) -> bool:
        if slot.unrecorded or slot.next is None or slot.marked is not slot.next:
            return False
        if monotonic() < slot.marked_until:
            return True
        slot.marked = None  # perhaps we were asleep, and somebody else has it by now
        return False

    def _hand_over(self, slot: Slot) -> None:
        slot.body, slot.next = slot.next, None
        self.bodies += 1

    # Opening

    def _open_more(self) -> None:
        while (
            self._owner.has_waiting()
            and self.takes_mail
            and len(self._slots) < self._most
            and monotonic() >= self._retry_at
        ):
            link = self._connect(self)
            self._slots[link] = Slot(link)
            link.start()

    def _is_up(self, slot: Slot) -> None:
        slot.is_ready = True
        if not self._is_probe:
            self._allowed += 2
            self._loop.call_soon(self._open_more)

    # As the source of the connections

    def next_mail(self, link: "Link") -> Mail | None:
        slot = self._slots[link]
        if not slot.is_ready:
            self._is_up(slot)
        if not self.takes_mail or (self._is_probe and not self._probes_left):
            self._idle[link] = None  # asked again when the breaker has spoken
            return None
        if slot.is_held:
            return None
        if slot.body is None and len(self._slots) > max(1, self._most):
            link.stop()
            return None
        mail = self._owner.next_mail(self)
        if mail is None:
            self._idle[link] = None
            return None
        self._probes_left -= 1
        slot.next = mail
        if slot.body is None:
            self._owner.want_commit()
        return mail

    def may_send_body(self, link: "Link", mail: Mail) -> bool:
        slot = self._slots[link]
        if self._may_go(slot):
            self._hand_over(slot)
            return True
        slot.is_parked = True
        self._owner.want_commit()
        return False

    def done(self, link: "Link", mail: Mail, outcome: Outcome) -> None:
        slot = self._slots[link]
        if slot.body is mail:
            slot.body = None
            self.bodies -= 1
        else:
            slot.next = None
            slot.is_parked = False
        slot.unrecorded += 1
        if outcome.__class__ is Accepted:
            self._works()
            self.limits.succeeded()
            if self._allowed <= len(self._slots):
                self._allowed += 1  # for each mail taken, so that a fault is soon forgotten
        elif outcome.__class__ is Unavailable:
            self._fault()
            self._rest(outcome)
        else:
            self._works()
            slot.is_held = True
            if _is_too_much(outcome):
                now = monotonic()
                self.limits.penalise(now + SLOW_DOWN, now)
        self._owner.take_result(self, slot, mail, outcome)

    def closed(self, link: "Link", unsent: Mail | None, cause: Outcome | None) -> None:
        slot = self._slots.pop(link)
        self._idle.pop(link, None)
        mail = slot.next  # what was refused meanwhile is not there any more
        # The commit that names it may come back later: it must find nothing here to let go.
        slot.next = slot.marked = None
        slot.is_parked = False
        if unsent is not None and unsent is slot.body:  # it was to leave just now
            mail, slot.body = slot.body, None
            self.bodies -= 1
        if isinstance(cause, Unavailable) and not self._is_stopping:
            if cause.wait:
                self._rest(cause)
            elif link.accepted:
                self.limits.session_ended()
            if not link.accepted:
                self._report_fault(mail, cause)
                mail = None
        if mail is not None:
            self._owner.put_back(mail)
        self._owner.line_changed()

    def _report_fault(self, mail: Mail | None, cause: Outcome) -> None:
        """A session could not be opened: the log of one mail says so, and the breaker hears it."""
        if self._awaits_verdict:
            if mail is not None:
                self._owner.put_back(mail)
            return
        self._fault()
        mail = mail or self._owner.next_mail(self)
        if mail is not None:
            self._owner.take_result(self, None, mail, cause)
        else:
            self._awaits_verdict = False

    def _fault(self) -> None:
        self._awaits_verdict = True
        pause = min(RETRY_AFTER * 2**self._faults, RETRY_AFTER_MOST)
        self._retry_at = monotonic() + pause
        self._faults = min(self._faults + 1, 10)
        self._allowed = min(self._allowed, AT_FIRST)

    def _rest(self, outcome: Outcome) -> None:
        """The service may have said for how long it wants to be left alone."""
        if outcome.wait:
            now = monotonic()
            self.limits.penalise(now + outcome.wait, now)

    def _works(self) -> None:
        self._faults = 0
        if self._is_probe:
            # The service works: the breaker hears of it with the commit.
            self._is_probe = False
            self._allowed = AT_FIRST
            self._owner.line_changed()

    @property
    def _most(self) -> int:
        """How many connections there may be now: few at first, more as they prove themselves."""
        return min(self._allowed, self.limits.connections(monotonic()))


def _hear_nothing(*arguments: object) -> None:
    """Be a source that gives nothing and takes nothing."""


_TOO_MUCH = re.compile(r"too (many|much|fast)|rate|throttl|exceed|slow|limit", re.I)


def _is_too_much(outcome: Outcome) -> bool:
    """Whether the service asks for fewer mails, rather than for this one to come later."""
    return outcome.enhanced_code.startswith("4.7.") and bool(_TOO_MUCH.search(outcome.reply))
