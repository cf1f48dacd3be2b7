"""What may go wrong on one connection, and what must come of it: the fault matrix against a
scripted server. Numbers are the matrix's rows."""

import asyncio
import socket
import threading
import time
import tracemalloc
from dataclasses import replace

import pytest

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.smtp import dns as smtp_dns
from mailings.delivery.transports.smtp.config import Policy, SmtpConfig
from mailings.delivery.transports.smtp.connection import SmtpConnection
from tests.smtp_faults import (
    Accept,
    Answer,
    Drip,
    Drop,
    Endless,
    Hang,
    LongLine,
    Raw,
    Reset,
    Wait,
)
from tests.smtp_sending import Desk, config_of, mail_to, send_all, until
from tests.smtpd import SmtpServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("each_event_loop")]

A, B, C = "a@example.org", "b@example.org", "c@example.org"
LIMIT = 0.3  # seconds: a deadline that is meant to pass
STEP_BY_STEP = ("SIZE 1000000", "8BITMIME")

UNREADABLE = {
    "garbage": Raw(b"\xde\xad\xbe\xef what?\r\n"),
    "NULs": Raw(b"\0\0\0\0\r\n"),
    "empty line": Raw(b"\r\n"),
    "no space after the code": Raw(b"2500 ok\r\n"),
    "code below the range": Raw(b"099 ok\r\n"),
    "code of no class": Raw(b"150 ok\r\n"),
    "code above the range": Raw(b"999 no\r\n"),
    "lines that disagree": Raw(b"250-yes\r\n550 no\r\n"),
}
SILENT = {"hang": Hang()}
BROKEN = {"drop": Drop(), "reset": Reset()}
CLASS_AT = {
    Step.BANNER: Unavailable,
    Step.EHLO: Unavailable,
    Step.MAIL: Temporary,
    Step.RCPT: Temporary,
    Step.DATA: Temporary,
    Step.DOT: Uncertain,
}
ALL_FAULTS = SILENT | BROKEN | UNREADABLE


# Rows 4–9, 11–15, 18–21: no answer to act on, at each step


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
@pytest.mark.parametrize("fault", ALL_FAULTS, ids=str)
@pytest.mark.parametrize("step", CLASS_AT, ids=str)
def test_fault_is_classified_by_the_step_at_which_it_arises(step, fault, is_pipelining):
    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    with SmtpServer({step.value: ALL_FAULTS[fault]}, extensions=extensions) as server:
        limits = {step.value: LIMIT} if fault in SILENT else {}
        [result] = send_all(config_of(server, **limits), A)
        # A reset right behind the connection may be noticed while it is being made.
        steps = {step, Step.CONNECT} if (step, fault) == (Step.BANNER, "reset") else {step}
        assert type(result) is CLASS_AT[step]
        assert result.step in steps
        assert result.code is None
        assert result.reply
        assert server.messages == []


@pytest.mark.parametrize("then", [Drop(), Reset(), Raw(b"\0\r\n"), Raw(b"354 what?\r\n")], ids=str)
def test_16_mail_accepted_without_an_understood_answer_is_uncertain(then):
    with SmtpServer({"dot": Accept(then)}) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step, result.code) == (Uncertain, Step.DOT, None)
        assert len(server.messages) == 1


def test_the_next_envelope_is_given_back_untried_when_a_body_is_lost():
    with SmtpServer({"dot": [None, Drop()]}) as server:
        results = send_all(config_of(server), A, B, C)
        assert [type(o) for o in results] == [Accepted, Uncertain, Accepted]
        assert [m.recipients for m in server.messages] == [[A], [C]]
        assert server.connections == 2


# Rows 1–3: no connection


def test_1_refused_connection_is_the_services_fault():
    with SmtpServer() as server:
        config = config_of(server)
    [result] = send_all(config, A)
    assert (type(result), result.step) == (Unavailable, Step.CONNECT)
    assert result.reply == "Connection refused"


