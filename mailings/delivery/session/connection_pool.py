"""A mail service in use by a session: its connections, how many there may be, and what each holds.

A connection sends its next body only when its previous result is committed, and with it that the
next one is in flight. A pool begins with a few connections and adds to them while they do well; a
service that closes sessions gets fewer, one that fails is left to its breaker.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from mailings.delivery.session.daily_meter import DailyMeter
from mailings.delivery.session.rate_limits import RateLimits
from mailings.delivery.transports.base import Accepted, SendResult, Unavailable
from mailings.delivery.transports.mail import Mail

if TYPE_CHECKING:
    from mailings.delivery.transports import Connect, Connection

AT_FIRST = 4
"""Connections with which a pool begins; each that works makes room for two more."""
SLOW_DOWN = 5.0
"""Seconds of rest for a service that says that it is too much."""
RETRY_AFTER = 0.1  # seconds; doubled with every fault in a row
RETRY_AFTER_MOST = 30.0


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """A mail service that a session may use."""

    transport_id: int
    connect: "Connect"
    limits: RateLimits
    meter: DailyMeter | None = None
    """What may still be taken of its day; None: there is no limit."""
    is_probe: bool = False
    signs_itself: bool = False  # makes a letter of its own of what it is given, and signs that
    worked_lately: bool = False
    """Whether it has dealt with mails within the last minutes."""


class Dispatcher(Protocol):
    """The session, as its pools see it."""

    def next_mail(self, pool: "ConnectionPool") -> Mail | None: ...
    def has_waiting(self) -> bool: ...
    def requeue(self, pool: "ConnectionPool", mail: Mail) -> None: ...
    def take_result(
        self, pool: "ConnectionPool", slot: "Slot | None", mail: Mail, result: SendResult
    ) -> None: ...
    def request_commit(self) -> None: ...
    def pool_changed(self) -> None: ...


@dataclass(slots=True, eq=False)
class Slot:
    """What one connection holds. Of each mail the session hears exactly once."""

    connection: "Connection"
    is_ready: bool = False
    body: Mail | None = None  # left, not answered yet
    next: Mail | None = None  # its envelope is under way; the body waits for the commit
    committed: Mail | None = None  # committed as in flight
    committed_until: float = 0.0
    unrecorded: int = 0  # results that are not committed yet
    is_held: bool = False  # by a refusal that is not: it may stop the whole mailing
    is_body_waiting: bool = False  # the server waits for the body of `next`


class ConnectionPool:
    """The source (`transports.mail.Source`) of a transport's connections."""

    def __init__(self, dispatcher: Dispatcher, config: PoolConfig) -> None:
        self.transport_id = config.transport_id
        self.limits = config.limits
        self.meter = config.meter
        self.is_out_of_use = False  # its breaker is open, or its day used up
        self.bodies_in_flight = 0  # on their way, not answered yet
        self.worked_lately = config.worked_lately
        self._dispatcher = dispatcher
        self._connect = config.connect
        self._is_probe = config.is_probe
        self._probes_left = 1
        self._allowed = 1 if config.is_probe else AT_FIRST
        self._faults = 0
        self._retry_at = 0.0
        self._awaits_breaker = False  # a fault is being reported to the breaker
        self._is_stopping = False
        self._slots: dict[Connection, Slot] = {}
        self._idle: dict[Connection, None] = {}
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
            slot.body is None and slot.next is not None and slot.committed is not slot.next
            for slot in self._slots.values()
        )

    @property
    def takes_mail(self) -> bool:
        return not (self.is_out_of_use or self._awaits_breaker or self._is_stopping)

    # What the session says

    def wake_up(self) -> None:
        """There is mail: wake connections that wait, and open more."""
        if not self.takes_mail:
            return
        for connection in list(self._idle):
            if not self._dispatcher.has_waiting():
                break
            if self._idle.pop(connection, connection) is None:
                connection.wake()
        self._open_more()

    def apply_breaker(self, *, has_opened: bool) -> None:
        """The breaker has heard of the fault."""
        self._awaits_breaker = False
        if has_opened:
            self.put_out_of_use()

    def put_out_of_use(self) -> None:
        """Take no new mail in this session."""
        self.is_out_of_use = True
        self.stop()

    def stop(self) -> None:
        """Take no new mail; connections end when what they have handed over is answered."""
        self._is_stopping = True
        for connection in list(self._slots):
            connection.stop()

    def abort(self) -> None:
        self._is_stopping = True
        for connection in list(self._slots):
            connection.abort()

    def disconnect(self) -> None:
        """End every connection and hear nothing more of it: the session is over, and perhaps by a
        fault that another call would meet again. A connection that is left open would go on."""
        for name in ("next_mail", "may_send_body", "done", "closed"):
            setattr(self, name, _ignore)
        self.abort()

    def mark_committed(self, slot: Slot, mail: Mail, until: float) -> None:
        """`mail` stands in the lease: its body may leave when the server asks for it. After
        `until`, in the event loop's time, the lease is asked again."""
        if slot.next is mail:
            slot.committed = mail
            slot.committed_until = until

    def recorded(self, slot: Slot) -> None:
        """A result of this connection is committed."""
        slot.unrecorded -= 1
        if slot.is_held and not slot.unrecorded:
            slot.is_held = False
            if slot.connection in self._slots and slot.next is None:
                self._idle[slot.connection] = None

    def withdraw(self, slot: Slot, mail: Mail) -> bool:
        """Take back an envelope, which ends its connection; False: it is not here any more."""
        if slot.next is not mail:
            return False
        slot.next = slot.committed = None
        slot.is_body_waiting = False
        if self.meter is not None:
            self.meter.refund()
        slot.connection.stop()
        return True

    def clear_to_send(self, slot: Slot) -> bool:
        """Return whether the body that the server waits for may go; the caller then releases it."""
        if not (slot.is_body_waiting and self._is_clear_to_send(slot)):
            return False
        slot.is_body_waiting = False
        self._begin_body(slot)
        return True

    def _is_clear_to_send(self, slot: Slot) -> bool:
        if slot.unrecorded or slot.next is None or slot.committed is not slot.next:
            return False
        if monotonic() < slot.committed_until:
            return True
        slot.committed = None  # perhaps we were asleep, and somebody else has it by now
        return False

    def _begin_body(self, slot: Slot) -> None:
        slot.body, slot.next = slot.next, None
        self.bodies_in_flight += 1

    # Opening

    def _open_more(self) -> None:
        while (
            self._dispatcher.has_waiting()
            and self.takes_mail
            and len(self._slots) < self._most
            and monotonic() >= self._retry_at
        ):
            connection = self._connect(self)
            self._slots[connection] = Slot(connection)
            connection.start()

    def _is_up(self, slot: Slot) -> None:
        slot.is_ready = True
        if not self._is_probe:
            self._allowed += 2
            self._loop.call_soon(self._open_more)

    # As the source of the connections

    def next_mail(self, connection: "Connection") -> Mail | None:
        slot = self._slots[connection]
        if not slot.is_ready:
            self._is_up(slot)
        if not self.takes_mail or (self._is_probe and not self._probes_left):
            self._idle[connection] = None  # asked again when the breaker has spoken
            return None
        if slot.is_held:
            return None
        if slot.body is None and len(self._slots) > max(1, self._most):
            connection.stop()
            return None
        mail = self._dispatcher.next_mail(self)
        if mail is None:
            self._idle[connection] = None
            return None
        self._probes_left -= 1
        slot.next = mail
        if slot.body is None:
            self._dispatcher.request_commit()
        return mail

    def may_send_body(self, connection: "Connection", mail: Mail) -> bool:
        slot = self._slots[connection]
        if self._is_clear_to_send(slot):
            self._begin_body(slot)
            return True
        slot.is_body_waiting = True
        self._dispatcher.request_commit()
        return False

    def done(self, connection: "Connection", mail: Mail, result: SendResult) -> None:
        slot = self._slots[connection]
        if slot.body is mail:
            slot.body = None
            self.bodies_in_flight -= 1
        else:
            slot.next = None
            slot.is_body_waiting = False
        slot.unrecorded += 1
        if result.__class__ is Accepted:
            self._service_works()
            self.limits.succeeded()
            if self._allowed <= len(self._slots):
                self._allowed += 1  # for each mail taken, so that a fault is soon forgotten
        elif result.__class__ is Unavailable:
            self._fault()
            self._back_off(result)
        else:
            self._service_works()
            slot.is_held = True
        self._dispatcher.take_result(self, slot, mail, result)

    def closed(
        self, connection: "Connection", unsent: Mail | None, cause: SendResult | None
    ) -> None:
        slot = self._slots.pop(connection)
        self._idle.pop(connection, None)
        mail = slot.next  # what was refused meanwhile is not there any more
        # The commit that names it may come back later: it must find nothing here to send.
        slot.next = slot.committed = None
        slot.is_body_waiting = False
        if unsent is not None and unsent is slot.body:  # it was to leave just now
            mail, slot.body = slot.body, None
            self.bodies_in_flight -= 1
        if isinstance(cause, Unavailable) and not self._is_stopping:
            if cause.wait:
                self._back_off(cause)
            elif connection.accepted:
                self.limits.session_ended()
            if not connection.accepted:
                self._report_fault(mail, cause)
                mail = None
        if mail is not None:
            self._dispatcher.requeue(self, mail)
        self._dispatcher.pool_changed()

    def slow_down(self) -> None:
        """The service itself says that it is too much."""
        now = monotonic()
        self.limits.penalise(now + SLOW_DOWN, now)

    def _report_fault(self, mail: Mail | None, cause: SendResult) -> None:
        """A session could not be opened: the log of one mail says so, and the breaker hears it."""
        if self._awaits_breaker:
            if mail is not None:
                self._dispatcher.requeue(self, mail)
            return
        self._fault()
        mail = mail or self._dispatcher.next_mail(self)
        if mail is not None:
            self._dispatcher.take_result(self, None, mail, cause)
        else:
            self._awaits_breaker = False

    def _fault(self) -> None:
        self._awaits_breaker = True
        pause = min(RETRY_AFTER * 2**self._faults, RETRY_AFTER_MOST)
        self._retry_at = monotonic() + pause
        self._faults = min(self._faults + 1, 10)
        self._allowed = min(self._allowed, AT_FIRST)

    def _back_off(self, result: SendResult) -> None:
        """The service may have said for how long it wants to be left alone."""
        if result.wait:
            now = monotonic()
            self.limits.penalise(now + result.wait, now)

    def _service_works(self) -> None:
        self._faults = 0
        if self._is_probe:
            # The service works: the breaker hears of it with the commit.
            self._is_probe = False
            self._allowed = AT_FIRST
            self._dispatcher.pool_changed()

    @property
    def _most(self) -> int:
        """How many connections there may be now: few at first, more as they prove themselves."""
        return min(self._allowed, self.limits.connections(monotonic()))


def _ignore(*arguments: object) -> None:
    """Be a source that gives nothing and takes nothing."""
