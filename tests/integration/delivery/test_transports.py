"""What every connection to a mail service owes its source, whatever its protocol."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from mailings.delivery.transports import Connect, Connection, base, connector, memory
from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    SendResult,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.mail import Mail
from tests.http_api import HttpApi, Request, Script, hang, recipient, reply, take
from tests.smtp_faults import Hang
from tests.smtpd import SmtpServer

BODY = b"Subject: x\r\n\r\nHello\r\n"
REFUSED = "refused@example.org"
PATIENCE = 20  # seconds


@dataclass
class Service:
    """A mail service to connect to, and what it took."""

    connect: Connect
    taken: Callable[[], list[str]]
    hang: Callable[[], None]  # take mails from now on, and say nothing
    refuse: Callable[[], None]  # the recipient REFUSED
    go_away: Callable[[], None]  # answer as a service that is not available


@pytest.fixture(params=["memory", "http", "pipelining", "step by step"])
def service(request) -> Iterator[Service]:
    if request.param == "memory":
        yield from in_memory()
        return
    if request.param == "http":
        yield from through_http()
        return
    extensions = ("PIPELINING",) if request.param == "pipelining" else ()
    with SmtpServer(extensions=extensions) as server:
        yield Service(
            connector(server.url, local_name="localhost"),
            lambda: [message.recipients[0] for message in server.messages],
            lambda: server.script.update(dot=Hang()),
            lambda: server.script.update(rcpt={REFUSED: "550 5.1.1 no such user"}),
            lambda: server.script.update(banner="554 5.3.2 not now"),
        )


def in_memory() -> Iterator[Service]:
    memory.service.reset()
    over = threading.Event()

    def hang(mail: Mail) -> SendResult:
        over.wait(PATIENCE)
        return memory.accept(mail)

    def answer(kind: type[SendResult], step: base.Step) -> memory.Answer:
        return lambda mail: kind(step=step, started_at=datetime.now(UTC), code=550)

    def refuse(mail: Mail) -> SendResult:
        if mail.recipient == REFUSED:
            return answer(Permanent, base.Step.RCPT)(mail)
        return memory.accept(mail)

    def use(chosen: memory.Answer) -> Callable[[], None]:
        return lambda: setattr(memory.service, "answer", chosen)

    yield Service(
        connector("memory://", local_name="localhost"),
        lambda: [mail.recipient for mail in memory.service.taken],
        use(hang),
        use(refuse),
        use(answer(Unavailable, base.Step.CONNECT)),
    )
    over.set()
    memory.service.reset()


def through_http() -> Iterator[Service]:
    with HttpApi(choose=take) as api:

        def refuse(request: Request) -> Script:
            return reply(422) if recipient(request) == REFUSED else take(request)

        def taken() -> list[str]:
            everybody = [recipient(request) for request in api.requests]
            return [one for one in everybody if one != REFUSED]

        yield Service(
            connector(api.url(), local_name="localhost"),
            taken,
            lambda: setattr(api, "choose", lambda request: hang),
            lambda: setattr(api, "choose", refuse),
            lambda: setattr(api, "choose", lambda request: reply(503)),
        )


@dataclass
class Keeper:
    """A source that writes down what it is told."""

    mails: list[Mail] = field(default_factory=list)
    may_send: bool = True
    results: list[tuple[str, SendResult]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ends: list[tuple[Mail | None, SendResult | None]] = field(default_factory=list)

    def next_mail(self, connection: Connection) -> Mail | None:
        return self.mails.pop(0) if self.mails else None

    def may_send_body(self, connection: Connection, mail: Mail) -> bool:
        self.asked.append(mail.recipient)
        return self.may_send

    def done(self, connection: Connection, mail: Mail, result: SendResult) -> None:
        self.results.append((mail.recipient, result))

    def closed(self, connection: Connection, unsent: Mail | None, cause: SendResult | None) -> None:
        self.ends.append((unsent, cause))

    @property
    def told(self) -> list[tuple[str, type[SendResult]]]:
        return [(recipient, type(result)) for recipient, result in self.results]


def mails(*names: str) -> list[Mail]:
    return [Mail("news@example.org", f"{name}@example.org", BODY) for name in names]


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.005)


def run(
    service: Service, play: Callable[[Connection, Keeper], object], *names: str, **fields
) -> Keeper:
    """Open a connection for these mails, let `play` happen, and end it."""

    async def scene() -> Keeper:
        keeper = Keeper(mails(*names), **fields)
        connection = service.connect(keeper)
        connection.start()
        await play(connection, keeper)
        connection.stop()
        await until(lambda: keeper.ends)
        connection.stop()
        connection.abort()
        assert len(keeper.ends) == 1
        return keeper

    return asyncio.run(scene())


def test_each_mail_is_handed_over_and_told_of_once(service):
    async def play(connection, keeper):
        await until(lambda: len(keeper.results) == 3)
        assert connection.accepted == 3

    keeper = run(service, play, "a", "b", "c")
    assert keeper.told == [(f"{name}@example.org", Accepted) for name in "abc"]
    assert service.taken() == [f"{name}@example.org" for name in "abc"]
    assert keeper.ends == [(None, None)]


def test_a_connection_that_waits_is_woken(service):
    async def play(connection, keeper):
        await until(lambda: keeper.results)
        keeper.mails += mails("later")
        connection.wake()
        await until(lambda: len(keeper.results) == 2)

    keeper = run(service, play, "first")
    assert service.taken() == ["first@example.org", "later@example.org"]
    assert keeper.ends == [(None, None)]


def test_no_body_leaves_before_it_may(service):
    async def play(connection, keeper):
        await until(lambda: keeper.asked)
        await asyncio.sleep(0.1)
        assert service.taken() == []
        assert keeper.results == []
        keeper.may_send = True
        connection.release_body()
        await until(lambda: keeper.results)

    keeper = run(service, play, "a", may_send=False)
    assert keeper.told == [("a@example.org", Accepted)]


def test_what_was_not_handed_over_is_given_back(service):
    async def play(connection, keeper):
        await until(lambda: keeper.asked)

    keeper = run(service, play, "a", may_send=False)
    ((unsent, cause),) = keeper.ends
    assert (unsent.recipient, cause) == ("a@example.org", None)
    assert keeper.results == []
    assert service.taken() == []


def test_a_body_in_flight_becomes_uncertain_when_its_sender_gives_up(service):
    service.hang()

    async def play(connection, keeper):
        await until(lambda: keeper.asked)
        await asyncio.sleep(0.1)
        connection.abort()
        await until(lambda: keeper.ends)

    keeper = run(service, play, "a")
    assert keeper.told == [("a@example.org", Uncertain)]
    assert keeper.ends[0][0] is None


def test_a_refusal_leaves_the_neighbours_alone(service):
    service.refuse()

    async def play(connection, keeper):
        await until(lambda: len(keeper.results) == 3)

    keeper = run(service, play, "a", "refused", "b")
    assert dict(keeper.told) == {
        "a@example.org": Accepted, REFUSED: Permanent, "b@example.org": Accepted,
    }  # fmt: skip
    assert service.taken() == ["a@example.org", "b@example.org"]


def test_a_service_that_is_away_ends_the_connection_and_costs_no_mail_its_try(service):
    service.go_away()

    async def play(connection, keeper):
        await until(lambda: keeper.ends)

    keeper = run(service, play, "a")
    ((_, cause),) = keeper.ends
    assert isinstance(cause, Unavailable)
    assert {kind for _, kind in keeper.told} <= {Unavailable}


@pytest.mark.parametrize(
    "url",
    [
        "", "http://example.org", "smtp://", "smtp://h:0x1", "smtp://h?x=1",
        "postmark+https://h", "pigeon+https://:k@h", "postmark+http://:k@example.org",
    ],
)  # fmt: skip
def test_addresses_that_cannot_be_used_are_refused(url):
    with pytest.raises(ValueError, match="URL"):
        connector(url, local_name="localhost")
