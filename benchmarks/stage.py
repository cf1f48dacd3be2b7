"""Where a benchmark plays: databases, queue, consumers, and what one sent mailing took.

    with Stage(clients=100_000) as stage:          # servers, and a database with clients
        with fast_sink(stage.folder) as sink, stage.take(sink) as take:   # a fresh copy of it
            take.start_consumers()
            figures = take.send("all")

Everything is a black box: the product's processes, its rows, the mail server's count.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from benchmarks import usage
from benchmarks.database import Database, OnPostgreSQL, OnSQLite, make_list
from benchmarks.profiling import Profile
from benchmarks.sending import Sent, watch
from benchmarks.sinks import ROOT, Sink, end
from site_config.processes import die_with_parent
from tests.servers import PostgreSQL, Redis

START_TIMEOUT = 300  # seconds
STOP_TIMEOUT = 70
THREADS_OF_A_CONSUMER = 5  # four workers and the scheduler, at least


class Process:
    """A process of the product, with its log."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self.log = log
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=file,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=die_with_parent,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self.process.pid

    def require_alive(self) -> None:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.process.args!r} ended:\n{self.tail()}")

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])

    def wait_until_ready(self) -> None:
        """Wait until a consumer has its threads and has come to rest."""
        deadline = time.monotonic() + START_TIMEOUT
        before = -1.0
        while time.monotonic() < deadline:
            self.require_alive()
            used = usage.cpu([self.pid])
            threads = len(list(Path(f"/proc/{self.pid}/task").iterdir()))
            if threads >= THREADS_OF_A_CONSUMER and used - before < 0.1:
                return
            before = used
            time.sleep(0.5)
        raise RuntimeError(f"The consumer did not start:\n{self.tail()}")


class Director:
    """Speaks with a process of benchmarks.director."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.director"],
            cwd=ROOT, env=environment | {"LOG_LEVEL": "WARNING"},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.input, self.output = self.process.stdin, self.process.stdout
        self._answer()

    def __call__(self, what: str, **values: Any) -> Any:
        self.input.write(json.dumps({"do": what} | values) + "\n")
        self.input.flush()
        return self._answer()

    def _answer(self) -> Any:
        line = self.output.readline()
        if not line:
            raise RuntimeError("The director ended; its error stands above.")
        return json.loads(line)

    def close(self) -> None:
        self.input.close()
        self.output.close()
        end(self.process)


class Stage:
    def __init__(
        self,
        *,
        clients: int,
        lists: dict[str, int] | None = None,
        connections: int = 0,
        embedded: bool = False,
        profile: str = "",
    ) -> None:
        self.clients, self.lists = clients, lists or {"all": clients}
        self.connections, self.embedded, self.profile = connections, embedded, profile
        self.takes = 0
        self.redis: Redis | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            self.folder = Path(tempfile.mkdtemp(prefix="vestnik-bench-"))
            undo.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.base = self._embedded_base() if self.embedded else self._base(undo)
            undo.callback(self.base.close)
            self._prepare()
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()

    def _embedded_base(self) -> Database:
        self.redis = None
        return OnSQLite(self.folder)

    def _base(self, undo: ExitStack) -> Database:
        self.redis = Redis()
        undo.callback(self.redis.kill)
        server = PostgreSQL(durable=True)
        undo.callback(server.remove)
        return OnPostgreSQL.create(server, "base")

    def _prepare(self) -> None:
        environment = self.environment(self.base.url, self.folder / "base", "memory://")
        for command in (["migrate", "-v0"], ["createcachetable"]):
            subprocess.run(
                [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True
            )
        director = Director(environment)
        try:
            director("people", connections=self.connections)
        finally:
            director.close()
        self.base.make_clients(self.clients)
        for name, count in self.lists.items():
            make_list(self.base, name, count)
        self.base.settle()

    def environment(self, database_url: str, data: Path, email_url: str) -> dict[str, str]:
        """Return what the product's processes are told: production, as the manual says."""
        data.mkdir(exist_ok=True)
        known = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "DJANGO_SETTINGS_MODULE": "site_config.settings.production",
            "SECRET_KEY": "only-for-benchmarks-0123456789-abcdefghijklmnopqrstuvwxyz",
            "ALLOWED_HOSTS": "news.example.org",
            "SITE_URL": "https://news.example.org",
            "DEFAULT_FROM_EMAIL": "hello@news.example.org",
            "DATA_DIR": str(data),
            "DATABASE_URL": database_url,
            "REDIS_URL": self.redis.url if self.redis else "",
            "EMAIL_URL": email_url,
            "SYSTEM_EMAIL_URL": "memory://",
            "PYTHONWARNINGS": "ignore",
        }
        return known | ({"EMAIL_CONNECTIONS": str(self.connections)} if self.connections else {})

    def once(
        self, sink: Sink, *, consumers: int = 1, audience: str = "all", **environment: str
    ) -> Sent:
        """Send one mailing on a fresh copy of the database, say what it took, and return it."""
        with self.take(sink, **environment) as take:
            take.start_consumers(consumers)
            sent = take.send(audience)
            print(sent, flush=True)
            return sent

    def take(self, sink: Sink | None, **environment: str) -> "Take":
        """Return a fresh copy of the database, with processes that send to this sink."""
        self.takes += 1
        return Take(self, sink, f"take{self.takes}", environment)


