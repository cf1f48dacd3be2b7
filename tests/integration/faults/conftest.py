"""What the tests of faults share: one PostgreSQL that may be killed, one workshop, databases by
template, and how much is sent."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import psycopg2
import pytest

from tests.integration.faults.relay import Relay
from tests.integration.faults.service import Service
from tests.integration.faults.workshop import Workshop
from tests.servers import PostgreSQL

TEMPLATE = "prepared"
CONNECTIONS = 20
"""To the relay, from each worker. So many mails a kill may leave uncertain."""
DELIVERIES = 1_000 * CONNECTIONS
RELAY_SECONDS = 0.03
"""For each mail: so slow that the kills fall into the sending of all deliveries."""

LOG_FILE = 1
"""Megabytes of a file of PostgreSQL's log: so small that a disk may seem full to larger ones."""

_numbers = itertools.count(1)

PREPARE = """
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("createcachetable")
"""


@dataclass
class Server:
    """The PostgreSQL of these tests, and its databases."""

    postgresql: PostgreSQL

    @property
    def url(self) -> str:
        return self.postgresql.url.rpartition("/")[0]

    def execute(self, statement: str) -> None:
        with closing(psycopg2.connect(f"{self.url}/postgres")) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    postgresql = PostgreSQL(segment=LOG_FILE)
    yield Server(postgresql)
    postgresql.remove()


@pytest.fixture(scope="session")
def workshop(server, tmp_path_factory) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("workshop")
    with Workshop(folder, DATABASE_URL=f"{server.url}/postgres") as workshop:
        server.execute(f"CREATE DATABASE {TEMPLATE}")
        workshop.run(PREPARE, f"{server.url}/{TEMPLATE}")
        yield workshop


@pytest.fixture
def relay(tmp_path) -> Iterator[Relay]:
    with Relay(tmp_path) as relay:
        yield relay


@pytest.fixture
def make_service(server, workshop, relay) -> Iterator[Callable[..., Service]]:
    """Make a service with an empty database; keywords are Django settings."""
    made = []

    def make(*, connections: int = CONNECTIONS, **settings: Any) -> Service:
        name = f"faults_{next(_numbers)}"
        server.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        made.append(name)
        return Service(server.url, name, relay, workshop, connections, settings)

    yield make
    for name in made:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def service(make_service) -> Service:
    return make_service()
