"""Outcomes of the SMTP transport against a scripted server on loopback, and what every transport
must do, whichever it is."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mailings.delivery.transports import base, open_transport
from mailings.delivery.transports.base import Envelope, Step, Transport
from mailings.delivery.transports.memory import MemoryTransport
from mailings.delivery.transports.smtp import DEADLINES, Address, SmtpTransport

ENVELOPE = Envelope("news@example.org", "anna@example.org")
MESSAGE = b"Subject: x\r\n\r\n.leading dot\r\nend\r\n"
SHORT = dict.fromkeys(DEADLINES, 0.3)

DROP = b"<drop>"
HANG = b"<hang>"
DRIP = b"<drip>"
FLOOD = b"<flood>"

Reply = bytes | Callable[[int], bytes]


class ScriptedServer:
    """Answers each command by `script[verb]`: bytes, a fault, or a function of its how-many-th."""

    DEFAULTS = {
        "BANNER": b"220 here\r\n", "EHLO": b"250 here\r\n", "MAIL": b"250 2.1.0 ok\r\n",
        "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go on\r\n", ".": b"250 2.0.0 taken\r\n",
        "RSET": b"250 ok\r\n", "QUIT": b"221 bye\r\n",
    }  # fmt: skip

    def __init__(self, script: dict[str, Reply]) -> None:
        self.script = self.DEFAULTS | script
        self.taken: list[bytes] = []
        self.commands: list[str] = []
        self.connections = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open = True
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while self.open:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket, verb: str) -> bool:
        self.commands.append(verb)
        reply = self.script[verb]
        if callable(reply):
            reply = reply(self.commands.count(verb))
        if reply == DROP:
            return False
        if reply in (HANG, DRIP, FLOOD):
            part = {HANG: b"", DRIP: b"2", FLOOD: b"250-more of it\r\n" * 4000}[reply]
            deadline = time.monotonic() + 3
            while self.open and time.monotonic() < deadline:
                connection.sendall(part)
                if reply != FLOOD:
                    time.sleep(0.02)
            return False
        connection.sendall(reply)
        return not reply.startswith(b"421")

    def talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as lines:
            try:
                alive = self.answer(connection, "BANNER")
                while alive and (line := lines.readline()):
                    verb = line[:4].decode().strip().upper()
                    alive = self.answer(connection, verb)
                    if alive and verb == "DATA" and self.commands and self.said_354():
                        body = b"".join(iter(lines.readline, b".\r\n"))
                        if self.answer_is_positive("."):
                            self.taken.append(body)
                        alive = self.answer(connection, ".")
                    alive = alive and verb != "QUIT"
            except OSError:
                return

    def said_354(self) -> bool:
        reply = self.script["DATA"]
        return not callable(reply) and reply.startswith(b"354")

    def answer_is_positive(self, verb: str) -> bool:
        reply = self.script[verb]
        return not callable(reply) and reply[:1] == b"2"


@contextmanager
def serving(script: dict[str, Reply] | None = None) -> Iterator[ScriptedServer]:
    server = ScriptedServer(script or {})
    try:
        yield server
    finally:
        server.open = False
        server.listener.close()


@contextmanager
def speaking(server: ScriptedServer) -> Iterator[SmtpTransport]:
    transport = SmtpTransport(Address("smtp", "127.0.0.1", server.port), deadlines=SHORT)
    try:
        yield transport
    finally:
        transport.close()


# ---------------------------------------------------------------- every transport


@pytest.fixture(params=["smtp", "memory"])
def transport(request) -> Iterator[tuple[Transport, list]]:
    if request.param == "memory":
        taken: list = []
        yield MemoryTransport(taken=taken), taken
        return
    with serving() as server, speaking(server) as smtp:
        yield smtp, server.taken


def test_every_transport_accepts_again_and_again_and_after_close(transport):
    sender, taken = transport
    first = sender.send(ENVELOPE, MESSAGE)
    second = sender.send(ENVELOPE, MESSAGE)
    sender.close()
    sender.close()
    third = sender.send(ENVELOPE, MESSAGE)
    for outcome in (first, second, third):
        assert isinstance(outcome, base.Accepted)
        assert (outcome.step, outcome.code) == (Step.DOT, 250)
        assert outcome.reply
        assert outcome.started_at.tzinfo is not None
        assert outcome.seconds >= 0
    assert len(taken) == 3


@pytest.mark.parametrize(
    "address", ["", "a b@example.org", "a\r\nRCPT TO:<x@y>", "почта@example.org"]
)
def test_an_envelope_takes_only_plain_addresses(address):
    with pytest.raises(ValueError, match="printable"):
        Envelope("news@example.org", address)


# ---------------------------------------------------------------- SMTP, fault by fault

CASES = [
    # verb, answer, expected outcome, step, code
    ("BANNER", DROP, base.Unavailable, Step.BANNER, None),
    ("BANNER", HANG, base.Unavailable, Step.BANNER, None),
    ("BANNER", b"554 go away\r\n", base.Unavailable, Step.BANNER, 554),
    ("BANNER", b"421 busy\r\n", base.Unavailable, Step.BANNER, 421),
    ("BANNER", b"\x00\xff\r\n", base.Unavailable, Step.BANNER, None),
    ("EHLO", HANG, base.Unavailable, Step.EHLO, None),
    ("EHLO", DROP, base.Unavailable, Step.EHLO, None),
    ("EHLO", b"550 no\r\n", base.Unavailable, Step.EHLO, 550),
    ("MAIL", HANG, base.Temporary, Step.MAIL, None),
    ("MAIL", DROP, base.Temporary, Step.MAIL, None),
    ("MAIL", b"451 later\r\n", base.Temporary, Step.MAIL, 451),
    ("MAIL", b"550 5.7.1 not you\r\n", base.Permanent, Step.MAIL, 550),
    ("MAIL", b"421 closing\r\n", base.Unavailable, Step.MAIL, 421),
    ("RCPT", HANG, base.Temporary, Step.RCPT, None),
    ("RCPT", DROP, base.Temporary, Step.RCPT, None),
    ("RCPT", b"251 will forward\r\n", base.Accepted, Step.DOT, 250),
    ("RCPT", b"450 4.2.0 greylisted\r\n", base.Temporary, Step.RCPT, 450),
    ("RCPT", b"550 5.1.1 nobody\r\n", base.Permanent, Step.RCPT, 550),
    ("RCPT", b"552 5.2.2 full\r\n", base.Temporary, Step.RCPT, 552),
    ("RCPT", b"552 full\r\n", base.Temporary, Step.RCPT, 552),
    ("RCPT", b"999 what\r\n", base.Temporary, Step.RCPT, None),
    ("RCPT", b"\r\n", base.Temporary, Step.RCPT, None),
    ("RCPT", b"2\x0050 ok\r\n", base.Temporary, Step.RCPT, None),
    ("RCPT", DRIP, base.Temporary, Step.RCPT, None),
    ("RCPT", FLOOD, base.Temporary, Step.RCPT, None),
    ("DATA", HANG, base.Temporary, Step.DATA, None),
    ("DATA", DROP, base.Temporary, Step.DATA, None),
    ("DATA", b"250 not what was asked\r\n", base.Temporary, Step.DATA, None),
    ("DATA", b"451 later\r\n", base.Temporary, Step.DATA, 451),
    ("DATA", b"554 5.6.0 no\r\n", base.Permanent, Step.DATA, 554),
    (".", b"200 fine\r\n", base.Accepted, Step.DOT, 200),
    (".", b"251 fine\r\n", base.Accepted, Step.DOT, 251),
    (".", b"452 4.3.1 disk full\r\n", base.Temporary, Step.DOT, 452),
    (".", b"421 4.3.2 going down\r\n", base.Unavailable, Step.DOT, 421),
    (".", b"552 5.3.4 too big\r\n", base.Permanent, Step.DOT, 552),
    (".", b"552 5.2.2 full\r\n", base.Temporary, Step.DOT, 552),
    (".", b"554 spam\r\n", base.Permanent, Step.DOT, 554),
    (".", HANG, base.Uncertain, Step.DOT, None),
    (".", DROP, base.Uncertain, Step.DOT, None),
    (".", DRIP, base.Uncertain, Step.DOT, None),
    (".", FLOOD, base.Uncertain, Step.DOT, None),
    (".", b"what?\r\n", base.Uncertain, Step.DOT, None),
    (".", b"354 go on\r\n", base.Uncertain, Step.DOT, 354),
    (".", b"2" + b"5" * 100_000 + b"\r\n", base.Uncertain, Step.DOT, None),
]


@pytest.mark.parametrize(("verb", "answer", "kind", "step", "code"), CASES)
def test_outcome_by_step_and_code(verb, answer, kind, step, code):
    began = time.monotonic()
    with serving({verb: answer}) as server, speaking(server) as transport:
        outcome = transport.send(ENVELOPE, MESSAGE)
    assert (type(outcome), outcome.step, outcome.code) == (kind, step, code)
    assert len(outcome.reply) <= base.REPLY_LIMIT
    assert time.monotonic() - began < 2


def test_connection_refused_is_the_services_fault():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    outcome = SmtpTransport(Address("smtp", "127.0.0.1", port)).send(ENVELOPE, MESSAGE)
    assert (type(outcome), outcome.step) == (base.Unavailable, Step.CONNECT)


def test_message_arrives_byte_for_byte_with_dots_stuffed():
    with serving() as server, speaking(server) as transport:
        transport.send(ENVELOPE, MESSAGE)
        transport.send(ENVELOPE, b"no line end")
    assert server.taken == [MESSAGE.replace(b"\r\n.", b"\r\n.."), b"no line end\r\n"]


def test_one_connection_is_used_again_after_a_refusal():
    refuse_first = {"RCPT": lambda n: b"550 5.1.1 no\r\n" if n == 1 else b"250 ok\r\n"}
    with serving(refuse_first) as server, speaking(server) as transport:
        outcomes = [transport.send(ENVELOPE, MESSAGE) for _ in range(3)]
    assert [o.name for o in outcomes] == ["permanent", "accepted", "accepted"]
    assert server.connections == 1
    assert "RSET" in server.commands


@pytest.mark.parametrize("ending", [DROP, b"421 enough for now\r\n"])
def test_connection_ended_between_messages_costs_one_silent_reconnect(ending):
    end_second = {"MAIL": lambda n: ending if n == 2 else b"250 ok\r\n"}
    with serving(end_second) as server, speaking(server) as transport:
        outcomes = [transport.send(ENVELOPE, MESSAGE) for _ in range(2)]
    assert [o.name for o in outcomes] == ["accepted", "accepted"]
    assert (server.connections, len(server.taken)) == (2, 2)


@pytest.mark.parametrize("farewell", [HANG, DROP, FLOOD])
def test_trouble_after_acceptance_makes_no_second_copy(farewell, monkeypatch):
    monkeypatch.setattr("mailings.delivery.transports.smtp.FAREWELL_SECONDS", 0.2)
    with serving({"QUIT": farewell}) as server:
        with speaking(server) as transport:
            assert isinstance(transport.send(ENVELOPE, MESSAGE), base.Accepted)
        assert len(server.taken) == 1


def test_a_connection_carries_a_bounded_number_of_messages(monkeypatch):
    monkeypatch.setattr("mailings.delivery.transports.smtp.MESSAGES_PER_CONNECTION", 2)
    with serving() as server, speaking(server) as transport:
        for _ in range(5):
            transport.send(ENVELOPE, MESSAGE)
    assert (server.connections, len(server.taken)) == (3, 5)


def test_encryption_that_is_required_and_not_offered_is_not_done_without():
    with serving() as server:
        transport = SmtpTransport(
            Address("smtp+tls", "127.0.0.1", server.port, "user", "secret"), deadlines=SHORT
        )
        outcome = transport.send(ENVELOPE, MESSAGE)
    assert (type(outcome), outcome.step) == (base.Unavailable, Step.TLS)
    assert server.commands == ["BANNER", "EHLO"]


def test_wrong_password_is_the_services_fault():
    script = {
        "EHLO": b"250-here\r\n250 AUTH PLAIN\r\n",
        "AUTH": b"535 5.7.8 wrong\r\n",
    }
    with serving(script) as server:
        transport = SmtpTransport(
            Address("smtp", "127.0.0.1", server.port, "user", "secret"), deadlines=SHORT
        )
        outcome = transport.send(ENVELOPE, MESSAGE)
        transport.close()
    assert (type(outcome), outcome.step, outcome.code) == (base.Unavailable, Step.AUTH, 535)
    assert "secret" not in outcome.reply


@pytest.mark.parametrize(
    "url", ["ftp://example.org", "smtp://", "smtp://user:secret@mail.example.org", "smtp"]
)
def test_addresses_that_cannot_be_used_safely_are_refused(url):
    with pytest.raises(ValueError, match="smtp"):
        open_transport(url, local_name="localhost")


def test_address_is_read_from_its_url():
    assert Address.parse("smtps://me%40x:p%3Ass@mail.example.org") == Address(
        "smtps", "mail.example.org", 465, "me@x", "p:ss"
    )


def test_replies_cannot_forge_lines_or_colours():
    text = base.printable(b"550 no\x1b[31m\r\x00 \xff " + b"x" * 5000)
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\x00" not in text
    assert len(text) <= base.REPLY_LIMIT
