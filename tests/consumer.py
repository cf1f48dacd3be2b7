"""A real consumer process (`manage.py run_huey`) with a database and a queue of its own."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Self

from tests.site import ROOT, wait_for

PEOPLE = """
import json
from accounts.models import User
from tests import factories
owner = User.objects.create_user("owner@example.org", full_name="Ольга Орлова")
"""


class Consumer:
    """`start` it, `kill` it, `start` it again; `run` a command or `shell` code beside it."""

    def __init__(self, data: Path, *, email_url: str, **settings: str) -> None:
        self.data = data
        self.log = data / "consumer.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(data),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
            "EMAIL_URL": email_url,
            "SYSTEM_EMAIL_URL": "",
            "LOG_LEVEL": "INFO",
            "PYTHONWARNINGS": "ignore",
        } | settings
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        self.run("migrate", "-v0")
        self.run("createcachetable")

    def wait_until_it_works(self) -> None:
        """Wait for its first sign of life in its SQLite database."""
        database = sqlite3.connect(f"file:{self.data / 'db.sqlite3'}?mode=ro", uri=True)
        with closing(database):
            wait_for(
                lambda: database.execute("SELECT 1 FROM mailings_workerlease").fetchone(),
                timeout=90,
                message="the consumer did not start",
            )

    def run(self, *arguments: str) -> str:
        """Run a command to its end; return what it wrote, or fail with it."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, code: str) -> Any:
        """Run `code` against this consumer's database; return the JSON it prints last."""
        lines = self.run("shell", "--no-imports", "-c", code).splitlines()
        return json.loads(lines[-1]) if lines else None

    def start(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_huey"],
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip
        return self

    def end(self, number: signal.Signals = signal.SIGKILL) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(70)

    def output(self) -> str:
        return self.log.read_text()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end()
