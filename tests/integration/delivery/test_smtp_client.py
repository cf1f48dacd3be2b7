"""Mails that are not small, plain or quick: large bodies, extensions, addresses beyond ASCII."""

import asyncio
import time
from dataclasses import replace

import pytest

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    Step,
    Temporary,
    Uncertain,
)
from mailings.delivery.transports.mail import Mail
from mailings.delivery.transports.smtp.connection import SmtpConnection
from tests.smtp_faults import (
    Answer,
    Deaf,
    Drip,
)
from tests.smtp_sending import Desk, config_of, mail_to, send_all, send_mails, until
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.usefixtures("each_event_loop")

A, B, C = "a@example.org", "b@example.org", "c@example.org"
LIMIT = 0.3  # seconds: a deadline that is meant to pass
STEP_BY_STEP = ("SIZE 1000000", "8BITMIME")


# Large bodies, and deadlines of a whole mail

LARGE = 12 * 1024 * 1024


def test_server_that_stops_reading_a_body_has_not_seen_its_end():
    async def run(server: SmtpServer) -> None:
        desk = Desk([mail_to(A, size=LARGE), mail_to(B)])
        SmtpConnection(config_of(server, block=LIMIT), desk).start()
        await until(lambda: desk.endings)
        [result] = desk.results.values()
        assert (type(result), result.step) == (Temporary, Step.DATA)
        assert len(desk.given) == 1, "the next envelope waits until the body has left"

    with SmtpServer({"body": Deaf()}) as server:
        asyncio.run(run(server))


@pytest.mark.parametrize(
    ("words", "kind"),
    [("552 5.3.4 too large", Permanent), ("451 no", Temporary), ("250 fine", Temporary)],
)
def test_answer_before_the_body_is_over_ends_the_connection(words, kind):
    class Interrupt(Deaf):
        async def act(self, session):
            await Answer(words).act(session)
            return await super().act(session)

    with SmtpServer({"body": [Interrupt()]}) as server:
        results = send_mails(config_of(server), mail_to(A, size=LARGE), mail_to(B))
        assert [type(o) for o in results] == [kind, Accepted]
        assert [m.recipients for m in server.messages] == [[B]]


def test_large_body_arrives_whole_with_the_next_mail_behind_it():
    with SmtpServer() as server:
        mails = [mail_to(A, size=LARGE), mail_to(B)]
        results = send_mails(config_of(server), *mails)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert len(server.messages[0].content) == len(mails[0].body) - 1  # the doubled dot
        assert server.connections == 1


def test_mail_that_takes_too_long_altogether_is_given_up():
    with SmtpServer({"dot": Drip(pause=0.02)}) as server:
        started = time.monotonic()
        [result] = send_all(config_of(server, whole_mail=LIMIT), A)
        assert type(result) is Uncertain
        assert time.monotonic() - started < 3


# Extensions


def test_parameters_of_mail_follow_what_is_offered_and_needed():
    eight_bit = mail_to(A)
    seven_bit = replace(eight_bit, recipient=B, body=b"Subject: x\r\n\r\nHello\r\n")
    with SmtpServer(extensions=["SIZE", "8BITMIME"]) as server:
        send_mails(config_of(server), eight_bit, seven_bit)
        first, second = server.messages
        assert first.parameters == [f"SIZE={len(eight_bit.body)}", "BODY=8BITMIME"]
        assert second.parameters == [f"SIZE={len(seven_bit.body)}"]
    with SmtpServer(extensions=[]) as server:
        send_mails(config_of(server), replace(seven_bit, recipient=C))
        assert server.messages[0].parameters == []


def test_address_beyond_ascii_is_sent_with_smtputf8_and_its_domain_in_ascii():
    with SmtpServer() as server:
        results = send_all(config_of(server), "вася@пример.рф", "ivan@пример.рф")
        assert [type(o) for o in results] == [Accepted, Accepted]
        first, second = server.messages
        assert first.recipients == ["вася@xn--e1afmkfd.xn--p1ai"]
        assert "SMTPUTF8" in first.parameters
        assert second.recipients == ["ivan@xn--e1afmkfd.xn--p1ai"]
        assert "SMTPUTF8" not in second.parameters


@pytest.mark.parametrize(
    "recipient",
    [
        "вася@example.org",
        "a@x.org>\r\nRCPT TO:<b@x.org",
        "a b@x.org",
        "a@x.o\0",
    ],
)
def test_address_that_cannot_be_sent_is_never_refused_for_good_by_us(recipient):
    with SmtpServer(extensions=["PIPELINING"]) as server:
        bad = replace(mail_to(A), recipient=recipient)
        results = send_mails(config_of(server), bad, mail_to(B))
        assert [type(o) for o in results] == [Temporary, Accepted]
        assert (results[0].step, results[0].code) == (Step.RCPT, None)
        assert [m.recipients for m in server.messages] == [[B]]


def test_server_without_ehlo_is_greeted_with_helo():
    with SmtpServer({"ehlo": "502 5.5.1 what?"}) as server:
        [result] = send_all(config_of(server), A)
        assert type(result) is Accepted
        assert server.count_of("HELO") == 1


def test_body_arrives_as_it_was_written():
    message = b"Subject: dots\n\n.\n..two\r\nbare\rCR\n.\n\nend"
    with SmtpServer() as server:
        send_mails(config_of(server), Mail.of(A, A, message))
        [received] = server.messages
    assert received.content == b"Subject: dots\r\n\r\n.\r\n..two\r\nbare\r\nCR\r\n.\r\n\r\nend\r\n"