def test_2_connection_that_is_never_answered_ends_in_time():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        # With its queue full the kernel no longer answers a SYN.
        crowd = [socket.socket() for _ in range(4)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        config = SmtpConfig.from_url(f"smtp://127.0.0.1:{port}", policy=Policy(connect=LIMIT))
        started = time.monotonic()
        [result] = send_all(config, A)
        for one in crowd:
            one.close()
    assert (type(result), result.step) == (Unavailable, Step.CONNECT)
    assert time.monotonic() - started < 3


def test_3_failing_name_lookup_is_the_services_fault(monkeypatch):
    def fail(*arguments, **options):
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(smtp_dns.socket, "getaddrinfo", fail)
    [result] = send_all(SmtpConfig.from_url("smtp://failing.example.org"), A)
    assert (type(result), result.step) == (Unavailable, Step.CONNECT)
    assert "name resolution" in result.reply


def test_3_slow_name_lookup_holds_nobody_up(monkeypatch):
    is_over = threading.Event()

    def hang(*arguments, **options):
        is_over.wait(10)
        raise socket.gaierror(socket.EAI_AGAIN, "too late")

    monkeypatch.setattr(smtp_dns.socket, "getaddrinfo", hang)
    config = SmtpConfig.from_url("smtp://slow.example.org", policy=Policy(connect=LIMIT))
    started = time.monotonic()
    results = send_all(config, A) + send_all(config, B)
    # The loop's end would wait for a lookup in its own threads.
    assert time.monotonic() - started < 3
    lookups = sum(t.name.endswith("(_look_up)") for t in threading.enumerate())
    is_over.set()
    assert [type(o) for o in results] == [Unavailable, Unavailable]
    assert lookups == 1


def test_3_known_address_serves_while_the_name_server_is_away(monkeypatch):
    with SmtpServer() as server:
        config = replace(config_of(server), host="localhost")
        [before] = send_all(config, A)
        key = ("localhost", server.port)
        addresses = smtp_dns._known[key][1]
        monkeypatch.setitem(smtp_dns._known, key, (-1e9, addresses))
        monkeypatch.setattr(smtp_dns.socket, "getaddrinfo", lambda *a, **o: time.sleep(0.2) or [])
        [after] = send_all(config, B)
    assert [type(before), type(after)] == [Accepted, Accepted]


# Rows 10, 26: after the acceptance


@pytest.mark.parametrize("fault", [Hang(), Drop(), Reset(), LongLine(), Raw(b"\0\r\n")], ids=str)
def test_10_fault_at_quit_changes_nothing(fault):
    with SmtpServer({"quit": fault}) as server:
        started = time.monotonic()
        results = send_all(config_of(server, quit=LIMIT), A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert len(server.messages) == 2
        assert time.monotonic() - started < 3


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
@pytest.mark.parametrize(
    "fault", [Hang(), Drop(), Reset(), LongLine(), Raw(b"\0\r\n"), Answer("500 what?")], ids=str
)
def test_10_fault_at_reset_after_a_refusal_changes_nothing(fault, is_pipelining):
    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    script = {"rcpt": {B: "550 5.1.1 unknown"}, "rset": [fault]}
    with SmtpServer(script, extensions=extensions) as server:
        results = send_all(config_of(server, rset=LIMIT), A, B, C)
        assert [type(o) for o in results] == [Accepted, Permanent, Accepted]
        assert [m.recipients for m in server.messages] == [[A], [C]]


@pytest.mark.parametrize("fault", [Drop(), Reset()], ids=str)
def test_26_connection_ended_after_an_acceptance_is_opened_again_in_silence(fault):
    with SmtpServer({"mail": [None, None, fault]}) as server:
        results = send_all(config_of(server), A, B, C)
        assert [type(o) for o in results] == [Accepted] * 3
        assert [m.recipients for m in server.messages] == [[A], [B], [C]]
        assert server.connections == 2


def test_26_long_line_at_the_next_command_leaves_what_was_accepted():
    with SmtpServer({"mail": [None, LongLine()]}) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Accepted, Temporary]
        assert [m.recipients for m in server.messages] == [[A]]


def test_mail_at_which_connections_keep_ending_is_charged_for_it():
    with SmtpServer({"mail": {f"bounce+{B}": Drop()}}) as server:
        results = send_all(config_of(server), A, B, C)
        assert [type(o) for o in results] == [Accepted, Temporary, Accepted]
        assert results[1].step is Step.MAIL


@pytest.mark.parametrize("fault", [Drop(), Reset(), Answer("421 4.4.2 idle for too long")], ids=str)
def test_39_idle_connection_closed_by_the_server_costs_nothing(fault):
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A)])
        first = SmtpConnection(config_of(server), desk)
        first.start()
        await until(lambda: desk.endings)
        assert desk.endings == [(None, None)]
        desk.waiting.append(mail_to(B))
        second = SmtpConnection(config_of(server), desk)
        second.start()
        await until(lambda: len(desk.results) == 2)
        second.stop()
        await until(lambda: len(desk.endings) == 2)
        assert [type(o) for o in desk.results.values()] == [Accepted, Accepted]

    with SmtpServer({"idle": fault}) as server:
        asyncio.run(run(server))
        assert len(server.messages) == 2


