"""The service under ill-treatment: a database of its own, a relay, workers, and what must hold.

`check` is the end of every test: the ledger's own invariants, and the relay's log against it.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import psycopg2

from tests.integration.faults.relay import Relay
from tests.integration.faults.workshop import Worker, Workshop
from tests.ledger import HANDED_OVER, Row, lies
from tests.servers import free_port
from tests.site import wait_for

OPEN = """
SELECT count(*) FROM mailings_delivery WHERE status IN ('pending', 'sending', 'deferred')
   OR status = 'uncertain' AND next_attempt_at IS NOT NULL
"""

SEED = """
from django.db import transaction
from django.utils import timezone
from accounts.models import User
from mailings.campaigns import services
from mailings.models import Client, Transport
from tests import factories

name, count, connections, fields = given
owner, made = User.objects.get_or_create(
    email=f"{name}@example.org", defaults={"full_name": "Ольга Орлова"}
)
addresses = [f"{name}{n}@example.org" for n in range(count)]
Client.objects.bulk_create(
    Client(owner=owner, email=a, email_normalised=a, full_name=f"Клиент {n}")
    for n, a in enumerate(addresses)
)
people = factories.make_list(owner, list(owner.clients.all()))
if not Transport.objects.exists():
    Transport.objects.create(name="EMAIL_URL", max_connections=connections)
mailing = factories.make_mailing(owner, lists=[people], name=name, **fields)
services.schedule_mailing(mailing=mailing, by=owner)
result = mailing.pk
"""

ACT = """
from accounts.models import User
from mailings.campaigns import services
from mailings.models import Mailing
mailing = Mailing.objects.select_related("owner").get(pk=given[0])
owner = mailing.owner
"""

INVARIANTS = """
from mailings.delivery.runs import invariants
from mailings.timing import clock
result = list(invariants.broken(clock.now()))
"""


SIGN_IN = """
from django.test import Client
from accounts.models import User
browser = Client()
browser.force_login(User.objects.order_by("pk").first())
result = browser.cookies["sessionid"].value
"""


@dataclass
class Browser:
    url: str
    session: str

    def answers(self) -> bool:
        return self.get("/healthz", signed_in=False)[0] == 200

    def get(self, path: str, *, signed_in: bool = True) -> tuple[int, str]:
        """Return a page's status and text; status 0: nobody answers."""
        cookie = {"Cookie": f"sessionid={self.session}"} if signed_in else {}
        request = Request(f"{self.url}{path}", headers=cookie)
        try:
            with urlopen(request, timeout=20) as response:
                return response.status, response.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()
        except URLError:
            return 0, ""


