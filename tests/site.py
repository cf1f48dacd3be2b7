"""The whole service as a stranger has it: `manage.py up` on SQLite, with a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
START_TIMEOUT = 180  # seconds; demo content and a busy machine
Found = TypeVar("Found")


def wait_for(what: Callable[[], Found | None], *, timeout: float, message: object) -> Found:
    """Return the first true answer of `what`; after `timeout` seconds fail with the words of
    `message`, which are asked for only then."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{message} within {timeout} s")


@dataclass
class Letter:
    """A mail as the server got it: its envelope, when, and its parsed content."""

    sender: str
    recipients: list[str]
    received: float
    number: int
    content: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = message_from_bytes(self.content, policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    def body(self, kind: str = "plain") -> str:
        part = self.message.get_body((kind,))
        assert part is not None, f"no {kind} part"
        return str(part.get_content())


@dataclass
class RecordingServer:
    """A real SMTP server on a thread that keeps what it accepts; `delay` makes it slow."""

    port: int = field(default_factory=free_port)
    delay: float = 0.0  # seconds before the reply to each message
    refused: set[str] = field(default_factory=set)  # addresses whose mail is taken for spam
    letters: list[Letter] = field(default_factory=list)

    def __post_init__(self) -> None:
        from aiosmtpd.controller import Controller

        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._controller.stop()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        import asyncio

        await asyncio.sleep(self.delay)
        if self.refused.intersection(envelope.rcpt_tos):
            return "554 5.7.1 Looks like spam"
        number = len(self.letters) + 1
        self.letters.append(
            Letter(envelope.mail_from, envelope.rcpt_tos, time.time(), number, envelope.content)
        )
        return f"250 2.0.0 Ok: queued as {number:06d}"

    def to(self, address: str) -> list[Letter]:
        return [letter for letter in self.letters if address in letter.recipients]

    def wait_for(self, address: str, count: int = 1, timeout: float = 20) -> list[Letter]:
        return wait_for(
            lambda: found if len(found := self.to(address)) >= count else None,
            timeout=timeout,
            message=f"{count} letters to {address} did not arrive",
        )


class Site:
    """`manage.py up` as a process; `stop` ends it as Ctrl-C does."""

    def __init__(self, data: Path, *, email_url: str, options: tuple[str, ...] = ()) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.data = data
        self.options = options
        self.log = data / "up.log"
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(data),
            "DATA_DIR": str(data),
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
            "DEBUG": "true",
            "ALLOWED_HOSTS": "localhost,127.0.0.1",
            "SITE_URL": self.url,
            "SITE_NAME": "",
            "LANGUAGE_CODE": "ru",
            "TIME_ZONE": "Europe/Moscow",
            "EMAIL_URL": email_url,
            "SYSTEM_EMAIL_URL": "",
            "UNDO_SECONDS": "8",
            "PYTHONWARNINGS": "ignore",
        }

    def launch(self) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(self.port), *self.options],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def start(self) -> Self:
        """Start and wait until it says that it is up."""
        self.log.unlink(missing_ok=True)
        self.launch()
        wait_for(self._greeted, timeout=START_TIMEOUT, message="The service did not start")
        return self

    def _greeted(self) -> bool:
        assert self.process.poll() is None, self.output()
        return "Ctrl-C stops it." in self.output()

    def manage(self, *arguments: str) -> None:
        """Run a management command beside what runs."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(
            command, cwd=ROOT, env=self.environment, check=True, stdout=subprocess.DEVNULL
        )

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ask it to end and return its exit code; what is left after that is killed."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(90)
        finally:
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)

    def output(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def processes(self) -> list[int]:
        """Return the ids of living processes that work in this site's folder."""
        mark = f"DATA_DIR={self.data}".encode()
        return [
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if mark in environment_of(folder).split(b"\0")
        ]

    def status(self, path: str) -> int:
        try:
            with urlopen(f"{self.url}{path}", timeout=10) as response:
                return int(response.status)
        except HTTPError as error:
            return error.code
        except URLError:
            return 0


def environment_of(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:  # ended meanwhile, or somebody else's
        return b""
