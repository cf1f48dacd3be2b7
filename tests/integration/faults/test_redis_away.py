"""Redis is killed, flushed, hangs, has no memory: people's clicks work, what is being sent goes on,
and what was forgotten leaves with the next minute's sweep."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.consumer import PEOPLE, Consumer
from tests.servers import Redis
from tests.site import RecordingServer

pytestmark = pytest.mark.slow

KINDS = ("killed", "flushed", "stopped", "full")

SCHEDULE = (
    PEOPLE
    + """
import time
from mailings.campaigns import services
client = factories.make_client(owner, email="KIND@example.org")
mailing = factories.make_mailing(owner, clients=[client])
began = time.monotonic()
services.schedule_mailing(mailing=mailing, by=owner)
print(json.dumps(time.monotonic() - began))
"""
)


class Case:
    """A consumer with a Redis of its own, to be harmed in one way."""

    def __init__(self, kind: str, folder: Path, server: RecordingServer, stack: ExitStack) -> None:
        self.kind = kind
        self.redis = Redis()
        stack.callback(self.redis.kill)
        self.consumer = stack.enter_context(
            Consumer(folder, email_url=server.url, REDIS_URL=self.redis.url)
        )
        self.consumer.start()

    def harm(self) -> None:
        match self.kind:
            case "killed":
                self.redis.kill()
            case "stopped":
                self.redis.process.send_signal(signal.SIGSTOP)
            case "full":
                self.command("CONFIG", "SET", "maxmemory", "1mb")
                self.command("CONFIG", "SET", "maxmemory-policy", "noeviction")

    def mend(self) -> None:
        match self.kind:
            case "killed":
                self.redis.start()
            case "flushed":
                self.command("FLUSHALL")
            case "stopped":
                self.redis.process.send_signal(signal.SIGCONT)
            case "full":
                self.command("CONFIG", "SET", "maxmemory", "0")

    def command(self, *words: str) -> None:
        with redis.Redis(port=self.redis.port) as client:
            client.execute_command(*words)


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def test_mail_leaves_by_the_sweep_whatever_became_of_redis(migrated_folder, tmp_path, server):
    """All at once, so that the minute is waited for once."""
    with ExitStack() as stack:
        cases = [
            Case(kind, Path(shutil.copytree(migrated_folder, tmp_path / kind)), server, stack)
            for kind in KINDS
        ]
        for case in cases:
            case.consumer.wait_until_it_works()
        for case in cases:
            case.harm()
            seconds = case.consumer.shell(SCHEDULE.replace("KIND", case.kind))
            # A second for the queue and one for the cache.
            assert seconds < 3, case.kind
        for case in cases:
            case.mend()
        for case in cases:
            server.wait_for(f"{case.kind}@example.org", timeout=120)
        for case in cases:
            assert case.consumer.end(signal.SIGTERM) == 0, case.kind
            assert "sound" in case.consumer.run("check_ledger")
    assert len(server.letters) == len(KINDS)
