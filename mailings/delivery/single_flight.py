"""Work that a process does once at a time, however often it is asked to."""

import threading
from collections.abc import Callable


def never() -> bool:
    return False


class SingleFlight:
    """Who asks while the work is done does not wait: it is done once more for all who did.

    What is looked for may have come after it was looked for; so it must be done again, but not by
    a crowd: fifty mailings that start in the same second ask fifty times.
    """

    def __init__(self) -> None:
        self._running = threading.Lock()
        self._requested = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether the work is being done now."""
        return self._running.locked()

    def run(self, work: Callable[[], object], *, stopping: Callable[[], bool] = never) -> None:
        """Do the work in this thread, unless another one is at it; until nobody asked meanwhile."""
        self._requested.set()
        # Looked at again after the release: somebody may have asked in between.
        while self._requested.is_set() and not stopping() and self._running.acquire(blocking=False):
            try:
                self._requested.clear()
                work()
            finally:
                self._running.release()
