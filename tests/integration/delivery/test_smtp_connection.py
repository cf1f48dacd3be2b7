"""A connection that sends mail after mail: pipelining, whose outcome is whose, and the say that its
source has over bodies and ends."""

import asyncio
import random
from dataclasses import replace

import pytest

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    SendResult,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.connection import SmtpConnection
from tests.smtp_faults import Accept, Action, Drop, Hang, LongLine, Raw, Reset, Wait
from tests.smtp_sending import Desk, config_of, mail_to, send_all, until
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.usefixtures("each_event_loop")

A, B, C = "a@example.org", "b@example.org", "c@example.org"
LIMIT = 0.3  # seconds: a deadline that is meant to pass
STEP_BY_STEP = ("SIZE 1000000", "8BITMIME")
KINDS = (Accepted, Temporary, Permanent, Unavailable, Uncertain)


# Pipelining


def test_next_envelope_leaves_with_the_body_before_it():
    with SmtpServer({"dot": {"*": Wait(0.05)}}) as server:
        send_all(config_of(server), A, B, C)
        first, second, third = server.messages
        assert first.behind.startswith(b"MAIL FROM:<bounce+b@example.org>")
        assert first.behind.endswith(b"\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        assert second.behind.count(b"DATA\r\n") == 1
        assert third.behind == b""


@pytest.mark.parametrize("is_offered", [True, False], ids=["switched off", "not offered"])
def test_without_pipelining_each_command_waits_for_the_answer_before_it(is_offered):
    extensions = ("PIPELINING",) if is_offered else STEP_BY_STEP
    with SmtpServer({"dot": Wait(0.05)}, extensions=extensions) as server:
        config = replace(config_of(server), pipelining=not is_offered)
        results = send_all(config, A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert [m.behind for m in server.messages] == [b"", b""]
        assert server.connections == 1


@pytest.mark.parametrize("dot", [None, "554 5.5.1 no valid recipients"], ids=["taken", "refused"])
def test_refused_recipient_and_354_all_the_same_sends_nothing(dot):
    script = {"rcpt": {B: "550 5.1.1 unknown"}, "data": {"": "354 never mind"}}
    if dot:
        script["dot"] = {"": dot}
    with SmtpServer(script) as server:
        results = send_all(config_of(server), A, B, C)
        assert [type(o) for o in results] == [Accepted, Permanent, Accepted]
        assert results[1].step is Step.RCPT
        assert [m.recipients for m in server.messages] == [[A], [C]]
        assert server.connections == 1


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize(("words", "kind"), [("451 no", Temporary), ("550 no", Permanent)])
def test_refusal_leaves_the_neighbours_alone(step, words, kind):
    address = f"bounce+{B}" if step == "mail" else B
    with SmtpServer({step: {address: words}}) as server:
        results = send_all(config_of(server), A, B, C)
        assert [type(o) for o in results] == [Accepted, kind, Accepted]
        assert results[1].step == step
        assert [m.recipients for m in server.messages] == [[A], [C]]
        assert server.connections == 1


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
def test_40_random_refusals_each_reach_their_own_mail(is_pipelining):
    dice = random.Random(40)
    expected = {}
    script: dict[str, dict[str, str]] = {"mail": {}, "rcpt": {}, "data": {}, "dot": {}}
    for i in range(300):
        recipient, throw = f"r{i:03}@example.org", dice.random()
        expected[recipient] = Temporary if throw < 0.05 else Permanent if throw < 0.1 else Accepted
        if throw < 0.1:
            step = dice.choice(list(script))
            address = f"bounce+{recipient}" if step == "mail" else recipient
            script[step][address] = "451 4.0.0 not now" if throw < 0.05 else "550 5.0.0 never"
    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server), *expected)
        assert dict(zip(expected, map(type, results), strict=True)) == expected
        accepted = [r for r, kind in expected.items() if kind is Accepted]
        assert [m.recipients[0] for m in server.messages] == accepted
        assert all(r in m.message_id for r, m in zip(accepted, server.messages, strict=True))


# The engine's say