@dataclass
class Service:
    server: str  # postgres://…, without a database's name
    name: str
    relay: Relay
    workshop: Workshop
    connections: int
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return f"{self.server}/{self.name}"

    # ------------------------------------------------------------ acting

    def run(self, code: str, *given: Any) -> Any:
        """Run code on this service's rows; it finds `given` and leaves `result`."""
        return self.workshop.run(f"given = {given!r}\n{code}", self.database, **self._settings())

    def begin(self, code: str, *given: Any) -> Worker:
        """Run code in a process that may be killed."""
        code = f"given = {given!r}\n{code}"
        return self.workshop.begin(code, self.database, **self._settings())

    def work(self, before: str = "", **settings: Any) -> Worker:
        return self.workshop.work(self.database, before, **(self._settings() | settings))

    def _settings(self) -> dict[str, Any]:
        mine = {
            "EMAIL_URL": self.relay.url,
            "EMAIL_CONNECTIONS": self.connections,
            "UNCERTAIN_WAIT": 1,
            # Kills are followed by a rescue at once; who tests the patience says so.
            "WORKER_SILENCE": 0,
        }
        return mine | self.settings

    @contextmanager
    def workers(self, count: int, **settings: Any) -> Iterator[list[Worker]]:
        found = [self.work(**settings) for _ in range(count)]
        try:
            yield found
        finally:
            for worker in found:
                worker.end()

    @contextmanager
    def web(self) -> Iterator["Browser"]:
        """A web process, and somebody who reads its pages as the owner of the mailings."""
        port = free_port()
        process = self.workshop.serve(self.database, port, **self._settings())
        browser = Browser(f"http://127.0.0.1:{port}", self.run(SIGN_IN))
        try:
            wait_for(
                lambda: browser.get("/healthz", signed_in=False)[0],
                timeout=30,
                message="no web process",
            )
            yield browser
        finally:
            process.end()

    def mailing(self, count: int, name: str = "client", **fields: Any) -> int:
        """Schedule a mailing to so many new clients, due now; return its id."""
        return int(self.run(SEED, name, count, self.connections, fields))

    def act(self, mailing: int, code: str, *given: Any) -> Any:
        """Run code that finds `mailing` and its `owner`."""
        return self.run(ACT + code, mailing, *given)

    # ------------------------------------------------------------ looking

    def sql(self, statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
        connection = psycopg2.connect(self.database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, statement: str, *parameters: Any) -> Any:
        return self.sql(statement, *parameters)[0][0]

    def statuses(self) -> dict[str, int]:
        return dict(self.sql("SELECT status, count(*) FROM mailings_delivery GROUP BY 1"))

    def outcomes(self) -> dict[str, int]:
        return dict(self.sql("SELECT outcome, count(*) FROM mailings_attempt GROUP BY 1"))

    def mailing_status(self, mailing: int) -> str:
        return str(self.value("SELECT status FROM mailings_mailing WHERE id = %s", mailing))

    def make_due(self) -> None:
        """Move the retries' time here: minutes are not waited for in tests."""
        self.sql("UPDATE mailings_delivery SET next_attempt_at = now() WHERE status = 'deferred'")

    def wait_for_mails(self, count: int, timeout: float = 60) -> None:
        wait_for(
            lambda: self.relay.count() >= count,
            timeout=timeout,
            message=self.trouble(f"{count} mails did not leave"),
        )

    def wait_until_settled(self, timeout: float = 240) -> None:
        """Wait until nothing is left to do."""
        wait_for(
            lambda: bool(self.statuses()) and not self.value(OPEN),
            timeout=timeout,
            message=self.trouble("work is left"),
        )

    def trouble(self, what: str) -> "Trouble":
        return Trouble(self, what)

    # ------------------------------------------------------------ what must hold

    def check(self) -> None:
        broken = self.run(INVARIANTS)
        assert broken == [], broken
        self.check_log()

    def check_log(self) -> None:
        """The relay's log ⊆ attempts, sent ⊆ log, copies within what the resends allow."""
        rows = self.sql(
            "SELECT d.id, d.address, d.status, d.uncertain_resends,"
            " count(a.id) FILTER (WHERE a.outcome IN %s)"
            " FROM mailings_delivery d LEFT JOIN mailings_attempt a ON a.delivery_id = d.id"
            " GROUP BY d.id",
            HANDED_OVER,
        )
        assert lies(self.relay.mails(), (Row(*row) for row in rows)) == []

    def surplus(self) -> int:
        """Return how many mails were copies of another one."""
        mails = self.relay.mails()
        return len(mails) - len({mail.delivery_id for mail in mails})


class Trouble:
    """What a failed wait says, put together only when it is needed."""

    def __init__(self, service: Service, what: str) -> None:
        self.service, self.what = service, what

    def __str__(self) -> str:
        found = {
            "statuses": self.service.statuses(),
            "mails": self.service.relay.count(),
            "leases": self.service.sql(
                "SELECT id, heartbeat_at, expires_at FROM mailings_workerlease"
            ),
            "sessions": self.service.sql(SESSIONS),
        }
        log = self.service.workshop.log.read_text()[-2000:]
        return f"{self.what}: {json.dumps(found, default=str, indent=1)}\n{log}"


SESSIONS = """
SELECT pid, state, wait_event, now() - state_change, pg_blocking_pids(pid), query
FROM pg_stat_activity WHERE datname = current_database()
"""
