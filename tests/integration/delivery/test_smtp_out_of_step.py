"""Answers that belong to no command, or to another one: ahead of what they answer, twice, or of a
kind that cannot stand there. Nothing is taken for what it may not be, and the connection ends."""

import asyncio
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
from mailings.delivery.transports.smtp.connection import SmtpConnection
from tests.smtp_faults import Accept, Action, Raw, Wait
from tests.smtp_sending import Desk, config_of, mail_to, send_all, until
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.usefixtures("each_event_loop")

A, B, C = "a@example.org", "b@example.org", "c@example.org"
STEP_BY_STEP = ("SIZE 1000000", "8BITMIME")
WAYS = pytest.mark.parametrize(
    "extensions", [("PIPELINING",), STEP_BY_STEP], ids=["pipelining", "step by step"]
)


class Late(Action):
    """An answer in two pieces, `pause` seconds apart: what comes in one piece is chance."""

    def __init__(self, first: bytes, second: bytes, pause: float = 0.05) -> None:
        self.first, self.second, self.pause = first, second, pause

    def __str__(self) -> str:
        return f"{self.first!r} … {self.second!r}"

    async def act(self, session) -> bool:
        await session.send(self.first)
        await asyncio.sleep(self.pause)
        await session.send(self.second)
        return False


# ---------------------------------------------------------------- opening

TWO_GREETINGS = [b"220 a\r\n220 b\r\n", b"220 a\r\n250 b\r\n", b"220 a\r\n55", b"250 a\r\n"]
TWO_AT_EHLO = [b"250 a\r\n250 b\r\n", b"250-a\r\n250 b\r\n550 c\r\n", b"250 a\r\n2", b"220 a\r\n"]


@pytest.mark.parametrize(
    ("step", "said"),
    [(Step.BANNER, said) for said in TWO_GREETINGS] + [(Step.EHLO, said) for said in TWO_AT_EHLO],
    ids=str,
)
def test_opening_out_of_step_is_the_services_fault(step, said):
    with SmtpServer({step.value: Raw(said)}) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (Unavailable, step)
        assert server.messages == []


def test_second_greeting_that_comes_late_is_no_answer_to_ehlo():
    with SmtpServer({"banner": Late(b"220 a\r\n", b"220 b\r\n", 0.0)}) as server:
        [result] = send_all(config_of(server), A)
        assert type(result) is Unavailable
        assert server.messages == []


@pytest.mark.parametrize("said", [b"220 go\r\n250 b\r\n", b"220 go\r\n2", b"250 go\r\n"])
def test_starttls_out_of_step_is_the_services_fault(said, certificate):
    script = {"starttls": Raw(said)}
    with SmtpServer(script, security="smtp+tls", certificate=certificate) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (Unavailable, Step.TLS)


@pytest.mark.parametrize("said", [b"235 ok\r\n250 b\r\n", b"235 ok\r\n5", b"250 ok\r\n"])
def test_auth_out_of_step_is_the_services_fault(said, certificate):
    script = {"auth": Raw(said)}
    with SmtpServer(
        script, security="smtps", certificate=certificate, users={"u": "p"}, mechanisms=("PLAIN",)
    ) as server:
        config = replace(config_of(server), user="u", password="p")
        [result] = send_all(config, A)
        assert (type(result), result.step) == (Unavailable, Step.AUTH)
        assert server.messages == []


# ---------------------------------------------------------------- an envelope

ANSWERS = ["250 2.0.0 ok", "451 4.0.0 later", "550 5.1.1 no", "354 go"]
IMPOSSIBLE = {
    Step.MAIL: ["220 hello", "221 bye", "235 welcome", "334 more", "354 go"],
    Step.RCPT: ["220 hello", "221 bye", "235 welcome", "334 more", "354 go"],
    Step.DATA: ["220 hello", "250 ok", "221 bye", "334 more"],
}
ENVELOPE = (Step.MAIL, Step.RCPT, Step.DATA)


@WAYS
@pytest.mark.parametrize(
    ("step", "said"), [(step, said) for step in ENVELOPE for said in IMPOSSIBLE[step]], ids=str
)
def test_code_that_cannot_stand_there_is_no_answer(step, said, extensions):
    address = f"bounce+{A}" if step is Step.MAIL else A
    with SmtpServer({step.value: {address: said}}, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Temporary, Accepted]
        assert (results[0].step, results[0].code) == (step, None)
        assert [m.recipients for m in server.messages] == [[B]]
        assert server.connections == 2


