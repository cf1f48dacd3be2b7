"""Calls other workers while there is more to send than this one can hold."""

import threading
from time import monotonic

from mailings.models import Run
from mailings.signals import deliveries_ready

CALL_EVERY = 1.0
"""Seconds between calls, while there is work for them."""


class IdleWorkers:
    """One that is idle may hear the call; where the task queue is away, nobody does, and this
    worker goes on alone."""

    def __init__(self) -> None:
        self._called_at = 0.0
        self._calling = threading.Lock()

    def call(self) -> None:
        """Return at once: a task queue that is away may keep its caller waiting."""
        now = monotonic()
        if now - self._called_at >= CALL_EVERY and not self._calling.locked():
            self._called_at = now
            threading.Thread(target=self._call, name="calling", daemon=True).start()

    def _call(self) -> None:
        with self._calling:
            deliveries_ready.send_robust(Run)
