"""Takes in what waits in the mailbox for returned mail (`BOUNCE_MAILBOX_URL`), and keeps in the
cache how that went, for those who watch the service.

One reading at a time, of all processes. What cannot be recorded because the database is away stays
in the mailbox for the next one.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.db import InterfaceError, OperationalError

from mailings.feedback import services
from mailings.models.feedback import EventSource

if TYPE_CHECKING:
    from mailings.feedback.mailbox import Mail

log = logging.getLogger(__name__)

LOCKED_FOR = 300
"""Seconds after which a reading is taken for dead: it ends after two minutes, and one answer of
the server more."""
LATE_AFTER = timedelta(minutes=30)
"""Ten readings that were due."""
_LOCK, _LAST = "mailbox_reading", "mailbox_reading_last"


@dataclass(frozen=True, slots=True)
class Reading:
    """How the last reading went."""

    at: datetime
    taken: int
    """Mails that were recorded; how many of them meant anything is not told."""
    fault: str = ""
    """What went wrong, in the server's words, without the password."""

    def is_well(self, now: datetime) -> bool:
        """Return whether the mailbox is read: lately, and without a fault."""
        return not self.fault and now - self.at <= LATE_AFTER


def read(
    now: Callable[[], datetime], *, stopping: Callable[[], bool] = lambda: False
) -> Reading | None:
    """Take in what waits; None: no mailbox is set, or somebody else is reading it."""
    if not settings.BOUNCE_MAILBOX_URL or not cache.add(_LOCK, 1, LOCKED_FOR):
        return None
    try:
        taken, fault = _take_all(stopping)
    finally:
        cache.delete(_LOCK)
    reading = Reading(now(), taken, fault)
    cache.set(_LAST, (reading.at, reading.taken, reading.fault), timeout=None)
    if fault:
        log.warning("mailbox_not_read", extra={"taken": taken, "error": fault})
    elif taken:
        log.info("mailbox_read", extra={"taken": taken})
    return reading


def last() -> Reading | None:
    """Return how the last reading went; None: no mailbox is set, or none is known."""
    if not settings.BOUNCE_MAILBOX_URL:
        return None
    try:
        found = cache.get(_LAST)
    except Exception as error:  # noqa: BLE001 - Redis's own and the database's: they are told elsewhere
        log.warning("cache_away", extra={"error": error})
        return None
    return Reading(*found) if found else None


def _take_all(stopping: Callable[[], bool]) -> tuple[int, str]:
    """Return how many mails were recorded, and what went wrong."""
    from mailings.feedback import mailbox  # its library is 7 MB, and few have such a mailbox

    taken = failed = 0
    try:
        config = mailbox.ImapConfig.from_url(settings.BOUNCE_MAILBOX_URL)
    except ValueError as error:
        return 0, str(error)
    try:
        for mail in mailbox.read(config):
            if stopping():
                break
            if _take(mail):
                taken += 1
            else:
                failed += 1
    except mailbox.ImapFailed as error:
        return taken, str(error)
    except (OperationalError, InterfaceError):
        return taken, "the database is away"
    return taken, f"mails that could not be recorded: {failed}" if failed else ""


def _take(mail: "Mail") -> bool:
    """Record a mail. Raises what a database raises that is away: the mail comes again then."""
    try:
        services.take(mail.raw, source=EventSource.MAILBOX)
    except (OperationalError, InterfaceError):
        raise
    except Exception as error:  # noqa: BLE001 - one mail must not keep back all behind it
        # Without its words, which may hold an address. The mail is still there, among those read.
        log.error("report_not_taken", extra={"uid": mail.uid, "error": type(error).__name__})  # noqa: TRY400
        return False
    return True
