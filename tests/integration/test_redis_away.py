"""Redis may go at any time: people's clicks work, and the mail leaves when it is back."""

import signal
from collections.abc import Iterator

import pytest

from tests.consumer import PEOPLE, Consumer
from tests.servers import Redis
from tests.site import RecordingServer

SCHEDULE = (
    PEOPLE
    + """
import time
from mailings import services
mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
began = time.monotonic()
services.schedule_mailing(mailing=mailing, by=owner)
print(json.dumps([time.monotonic() - began, owner.clients.get().email]))
"""
)

pytestmark = pytest.mark.slow


@pytest.fixture
def redis() -> Iterator[Redis]:
    server = Redis()
    yield server
    server.kill()


@pytest.fixture
def consumer(migrated_folder, redis, server) -> Iterator[Consumer]:
    with Consumer(migrated_folder, email_url=server.url, REDIS_URL=redis.url) as consumer:
        yield consumer


@pytest.fixture
def server() -> Iterator[RecordingServer]:
    with RecordingServer() as server:
        yield server


def test_mail_leaves_by_the_sweep_after_redis_was_killed_and_lost_everything(
    consumer, redis, server
):
    consumer.start()
    consumer.wait_until_it_works()
    redis.kill()
    seconds, address = consumer.shell(SCHEDULE)
    assert seconds < 2
    redis.start()
    (letter,) = server.wait_for(address, timeout=75)
    assert letter.recipients == [address]
    assert consumer.end(signal.SIGTERM) == 0


def test_a_redis_that_hangs_keeps_nobody_waiting(consumer, redis):
    redis.process.send_signal(signal.SIGSTOP)
    try:
        seconds, _ = consumer.shell(SCHEDULE)
    finally:
        redis.process.send_signal(signal.SIGCONT)
    # One second for the queue, one for the cache.
    assert seconds < 3