# Rows 23–25: replies without an end


FLOODS = {
    "endless lines": Endless(),
    "line of 10 MB": LongLine(),
    "10 MB of garbage": LongLine(b"", b"\xff"),
}


@pytest.mark.parametrize("step", [*CLASS_AT, "quit"], ids=str)
@pytest.mark.parametrize("fault", FLOODS)
def test_23_25_flood_is_cut_off_before_it_fills_the_memory(fault, step):
    with SmtpServer({str(step): FLOODS[fault]}) as server:
        config = config_of(server)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        started = time.monotonic()
        [result] = send_all(config, A)
        seconds = time.monotonic() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert type(result) is CLASS_AT.get(step, Accepted)
        assert result.code is None or step == "quit"
    assert peak - before < 5 * 1024 * 1024
    assert seconds < 5


@pytest.mark.parametrize("step", CLASS_AT, ids=str)
@pytest.mark.parametrize("fault", [Endless(pause=0.02), Drip(pause=0.02)], ids=str)
def test_24_25_slow_reply_is_bounded_as_a_whole(fault, step):
    with SmtpServer({str(step): fault}) as server:
        started = time.monotonic()
        [result] = send_all(config_of(server, **{step: LIMIT}), A)
        assert type(result) is CLASS_AT[step]
        assert LIMIT <= time.monotonic() - started < 3


# Rows 22, 27–33: what the server says


@pytest.mark.parametrize("reply", ["200 ok", "250 2.0.0 queued", "251 later", "259 whatever"])
def test_22_any_2xx_after_the_dot_is_acceptance(reply):
    with SmtpServer({"dot": Accept(reply)}) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.code) == (Accepted, int(reply[:3]))


REPLIES = [
    # step, the server's words, what they mean, enhanced code
    (Step.BANNER, "554 5.7.1 go away", Unavailable, "5.7.1"),  # row 28
    (Step.BANNER, "421 4.3.2 full", Unavailable, "4.3.2"),  # row 27
    (Step.EHLO, "550 no", Unavailable, ""),
    (Step.EHLO, "421 no", Unavailable, ""),
    (Step.MAIL, "550 5.7.1 sender refused", Permanent, "5.7.1"),  # row 32
    (Step.MAIL, "451 4.7.1 later", Temporary, "4.7.1"),
    (Step.MAIL, "552 5.3.4 too large", Permanent, "5.3.4"),
    (Step.MAIL, "530 5.7.0 authentication required", Unavailable, "5.7.0"),
    (Step.MAIL, "421 4.7.0 too many", Unavailable, "4.7.0"),
    (Step.RCPT, "550 5.1.1 unknown", Permanent, "5.1.1"),  # row 30
    (Step.RCPT, "550 unknown", Permanent, ""),
    (Step.RCPT, "450 4.2.0 greylisted", Temporary, "4.2.0"),
    (Step.RCPT, "452 4.2.2 full", Temporary, "4.2.2"),  # row 31
    (Step.RCPT, "552 5.2.2 full", Temporary, "5.2.2"),
    (Step.RCPT, "552 too much", Temporary, ""),
    (Step.RCPT, "599 never", Permanent, ""),
    (Step.RCPT, "499 not now", Temporary, ""),
    (Step.RCPT, "421 4.7.0 too many", Unavailable, "4.7.0"),
    (Step.DATA, "451 4.3.0 not now", Temporary, "4.3.0"),
    (Step.DATA, "554 5.7.1 no", Permanent, "5.7.1"),
    (Step.DATA, "421 bye", Unavailable, ""),
    (Step.DOT, "552 5.3.4 too large", Permanent, "5.3.4"),  # row 33
    (Step.DOT, "554 5.6.0 content", Permanent, "5.6.0"),
    (Step.DOT, "552 5.2.2 full", Temporary, "5.2.2"),
    (Step.DOT, "451 4.7.1 later", Temporary, "4.7.1"),
    (Step.DOT, "421 4.3.2 going down", Unavailable, "4.3.2"),
]


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
@pytest.mark.parametrize(("step", "words", "kind", "enhanced"), REPLIES)
def test_reply_means_what_its_step_and_code_say(step, words, kind, enhanced, is_pipelining):
    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    with SmtpServer({step.value: words}, extensions=extensions) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (kind, step)
        assert (result.code, result.enhanced_code) == (int(words[:3]), enhanced)
        assert result.reply == words[4:]
        assert server.messages == []


