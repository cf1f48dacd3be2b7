"""Child processes that live and die together, as `manage.py up` runs them.

Each line a child writes is passed on with the child's name before it. When one child ends, or the
operator stops the whole, all others get SIGTERM, time to finish, and only then SIGKILL.
"""

import ctypes
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

GRACE = 15  # seconds to finish after SIGTERM; a worker that is killed then loses nothing either
PR_SET_PDEATHSIG = 1  # from <sys/prctl.h>


def die_with_parent() -> None:
    """Ask Linux for SIGTERM when the parent is gone, however it went (kill -9, a lost terminal)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    name: str
    process: subprocess.Popen[str]
    reader: threading.Thread


class ProcessGroup:
    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.children: list[Child] = []

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start `command` out of reach of the terminal's Ctrl-C: the order of the end is ours."""
        process = subprocess.Popen(  # noqa: S603 - our own commands
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=die_with_parent,  # noqa: PLW1509 - runs one system call
        )
        reader = threading.Thread(target=self._pass_on, args=(name, process), daemon=True)
        reader.start()
        self.children.append(Child(name, process, reader))

    def _pass_on(self, name: str, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.write(f"{name:<6} | {line.rstrip()}")

    def ended(self) -> Child | None:
        """Return a child that is no longer running."""
        return next((c for c in self.children if c.process.poll() is not None), None)

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop all: SIGTERM, wait up to GRACE seconds (or until `hurry`), SIGKILL."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._running() and time.monotonic() < deadline and not hurry():
            time.sleep(0.05)
        self._signal(signal.SIGKILL)
        for child in self.children:
            child.process.wait()
            child.reader.join(timeout=1)

    def _running(self) -> list[Child]:
        return [c for c in self.children if c.process.poll() is None]

    def _signal(self, number: signal.Signals) -> None:
        for child in self._running():
            child.process.send_signal(number)
