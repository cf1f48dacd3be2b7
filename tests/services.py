"""Starts what the tests need – PostgreSQL and Redis from wheels – and names it in the environment.

A server named by TEST_DATABASE_URL or TEST_REDIS_URL is used instead. `--embedded` runs the same
tests on the embedded default, SQLite without Redis. Loaded with `-p` before Django's settings.
With `-n` the processes of pytest-xdist share a PostgreSQL, with a database for each; each has a
Redis and a folder of its own.
"""

import atexit
import os
import shutil
import sys
import tempfile

import pytest

from tests.servers import PostgreSQL, Redis

# The processes of pytest-xdist do not see the command line: the first one tells them.
if "--embedded" in sys.argv:
    os.environ["TEST_EMBEDDED"] = "true"
EMBEDDED = os.environ.get("TEST_EMBEDDED") == "true"
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
        os.environ["TEST_DATABASE_URL"] = postgresql.url  # for the other processes, too
    if not os.environ.get("TEST_REDIS_URL"):
        redis = Redis()
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
    os.environ["REDIS_URL"] = os.environ.get("TEST_REDIS_URL") or redis.url


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--embedded", action="store_true", help="SQLite, no Redis")


name_services()