@pytest.mark.parametrize("reply", ["354 go on", "250 ok"], ids=str)
def test_success_of_the_wrong_kind_is_no_answer(reply):
    step = Step.MAIL if reply.startswith("354") else Step.DATA
    with SmtpServer({step.value: reply}) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step, result.code) == (Temporary, step, None)


@pytest.mark.parametrize("is_pipelining", [True, False], ids=["pipelining", "step by step"])
def test_27_421_after_some_mails_is_a_normal_end(is_pipelining):
    extensions = ("PIPELINING",) if is_pipelining else STEP_BY_STEP
    recipients = [f"r{i}@example.org" for i in range(10)]
    with SmtpServer(mails_per_connection=3, extensions=extensions) as server:

        async def run() -> Desk:
            desk = Desk([mail_to(r) for r in recipients])
            for ended in range(1, 5):
                SmtpConnection(config_of(server, idle=LIMIT), desk).start()
                await until(lambda ended=ended: len(desk.endings) == ended)
                if unsent := desk.endings[-1][0]:
                    desk.waiting.insert(0, unsent)
            return desk

        desk = asyncio.run(run())
        assert {type(o) for o in desk.results.values()} == {Accepted}
        assert [m.recipients[0] for m in server.messages] == recipients
        assert server.connections == 4
        causes = [cause for _, cause in desk.endings]
        assert [(type(c), c.code) for c in causes[:3]] == [(Unavailable, 421)] * 3


def test_29_greylisted_mail_is_accepted_at_the_next_try():
    with SmtpServer({"rcpt": ["450 4.2.0 greylisted"]}) as server:
        [first] = send_all(config_of(server), A)
        [second] = send_all(config_of(server), A)
        assert [type(first), type(second)] == [Temporary, Accepted]


def test_hostile_reply_is_kept_short_and_harmless():
    hostile = b"550 5.1.1 \x1b[31mred\x07 \xff\xe2\x80\xae " + b"x" * 8000 + b"\r\n"
    with SmtpServer({"rcpt": Raw(hostile)}) as server:
        [result] = send_all(config_of(server), A)
    assert result.reply.startswith(r"5.1.1 \x1b[31mred\x07 \xff\u202e xxx")
    assert len(result.reply.encode()) <= 2048
    assert result.reply.isprintable()


def test_lines_of_a_reply_are_kept_without_their_codes():
    with SmtpServer({"rcpt": "550 5.1.1 unknown\n5.1.1 see https://example.org"}) as server:
        [result] = send_all(config_of(server), A)
    assert result.reply == "5.1.1 unknown\n5.1.1 see https://example.org"


def test_outcome_tells_when_and_how_long():
    with SmtpServer({"dot": [Wait(0.2)]}) as server:
        before = time.time()
        first, second = send_all(config_of(server), A, B)
    assert before <= first.started_at.timestamp() < before + 1
    assert 0.2 <= first.seconds < 1
    # The envelope left with the first body; its own time begins with that one's answer.
    assert 0.0 <= second.seconds < 0.2
