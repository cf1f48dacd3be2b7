"""What several integration tests need."""

import shutil
from pathlib import Path

import pytest

from tests.consumer import Consumer


@pytest.fixture(scope="session")
def _migrated(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("migrated")
    Consumer(folder, email_url="memory://").prepare()
    return folder


@pytest.fixture
def migrated_folder(_migrated, tmp_path) -> Path:
    """A DATA_DIR of one's own with a migrated SQLite database."""
    return Path(shutil.copytree(_migrated, tmp_path / "data"))
