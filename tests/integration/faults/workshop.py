"""Workers that are there at once: a process that has imported the project forks them.

A forked worker is a real process with connections, threads and locks of its own, so a `kill -9`
of it is a real one – without the seconds that a consumer takes to import everything. It runs the
tasks of `mailings.tasks` side by side as Huey's threads would, only more often than each minute.
"""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.site import ROOT


@dataclass
class Worker:
    """A forked worker, by its process id."""

    workshop: "Workshop"
    pid: int
    status: int | None = None

    def has_ended(self) -> bool:
        if self.status is None:
            self.status = self.workshop.ask(do="poll", pid=self.pid)
        return self.status is not None

    @property
    def is_asleep(self) -> bool:
        """Whether the process is stopped (proc(5): its state is T)."""
        stat = Path(f"/proc/{self.pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0] == "T"

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """Return its exit code, negative for a signal."""
        if self.status is None:
            self.status = int(self.workshop.ask(do="wait", pid=self.pid))
        return self.status

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        if not self.has_ended():
            self.send(number)
        return self.wait()


class Workshop:
    """The process, seen from the test. `settings` overrule Django's in each forked child."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.log = folder / "workshop.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "tests.process_settings",
            "DATA_DIR": str(folder),
            "REDIS_URL": "",
            "EMAIL_URL": "memory://",
            "SYSTEM_EMAIL_URL": "memory://",
            "PYTHONWARNINGS": "ignore",
        } | environment

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.faults.workshop_process", str(self.log)],
                cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, bufsize=1,
            )  # fmt: skip
        return self

    def __exit__(self, *exception: object) -> None:
        self.process.kill()  # its children go with it
        self.process.communicate()

    def ask(self, **command: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, f"The workshop ended: {self.log.read_text()[-3000:]}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def run(self, code: str, database: str, **settings: Any) -> Any:
        """Run code to its end; return what it leaves in `result`."""
        return self.ask(do="run", code=code, database=database, settings=settings)

    def begin(self, code: str, database: str, **settings: Any) -> Worker:
        """Run code in a process that the test ends when it likes."""
        command = {"code": code, "database": database, "settings": settings}
        return Worker(self, int(self.ask(do="begin", **command)))

    def work(self, database: str, before: str = "", **settings: Any) -> Worker:
        """Start a worker; `before` is code that it runs first."""
        command = {"code": before, "database": database, "settings": settings}
        return Worker(self, int(self.ask(do="work", **command)))

    def serve(self, database: str, port: int, **settings: Any) -> Worker:
        """Start a web process."""
        return Worker(
            self, int(self.ask(do="serve", database=database, port=port, settings=settings))
        )