class Take:
    def __init__(
        self, stage: Stage, sink: Sink | None, name: str, environment: dict[str, str]
    ) -> None:
        self.stage, self.sink, self.name = stage, sink, name
        self.more = environment
        self.consumers: list[Process] = []
        self.profiles: list[Profile] = []

    def __enter__(self) -> Self:
        stage = self.stage
        self.data = stage.folder / self.name
        if stage.redis:
            forget_everything(stage.redis)
        self.database = stage.base.copy(self.name)
        email_url = self.sink.url if self.sink else "memory://"
        self.environment = self.more | stage.environment(self.database.url, self.data, email_url)
        with ExitStack() as undo:
            undo.callback(self.database.close)
            self.direct = Director(self.environment)
            undo.callback(self.direct.close)
            undo.callback(self.stop_consumers)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._undo.close()
        shutil.rmtree(self.data, ignore_errors=True)

    def start_consumers(
        self, count: int = 1, command: Sequence[str] = ("manage.py", "run_huey")
    ) -> None:
        for number in range(count):
            log = self.data / f"consumer{number + 1}.log"
            self.consumers.append(Process([sys.executable, *command], log, self.environment))
        for number, consumer in enumerate(self.consumers):
            consumer.wait_until_ready()
            if self.stage.profile:
                name = f"{self.stage.profile}-{self.name}-{number + 1}"
                self.profiles.append(Profile(consumer.pid, name))

    def stop_consumers(self, *, politely: bool = True) -> None:
        for profile in self.profiles:
            profile.stop()
        self.profiles = []
        for consumer in self.consumers:
            if politely:
                consumer.process.terminate()
            else:
                consumer.process.kill()
        for consumer in self.consumers:
            end(consumer.process, STOP_TIMEOUT)
        self.consumers = []

    def send(self, audience: str = "all") -> Sent:
        """Start a mailing to that list, wait for the end of its run, and return what it took."""
        mailing = self.direct("draft", name=f"To {audience}", audience=audience)
        self.direct("start", mailing=mailing)
        assert self.sink is not None
        sent = watch(self, self.sink, mailing)
        sent.ledger = self.direct("check")
        return sent

    def run_of(self, mailing: int) -> dict[str, Any] | None:
        """Return the row of the mailing's run, once it is there."""
        names = (
            "status", "targeted", "sent_count", "deferred_count", "failed_count",
            "uncertain_count", "skipped_count", "expired_count", "cancelled_count", "finished_at",
        )  # fmt: skip
        found = self.database.rows(
            f"SELECT {', '.join(names)} FROM mailings_run WHERE mailing_id = %s", mailing
        )
        row = dict(zip(names, found[0], strict=True)) if found else None
        if row and isinstance(row["finished_at"], str):
            row["finished_at"] = datetime.fromisoformat(row["finished_at"]).replace(tzinfo=UTC)
        return row


def forget_everything(redis: Redis) -> None:
    from redis import Redis as Client

    with Client.from_url(redis.url) as client:
        client.flushall()