def test_body_waits_until_it_is_released():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A), mail_to(B)], allows=lambda mail: mail.recipient == A)
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: server.count_of("DATA") == 2)
        await asyncio.sleep(0.1)
        assert [m.recipients for m in server.messages] == [[A]]
        assert list(desk.results) == [A]
        connection.release_body()
        await until(lambda: B in desk.results)
        connection.stop()
        await until(lambda: desk.endings == [(None, None)])

    with SmtpServer() as server:
        asyncio.run(run(server))
        assert [m.recipients for m in server.messages] == [[A], [B]]


def test_body_that_is_not_released_is_given_back_before_the_server_loses_patience():
    async def run(server: SmtpServer) -> None:
        mail = mail_to(A)
        desk = Desk([mail], allows=lambda mail: False)
        SmtpConnection(config_of(server, body_wait=LIMIT), desk).start()
        await until(lambda: desk.endings)
        assert desk.endings == [(mail, None)]
        assert desk.results == {}

    with SmtpServer() as server:
        asyncio.run(run(server))
        assert server.messages == []


def test_connection_lost_while_a_body_waits_gives_the_mail_back():
    async def run(server: SmtpServer) -> None:
        mail = mail_to(A)
        desk = Desk([mail], allows=lambda mail: False)
        SmtpConnection(config_of(server), desk).start()
        await until(lambda: server.count_of("DATA") == 1)
        server.drop_connections(with_reset=True)
        await until(lambda: desk.endings)
        assert desk.endings == [(mail, None)]
        assert desk.results == {}

    with SmtpServer() as server:
        asyncio.run(run(server))


def test_stop_waits_for_the_answer_in_flight_and_gives_the_next_back():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A), mail_to(B), mail_to(C)])
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: len(desk.given) == 2)
        connection.stop()
        await until(lambda: desk.endings)
        assert [type(o) for o in desk.results.values()] == [Accepted]
        assert desk.endings == [(desk.given[1], None)]
        assert len(desk.waiting) == 1

    with SmtpServer({"dot": Wait(0.2)}) as server:
        asyncio.run(run(server))
        assert len(server.messages) == 1


def test_abort_makes_the_body_in_flight_uncertain_at_once():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A), mail_to(B)])
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: len(desk.given) == 2)
        connection.abort()
        assert [type(o) for o in desk.results.values()] == [Uncertain]
        [(unsent, cause)] = desk.endings
        assert (unsent, type(cause)) == (desk.given[1], Uncertain)

    with SmtpServer({"dot": Hang()}) as server:
        asyncio.run(run(server))


@pytest.mark.parametrize("step", ["banner", "ehlo", "handshake"])
@pytest.mark.parametrize("order", ["stop", "abort"])
def test_connection_that_is_being_opened_can_be_stopped(step, order, certificate):
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A)])
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: server.connections)
        getattr(connection, order)()
        assert desk.endings == [(None, None)]
        await until(lambda: not server.open_connections)
        assert len(desk.waiting) == 1

    security = "smtps" if step == "handshake" else "smtp"
    known = certificate if security == "smtps" else None
    with SmtpServer({step: Hang()}, security=security, certificate=known) as server:
        asyncio.run(run(server))


def test_connection_says_goodbye_after_its_share_of_mails():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(f"r{i}@example.org") for i in range(5)])
        SmtpConnection(replace(config_of(server), mails_per_connection=3), desk).start()
        await until(lambda: desk.endings)
        assert desk.endings == [(None, None)]
        assert len(desk.results) == 3

    with SmtpServer() as server:
        asyncio.run(run(server))
        assert server.commands[-1] == (1, "QUIT")


def test_idle_connection_is_woken_and_says_goodbye_when_nothing_comes():
    async def run(server: SmtpServer) -> None:
        desk = Desk([])
        connection = SmtpConnection(config_of(server, idle=LIMIT), desk)
        connection.start()
        await until(lambda: server.count_of("EHLO"))
        await asyncio.sleep(0.05)
        desk.waiting.append(mail_to(A))
        connection.wake()
        await until(lambda: desk.endings)
        assert [type(o) for o in desk.results.values()] == [Accepted]
        assert desk.endings == [(None, None)]

    with SmtpServer() as server:
        asyncio.run(run(server))
        assert server.commands[-1] == (1, "QUIT")


