"""Migrated databases, ready to be copied: to migrate takes longer than most modules of tests.

Made once for a state of the code, for all processes of a test run, and kept for the next one. The
migrations themselves are run when the code has changed, by those who test `up`, and one by one by
the tests of those that rewrite rows.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg2

from tests.site import ROOT

APPS = ("accounts", "blog", "home", "mailings", "site_config")
KEPT_FOR = 3 * 24 * 3600  # seconds


@cache
def state_of_the_code() -> str:
    """Return what changes with everything that a migrated database may depend on."""
    files = [ROOT / "requirements.txt", *(f for app in APPS for f in (ROOT / app).rglob("*.py"))]
    digest = sha256(sys.version.encode())
    for file in sorted(files):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


@contextmanager
def _one_at_a_time() -> Iterator[Path]:
    """Give the folder of what is kept, to one process at a time."""
    folder = Path(tempfile.gettempdir()) / f"vestnik-migrated-{os.geteuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _migrate(database_url: str, data: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data),
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
        "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
        "EMAIL_URL": "memory://",
        "PYTHONWARNINGS": "ignore",
    }
    for command in (["migrate", "-v0"], ["createcachetable"]):
        subprocess.run(
            [sys.executable, "manage.py", *command], cwd=ROOT, env=environment, check=True
        )


def copy_sqlite(target: Path) -> None:
    """Put a migrated SQLite database at `target`."""
    with _one_at_a_time() as folder:
        ready = folder / f"{state_of_the_code()}.sqlite3"
        if not ready.exists():
            for old in folder.glob("*.sqlite3"):
                if time.time() - old.stat().st_mtime > KEPT_FOR:
                    old.unlink()
            with tempfile.TemporaryDirectory(dir=folder) as data:
                _migrate("", Path(data))
                (Path(data) / "db.sqlite3").rename(ready)
        shutil.copyfile(ready, target)


def copy_postgresql(settings: dict[str, Any], name: str) -> None:
    """Make a database of that name on the server of Django's settings, which has the template."""
    server = f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}"
    if settings["PASSWORD"]:
        server = server.replace("@", f":{settings['PASSWORD']}@", 1)
    template = f"vestnik_migrated_{state_of_the_code()}"
    with _one_at_a_time(), closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template])
        if not cursor.fetchone():
            cursor.execute(f'CREATE DATABASE "{template}_new"')
            with tempfile.TemporaryDirectory() as data:
                _migrate(f"{server}/{template}_new", Path(data))
            cursor.execute(f'ALTER DATABASE "{template}_new" RENAME TO "{template}"')
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
