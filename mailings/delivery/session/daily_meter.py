"""What a session may still take of a mail service's day (`queue.daily_limit`), so that a mail costs
no query. The loop takes; the feeder, which may ask the database, sees to it that there is some.
"""

import math
from datetime import date
from time import monotonic

from mailings.delivery.queue import daily_limit
from mailings.models import Transport
from mailings.timing import clock

LOW = daily_limit.AT_ONCE_LEAST
"""With fewer than these more are taken from the day."""


class DailyMeter:
    """One worker's. Each number is written by one thread only, so no lock is needed."""

    def __init__(self, transport: Transport) -> None:
        self._transport_id = transport.pk
        self._spent = 0  # the loop's
        # The feeder's.
        self._granted = 0
        self._is_used_up = False
        self._day = date.min  # on which the mails that are left were counted
        self._until = math.inf  # the end of that day, by the monotonic clock

    @property
    def left(self) -> int:
        return self._granted - self._spent

    @property
    def is_low(self) -> bool:
        return self.left < LOW and not self._is_used_up

    @property
    def is_used_up(self) -> bool:
        """Whether nothing of the day is left, here or in the database."""
        return self._is_used_up and self.left <= 0 and not self._is_over

    @property
    def _is_over(self) -> bool:
        """Whether another day has begun."""
        return monotonic() >= self._until

    def take(self) -> bool:
        """Count one mail; False: there is none for now."""
        if self._spent >= self._granted or self._is_over:
            return False
        self._spent += 1
        return True

    def refund(self) -> None:
        """The mail that was counted was not handed over."""
        self._spent -= 1

    def top_up(self) -> None:
        """Take more from the day if little is left. Asks the database."""
        if self._is_over:
            self.close()
            self._is_used_up = False
        if not self.is_low:
            return
        now = clock.now()
        lot = daily_limit.take(self._transport_id, now)
        if lot.day != self._day:
            self._granted -= self.left  # of the day before
            self._day = lot.day
        self._until = monotonic() + (lot.ends_at - now).total_seconds()
        self._granted += lot.mails
        self._is_used_up = not lot.mails

    def close(self) -> None:
        """Give back what was not used. Asks the database."""
        if (left := self.left) > 0:
            self._granted -= left
            daily_limit.give_back(self._transport_id, left, self._day)