def test_mail_that_comes_while_a_body_waits_for_its_answer_leaves_behind_it():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A)])
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: server.count_of("DATA"))
        await asyncio.sleep(0.05)
        desk.waiting.append(mail_to(B))
        connection.wake()
        await until(lambda: len(desk.results) == 2)
        connection.stop()
        await until(lambda: desk.endings)

    with SmtpServer({"dot": Wait(0.3)}) as server:
        asyncio.run(run(server))
        assert server.messages[0].behind.startswith(b"MAIL FROM:<bounce+b@example.org>")


# Everything at once


class RestlessDesk(Desk):
    """Calls the connection back from within its calls, as an engine may."""

    dice = random.Random(0)

    def next_mail(self, connection: SmtpConnection) -> Mail | None:
        connection.wake()
        return super().next_mail(connection)

    def may_send_body(self, connection: SmtpConnection, mail: Mail) -> bool:
        if self.dice.random() < 0.3:
            asyncio.get_running_loop().call_later(0.002, connection.release_body)
            return False
        return True

    def done(self, connection: SmtpConnection, mail: Mail, result: SendResult) -> None:
        super().done(connection, mail, result)
        connection.wake()
        if self.dice.random() < 0.03:
            connection.stop()

    def closed(
        self, connection: SmtpConnection, unsent: Mail | None, cause: SendResult | None
    ) -> None:
        connection.wake()
        connection.release_body()
        super().closed(connection, unsent, cause)


def random_script(dice: random.Random) -> dict[str, list[object]]:
    faults = [
        Drop(), Reset(), Hang(), Raw(b"?\r\n"), LongLine(size=200_000), "421 4.3.2 bye",
        "451 4.0.0 not now", "550 5.0.0 never",
    ]  # fmt: skip
    odds = {"banner": 0.1, "ehlo": 0.1, "mail": 0.1, "rcpt": 0.1, "data": 0.1, "dot": 0.1}
    script: dict[str, list[object]] = {
        step: [dice.choice(faults) if dice.random() < chance else None for _ in range(300)]
        for step, chance in odds.items()
    }
    script["dot"] = [
        Accept(f) if isinstance(f, Action) and dice.random() < 0.5 else f for f in script["dot"]
    ]
    script["rset"] = [dice.choice(faults) if dice.random() < 0.2 else None for _ in range(300)]
    return script


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
@pytest.mark.parametrize("seed", range(4))
def test_among_random_faults_no_mail_is_lost_doubled_or_told_wrongly(seed, is_pipelining):
    dice = random.Random(seed)
    mails = [mail_to(f"r{i}@example.org") for i in range(60)]

    async def run(server: SmtpServer) -> RestlessDesk:
        limits = dict.fromkeys(("banner", "ehlo", "mail", "rcpt", "data", "dot", "rset"), 0.1)
        config = config_of(server, **limits, quit=0.1, idle=0.05)
        desk = RestlessDesk(list(mails))
        desk.dice = dice
        while len(desk.results) < len(mails):
            lines = [SmtpConnection(config, desk) for _ in range(3)]
            ended = len(desk.endings)
            for line in lines:
                line.start()
            await until(lambda ended=ended: len(desk.endings) == ended + 3)
            desk.waiting[:0] = [mail for mail, _ in desk.endings[ended:] if mail]
            assert len(desk.endings) < 600, "goes round in circles"
        return desk

    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    with SmtpServer(random_script(dice), extensions=extensions) as server:
        results = asyncio.run(run(server)).results
        taken = [m.recipients[0] for m in server.messages]
    assert len(taken) == len(set(taken))
    assert set(results) == {mail.recipient for mail in mails}
    by_kind = {kind: {r for r, o in results.items() if type(o) is kind} for kind in KINDS}
    assert by_kind[Accepted] <= set(taken) <= by_kind[Accepted] | by_kind[Uncertain]
    assert all(results[r].code == 550 for r in by_kind[Permanent])
    assert by_kind[Accepted]
    assert by_kind[Uncertain]