@WAYS
@pytest.mark.parametrize("pause", [None, 0.05], ids=["at once", "late"])
@pytest.mark.parametrize("second", ANSWERS)
@pytest.mark.parametrize("step", ENVELOPE, ids=str)
def test_two_answers_in_an_envelope_fail_nobody_for_good(step, second, pause, extensions):
    """The first is what the command is answered by rights, the second belongs to nothing."""
    if step is Step.DATA and pause is not None:
        pytest.skip("the body is on its way: nothing tells its answer from one ahead of it")
    first = b"354 go\r\n" if step is Step.DATA else b"250 ok\r\n"
    more = second.encode() + b"\r\n"
    action = Raw(first + more) if pause is None else Late(first, more, pause)
    address = f"bounce+{A}" if step is Step.MAIL else A
    with SmtpServer({step.value: {address: [action]}}, extensions=extensions) as server:
        results = send_all(config_of(server, dot=1.5, data=1.5, rcpt=1.5), A, B)
    if pause is not None and "PIPELINING" not in extensions:
        # What comes in a piece of its own when the next command is under way is told from the
        # answer to that by what follows – only where commands go out together.
        assert type(results[1]) is Accepted or (
            second == "354 go" and type(results[1]) is Temporary
        )
        return
    if second == "354 go":
        # Ahead of its time it sends the body to a server that does not wait, and reads commands: to
        # each line an answer, and which is the next mail's shows only now and then.
        assert type(results[1]) in {Accepted, Temporary}
    else:
        assert type(results[0]) is not Permanent
        assert type(results[1]) is Accepted
    if type(results[0]) is Accepted:
        assert [A] in [m.recipients for m in server.messages]


@WAYS
@pytest.mark.parametrize("code", ["500 5.5.2 unknown command", "502 no", "503 5.5.1 not now"])
def test_mail_that_is_not_understood_behind_another_is_tried_afresh(code, extensions):
    """The server may be reading a body as commands; a refused sender would pause the mailing."""
    with SmtpServer({"mail": {f"bounce+{B}": [code]}}, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert server.connections == 2


@WAYS
def test_mail_is_tried_afresh_too_where_rset_is_not_understood_either(extensions):
    script = {"mail": {f"bounce+{B}": ["500 no"]}, "rset": "500 5.5.2 unknown command"}
    with SmtpServer(script, extensions=extensions) as server:
        assert [type(o) for o in send_all(config_of(server), A, B)] == [Accepted, Accepted]


@WAYS
def test_mail_that_is_not_understood_on_a_fresh_connection_either_is_refused(extensions):
    with SmtpServer({"mail": {f"bounce+{B}": "500 no"}}, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Accepted, Permanent]


@WAYS
def test_answer_ahead_of_the_body_is_not_the_answer_to_it(extensions):
    script = {"data": {A: [Raw(b"354 go\r\n250 2.0.0 queued\r\n")]}, "dot": {A: "550 5.6.0 no"}}
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Temporary, Accepted]
        assert results[0].step is Step.DATA
        assert [m.recipients for m in server.messages] == [[B]]


@pytest.mark.parametrize("early", [b"250 2.0.0 queued\r\n", b"550 no\r\n", b"25"], ids=str)
def test_answer_while_the_body_waits_for_its_release_ends_the_connection(early):
    async def run(server: SmtpServer) -> Desk:
        desk = Desk([mail_to(A)], allows=lambda mail: False)
        connection = SmtpConnection(config_of(server), desk)
        connection.start()
        await until(lambda: desk.endings)
        connection.release_body()
        return desk

    with SmtpServer({"data": Late(b"354 go\r\n", early)}) as server:
        desk = asyncio.run(run(server))
        assert [type(o) for o in desk.results.values()] == [Temporary]
        assert desk.results[A].step is Step.DATA
        assert server.messages == []


# ---------------------------------------------------------------- the final dot


@WAYS
@pytest.mark.parametrize("said", ["220 hello", "221 bye", "235 welcome", "334 more", "354 go"])
def test_code_that_cannot_answer_the_dot_leaves_the_mail_uncertain(said, extensions):
    with SmtpServer({"dot": {A: Accept(said)}}, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Uncertain, Accepted]
        assert server.connections == 2


