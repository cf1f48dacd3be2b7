"""A mail service in a process of its own, lean enough for thousands of mails a second.

It writes down what it accepts before it answers – to a file that survives every kill – and it
accepts what was handed over whole even when the sender is gone meanwhile (RFC 1047): the worst
case for copies.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from tests.ledger import Mail
from tests.servers import free_port, wait_for_port
from tests.site import ROOT


class Relay:
    """`need` says how long it takes for each mail; `kill` and `start` take it away and back."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.log = folder / "relay.log"
        self.log.touch()
        self.pace = folder / "relay.pace"
        self.pace.write_text("0")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def start(self) -> Self:
        arguments = [str(self.port), str(self.log), str(self.pace)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.faults.relay_process", *arguments], cwd=ROOT
        )
        wait_for_port(self.port, self.process)
        return self

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def need(self, seconds: float) -> None:
        assert self.process is not None
        self.pace.write_text(str(seconds))
        self.process.send_signal(signal.SIGHUP)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.kill()

    def mails(self) -> list[Mail]:
        """Return what was accepted, in the order of acceptance."""
        return [Mail(*line[2:].split(" ", 2)) for line in self._lines("M")]

    def count(self) -> int:
        return sum(1 for _ in self._lines("M"))

    def connections(self) -> int:
        """Return how often somebody connected (`start` does so once itself)."""
        return sum(1 for _ in self._lines("C"))

    def hung(self) -> int:
        """Return how many mails to `hang…` addresses were handed over."""
        return sum(1 for _ in self._lines("H"))

    def _lines(self, kind: str) -> Iterator[str]:
        for line in self.log.read_text().split("\n")[:-1]:
            if line.startswith(kind):
                yield line
