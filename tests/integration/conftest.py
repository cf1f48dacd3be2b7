"""What several integration tests need."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from tests import migrated


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    migrated.copy_sqlite(folder / "db.sqlite3")
    return folder


@pytest.fixture
def migrated_folder(_migrated, tmp_path) -> Path:
    """A DATA_DIR of one's own with a migrated SQLite database."""
    return Path(shutil.copytree(_migrated, tmp_path / "data"))


@pytest.fixture(params=["asyncio", "uvloop"])
def each_event_loop(request) -> Iterator[None]:
    """The SMTP client is written for any event loop; ours sends in uvloop's."""
    if request.param == "uvloop":
        policy = uvloop.EventLoopPolicy()
    else:
        policy = asyncio.DefaultEventLoopPolicy()
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(policy)
    yield
    asyncio.set_event_loop_policy(before)


@pytest.fixture(autouse=True)
def nobody_is_slow() -> Iterator[None]:
    """What one test's receivers said is not known to the next."""
    from mailings.delivery import worker

    worker.receivers.clear()
    yield
    worker.receivers.clear()
