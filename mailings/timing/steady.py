"""This host's clock, proof against being set while mail is sent.

Held, it goes on from where it stood by a clock that nobody can set: neither a wait nor a lease
follows a jump. When nobody holds it any more – a session lasts ten minutes – the host is believed
again, which may have been set right.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Unlike the monotonic one it goes on while the host sleeps, as the clocks of others do."""

_lock = threading.Lock()
_holders = 0
_beginning: float | None = None
"""When that clock stood at 0, by the host's; None: not held."""


def seconds() -> float:
    """Return the seconds since 1970."""
    beginning = _beginning
    return time.time() if beginning is None else beginning + time.clock_gettime(_CLOCK)


def now() -> datetime:
    """Return the present instant, aware, in UTC."""
    return datetime.fromtimestamp(seconds(), UTC)


def epoch() -> float:
    """Return when `time.monotonic` stood at 0."""
    return seconds() - time.monotonic()


@contextmanager
def held() -> Iterator[None]:
    """Heed no setting of the host's clock meanwhile, in the whole process."""
    global _holders, _beginning  # noqa: PLW0603 - a process has one clock
    with _lock:
        if not _holders:
            _beginning = time.time() - time.clock_gettime(_CLOCK)
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                _beginning = None