@WAYS
@pytest.mark.parametrize("second", ["250 ok", "451 4.0.0 later", "550 5.7.1 no", "354 go", "5"])
@pytest.mark.parametrize("first", ["250 ok", "550 5.6.0 no"])
def test_two_answers_to_the_dot_leave_the_mail_uncertain(first, second, extensions):
    said = f"{first}\r\n{second}".encode() + (b"\r\n" if len(second) > 1 else b"")
    with SmtpServer({"dot": {A: [Raw(said)]}}, extensions=extensions) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (Uncertain, Step.DOT)


@pytest.mark.parametrize("second", ["451 4.0.0 later", "550 5.7.1 no", "354 go"])
@pytest.mark.parametrize("first", ["250 ok", "550 5.6.0 no"])
def test_two_answers_to_the_dot_are_no_answer_to_the_next_mail(first, second):
    """Its envelope is under way already, and its answers come behind, together or each alone."""
    for pause in (0.0, 0.05):
        script: dict[str, object] = {"dot": {A: [Raw(f"{first}\r\n{second}\r\n".encode())]}}
        if pause:
            script["mail"] = {f"bounce+{B}": [Wait(pause)]}
        with SmtpServer(script, extensions=("PIPELINING",)) as server:
            results = send_all(config_of(server), A, B, C)
        kinds = [type(o) for o in results]
        assert kinds[2] is Accepted
        assert kinds[1] in (Temporary, Accepted)
        if first[0] != second[0]:
            assert kinds[0] is Uncertain
        assert [C] in [m.recipients for m in server.messages]


@WAYS
def test_second_answer_to_the_dot_that_comes_late_refuses_no_sender(extensions):
    """That would pause a whole mailing."""
    script = {"dot": {A: [Late(b"250 ok\r\n", b"550 5.7.1 no\r\n", 0.02)]}}
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server), A, B, C)
    assert type(results[0]) is Accepted
    assert Permanent not in [type(o) for o in results]
    assert type(results[2]) is Accepted


@WAYS
def test_421_behind_an_answer_is_no_second_answer(extensions):
    script = {"dot": {A: [Accept(Raw(b"250 ok\r\n421 4.3.2 closing\r\n"))]}}
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server), A, B)
    assert type(results[0]) is Accepted
    assert type(results[1]) in (Accepted, Unavailable)


# ---------------------------------------------------------------- between mails


@WAYS
@pytest.mark.parametrize("said", [b"250 ok\r\n550 no\r\n", b"354 go\r\n", b"221 bye\r\n"])
def test_reset_out_of_step_harms_nobody(said, extensions):
    script = {"rcpt": {A: "550 5.1.1 unknown"}, "rset": [Raw(said)]}
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server), A, B, C)
        kinds = [type(o) for o in results]
        assert kinds[0] in (Permanent, Temporary)
        assert kinds[1] in (Temporary, Accepted)
        assert kinds[2] is Accepted


def test_refusal_at_data_is_believed_when_the_reset_behind_it_is_answered():
    """A second answer to RCPT looks like one to DATA: its own, 354, then answers the RSET."""
    late = Late(b"250 ok\r\n", b"550 5.7.1 no\r\n", 0.0)
    # DATA is answered behind it, however busy the machine is.
    with SmtpServer({"rcpt": {A: [late]}, "data": {A: [Wait(0.2)]}}) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Temporary, Accepted]


def test_unasked_answer_on_an_idle_connection_ends_it():
    async def run(server: SmtpServer) -> list[tuple[object, SendResult | None]]:
        desk = Desk([mail_to(A)])
        SmtpConnection(config_of(server), desk).start()
        await until(lambda: desk.endings)
        assert [type(o) for o in desk.results.values()] == [Accepted]
        return desk.endings

    with SmtpServer({"idle": Wait(0.1, Raw(b"250 anything else?\r\n"))}) as server:
        assert asyncio.run(run(server)) == [(None, None)]


@pytest.mark.parametrize("said", [b"221 bye\r\n250 ok\r\n", b"250 ok\r\n", b"550 no\r\n"], ids=str)
def test_answer_to_quit_changes_nothing(said):
    with SmtpServer({"quit": Raw(said)}) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert len(server.messages) == 2
