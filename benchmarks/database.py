"""The database of a benchmark, seen from outside: rows by SQL, without the product's code."""

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol, Self

import psycopg2

from benchmarks import usage
from tests.servers import PostgreSQL

CLIENTS = """
INSERT INTO mailings_client (owner_id, email, email_normalised, full_name, comment, attributes,
    consent_source, created_at, updated_at)
SELECT owner.id, {address}, {address}, 'Alice Liddell ' || i, '', {attributes}, '',
    CURRENT_TIMESTAMP, CURRENT_TIMESTAMP
FROM {series}, (SELECT id FROM accounts_user LIMIT 1) AS owner
"""
ADDRESS = "'client' || i || '@example' || (i - i / 50 * 50) || '.org'"
ON_LIST = """
INSERT INTO mailings_clientlist_clients (clientlist_id, client_id)
SELECT %s, id FROM mailings_client ORDER BY id LIMIT %s
"""


class Database(Protocol):
    kind: str
    url: str

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]: ...
    def make_clients(self, count: int) -> None: ...
    def cpu(self) -> float | None: ...
    def settle(self) -> None: ...
    def copy(self, name: str) -> "Database": ...
    def close(self) -> None: ...


def make_list(database: Database, name: str, count: int) -> None:
    """Put the first so many clients on a list of that name."""
    database.rows(
        "INSERT INTO mailings_clientlist (owner_id, name, created_at)"
        " SELECT id, %s, CURRENT_TIMESTAMP FROM accounts_user LIMIT 1",
        name,
    )
    ((number,),) = database.rows("SELECT id FROM mailings_clientlist WHERE name = %s", name)
    database.rows(ON_LIST, number, count)


def connected(url: str) -> Any:
    """Return a connection to a server that may still be starting up."""
    for _ in range(100):
        try:
            return psycopg2.connect(url)
        except psycopg2.OperationalError as error:
            if "starting up" not in str(error):
                raise
            time.sleep(0.1)
    return psycopg2.connect(url)


class OnPostgreSQL:
    kind = "PostgreSQL"

    def __init__(self, server: PostgreSQL, name: str) -> None:
        self.server, self.name = server, name
        self.url = server.url_of(name)
        self._connection = connected(self.url)
        self._connection.autocommit = True

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []

    def make_clients(self, count: int) -> None:
        attributes = "jsonb_build_object('company', 'Company ' || i, 'card', (4400 + i)::text)"
        series = f"generate_series(1, {count:d}) AS series(i)"
        self.rows(CLIENTS.format(address=ADDRESS, attributes=attributes, series=series))

    def settle(self) -> None:
        """Do what autovacuum has done on a database that was filled a while ago."""
        self.rows("VACUUM ANALYZE")
        self.rows("CHECKPOINT")

    def cpu(self) -> float | None:
        """Return the seconds of processor of all of the server's processes so far."""
        return usage.cpu([self.server.process.pid])

    def copy(self, name: str) -> "OnPostgreSQL":
        """Close this database, which nobody else may be using either, and open a copy of it."""
        self.close()
        return OnPostgreSQL.create(self.server, name, template=self.name)

    @classmethod
    def create(cls, server: PostgreSQL, name: str, *, template: str = "template1") -> Self:
        admin = cls(server, "postgres")
        admin.rows(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.rows(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        admin.close()
        return cls(server, name)

    def close(self) -> None:
        self._connection.close()


class OnSQLite:
    kind = "SQLite"

    def __init__(self, folder: Path, name: str = "db") -> None:
        self.folder, self.name = folder, name
        self.file = folder / f"{name}.sqlite3"
        self.url = f"sqlite:///{self.file}"
        self._connection = sqlite3.connect(self.file, timeout=20, isolation_level=None)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql.replace("%s", "?"), values).fetchall()

    def make_clients(self, count: int) -> None:
        series = (
            f"(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count:d})"
            " SELECT i FROM n) AS series"
        )
        attributes = "json_object('company', 'Company ' || i, 'card', '' || (4400 + i))"
        self.rows(CLIENTS.format(address=ADDRESS, attributes=attributes, series=series))

    def settle(self) -> None:
        self.rows("ANALYZE")

    def cpu(self) -> float | None:
        return None  # it works inside the client

    def copy(self, name: str) -> "OnSQLite":
        """Close this database and open a copy of it."""
        self.close()
        with closing(sqlite3.connect(self.file)) as whole:
            whole.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copyfile(self.file, self.folder / f"{name}.sqlite3")
        return OnSQLite(self.folder, name)

    def close(self) -> None:
        self._connection.close()
