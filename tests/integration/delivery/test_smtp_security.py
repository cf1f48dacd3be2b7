"""TLS and AUTH of the SMTP client: verified or not at all, and never a password in plain text."""

import asyncio
import base64
import gc
from asyncio.sslproto import SSLProtocol
from types import SimpleNamespace

import pytest

from mailings.delivery.session.session import Session
from mailings.delivery.transports.base import Accepted, Step, Temporary, Unavailable, Uncertain
from mailings.delivery.transports.client import TransportClient
from mailings.delivery.transports.smtp.config import SmtpConfig
from tests.certificates import make_certificate
from tests.smtp_faults import Answer, Drop, Hang, LongLine, Raw, Reset
from tests.smtp_sending import config_of, connecting, mail_to, send_all, send_mails
from tests.smtpd import SmtpServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("each_event_loop")]

A, B = "a@example.org", "b@example.org"
LIMIT = 0.3
USERS = {"user@example.org": "pass: wörd/%"}
TLS = ["smtp+tls", "smtps"]
MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5"]


def words_of(server: SmtpServer) -> list[str]:
    return [line for _, line in server.commands]


@pytest.mark.parametrize("security", TLS)
def test_an_ended_connection_leaves_nothing_for_the_garbage_collector(security, certificate):
    """Each has 256 KB to read into, and a session sends for minutes between collections."""

    def count() -> int:
        return sum(type(one) is SSLProtocol for one in gc.get_objects())

    async def run(config: SmtpConfig) -> int:
        async with TransportClient(connecting(config)) as client:
            for _ in range(3):
                assert type(await client.send(mail_to(A))) is Accepted
        await asyncio.sleep(0.1)  # the event loop's own part of the end
        return count()

    with SmtpServer(security=security, certificate=certificate) as server:
        config = SmtpConfig.from_url(server.url, mails_per_connection=1)
        gc.collect()
        gc.disable()
        try:
            before = count()
            assert asyncio.run(run(config)) == before
        finally:
            gc.enable()
        assert server.connections == 3


@pytest.mark.parametrize("security", TLS)
def test_mail_leaves_encrypted(security, certificate):
    with SmtpServer(security=security, certificate=certificate) as server:
        results = send_all(config_of(server), A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert all(m.is_encrypted for m in server.messages)
        assert server.messages[0].behind.startswith(b"MAIL")
        assert server.connections == 1


@pytest.mark.parametrize("security", TLS)
@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ({"is_self_signed": True}, "self-signed"),
        ({"is_expired": True}, "expired"),
        ({"host": "other.example"}, "mismatch"),
    ],
    ids=["self-signed", "expired", "wrong name"],
)
def test_36_certificate_that_proves_nothing_is_refused(security, flaw, words):
    bad = make_certificate(**flaw)
    with SmtpServer(security=security, certificate=bad, users=USERS) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (Unavailable, Step.TLS)
        assert words in result.reply
        assert server.messages == []
        assert server.count_of("AUTH") == 0


@pytest.mark.parametrize("security", TLS)
@pytest.mark.parametrize("fault", [Hang(), Drop(), Reset(), Raw(b"not TLS at all\r\n")], ids=str)
def test_36_handshake_that_fails_or_hangs_is_the_services_fault(security, fault, certificate):
    script = {"handshake": fault}
    with SmtpServer(script, security=security, certificate=certificate) as server:
        [result] = send_all(config_of(server, tls=LIMIT), A)
        assert type(result) is Unavailable
        # A reset right behind the connection may be noticed while it is being made.
        assert result.step in {Step.TLS, Step.CONNECT if fault == Reset() else Step.TLS}


def test_a_server_that_hangs_up_before_the_handshake_does_not_end_a_session():
    """uvloop tells of it as of a callback that failed; a session ends at any other of these."""
    method = "<bound method SSLProtocol.connection_made of <uvloop.loop.SSLProtocol object at 0x1>>"
    closed = "unable to perform operation on <TCPTransport closed=True>; the handler is closed"
    loop = asyncio.new_event_loop()
    session = SimpleNamespace(_is_over=loop.create_future())
    told = {"message": f"Exception in callback {method}", "exception": RuntimeError(closed)}
    Session._crash(session, loop, told)
    assert not session._is_over.done()
    Session._crash(session, loop, {"message": "Exception in callback x", "exception": KeyError(1)})
    assert isinstance(session._is_over.exception(), RuntimeError)
    loop.close()


@pytest.mark.parametrize("said", [b"220 mine\r\n", b"220 mine\r\n250 mine\r\n"])
def test_a_greeting_before_the_handshake_is_not_believed(said, certificate):
    """Whoever sits on the way could have their words taken for the server's."""
    script = {"handshake": Raw(said)}
    with SmtpServer(script, security="smtps", certificate=certificate) as server:
        [result] = send_all(config_of(server, tls=LIMIT), A)
        assert (type(result), result.step) == (Unavailable, Step.TLS)
        assert server.count_of("EHLO") == 0


def test_server_that_speaks_plain_text_where_tls_is_due_is_the_services_fault(certificate):
    with SmtpServer() as server:
        url = f"smtps://127.0.0.1:{server.port}?ca={certificate.ca_file}"
        [result] = send_all(SmtpConfig.from_url(url), A)
        assert (type(result), result.step) == (Unavailable, Step.TLS)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Answer("454 4.7.0 no"), 454),
        (Answer("502 what?"), 502),
        (Drop(), None),
        (Hang(), None),
    ],
    ids=str,
)
def test_35_refused_starttls_is_never_answered_with_plain_text(fault, code, certificate):
    script = {"starttls": fault}
    with SmtpServer(script, security="smtp+tls", certificate=certificate, users=USERS) as server:
        [result] = send_all(config_of(server, tls=LIMIT), A)
        assert (type(result), result.step, result.code) == (Unavailable, Step.TLS, code)
        assert server.count_of("AUTH") == server.count_of("MAIL") == 0


def test_35_missing_starttls_is_never_answered_with_plain_text(certificate):
    with SmtpServer(users=USERS) as server:  # a man in the middle takes the offer away
        url = server.url.replace("smtp://", "smtp+tls://")
        [result] = send_all(SmtpConfig.from_url(url), A)
        assert (type(result), result.step) == (Unavailable, Step.TLS)
        assert server.count_of("AUTH") == server.count_of("MAIL") == 0


@pytest.mark.parametrize("smuggled", [b"250 trust me\r\n", b"250 tru"], ids=["line", "half a line"])
def test_words_smuggled_in_before_tls_end_the_session(smuggled, certificate):
    script = {"starttls": Raw(b"220 ready\r\n" + smuggled)}
    with SmtpServer(script, security="smtp+tls", certificate=certificate) as server:
        [result] = send_all(config_of(server, tls=LIMIT), A)
        assert type(result) is Unavailable
        assert server.count_of("MAIL") == 0


@pytest.mark.parametrize("security", TLS)
@pytest.mark.parametrize("fault", [Hang(), Drop(), Reset(), Raw(b"\0\r\n"), LongLine()], ids=str)
@pytest.mark.parametrize(("step", "kind"), [("mail", Temporary), ("dot", Uncertain)])
def test_faults_inside_tls_mean_the_same(step, kind, fault, security, certificate):
    with SmtpServer({step: [fault]}, security=security, certificate=certificate) as server:
        first, second = send_all(config_of(server, **{step: LIMIT}), A, B)
        assert (type(first), first.step, first.code) == (kind, step, None)
        assert type(second) is Accepted
        assert [m.recipients for m in server.messages] == [[B]]


@pytest.mark.parametrize("security", TLS)
def test_large_body_arrives_whole_inside_tls(security, certificate):
    with SmtpServer(security=security, certificate=certificate) as server:
        mails = [mail_to(A, size=3 * 1024 * 1024), mail_to(B)]
        results = send_mails(config_of(server), *mails)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert len(server.messages[0].content) == len(mails[0].body) - 1  # the doubled dot


@pytest.mark.parametrize("mechanism", [*MECHANISMS, "XOAUTH2"])
@pytest.mark.parametrize("security", TLS)
def test_every_mechanism_logs_in_inside_tls(security, mechanism, certificate):
    with SmtpServer(
        security=security,
        certificate=certificate,
        users=USERS,
        mechanisms=[mechanism],
        requires_auth=True,
    ) as server:
        url = server.url + ("&auth=xoauth2" if mechanism == "XOAUTH2" else "")
        results = send_all(SmtpConfig.from_url(url), A, B)
        assert [type(o) for o in results] == [Accepted, Accepted]
        assert {m.user for m in server.messages} == set(USERS)
        assert server.count_of("AUTH") == 1, "once a connection"


@pytest.mark.parametrize("mechanism", [*MECHANISMS, "XOAUTH2"])
def test_34_wrong_password_is_the_services_fault(mechanism, certificate):
    with SmtpServer(
        security="smtps", certificate=certificate, users=USERS, mechanisms=[mechanism]
    ) as server:
        url = server.url + ("&auth=xoauth2" if mechanism == "XOAUTH2" else "")
        server.users = {"user@example.org": "another"}
        [result] = send_all(SmtpConfig.from_url(url), A)
        assert (type(result), result.step, result.code) == (Unavailable, Step.AUTH, 535)
        assert result.enhanced_code == "5.7.8"
        assert server.count_of("AUTH") == 1
        assert "wörd" not in repr(result)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Answer("454 4.7.0 temporary"), 454),
        (Answer("421 4.7.0 bye"), 421),
        (Answer("334 !!not base64!!"), None),
        (Raw(b"\0\0\r\n"), None),
        (Drop(), None),
        (Hang(), None),
    ],
    ids=str,
)
def test_34_fault_at_auth_is_the_services_fault(fault, code, certificate):
    with SmtpServer(
        {"auth": fault},
        security="smtps",
        certificate=certificate,
        users=USERS,
        mechanisms=["CRAM-MD5"],
    ) as server:
        [result] = send_all(config_of(server, auth=LIMIT), A)
        assert (type(result), result.step, result.code) == (Unavailable, Step.AUTH, code)
        assert server.count_of("MAIL") == 0


def test_mechanism_that_the_server_cannot_do_after_all_gives_way_to_the_next(certificate):
    script = {"auth": {"PLAIN": "504 5.5.4 not that one"}}
    with SmtpServer(script, security="smtps", certificate=certificate, users=USERS) as server:
        [result] = send_all(config_of(server), A)
        assert type(result) is Accepted
        assert server.messages[0].user == "user@example.org"
        assert [w for w in words_of(server) if w.startswith("AUTH")][-1] == "AUTH LOGIN"


def test_35_missing_auth_is_the_services_fault():
    with SmtpServer(users=USERS, mechanisms=[]) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step) == (Unavailable, Step.AUTH)
        assert server.count_of("MAIL") == 0


def test_password_is_never_sent_without_tls():
    with SmtpServer(users=USERS, mechanisms=["PLAIN", "LOGIN", "XOAUTH2"]) as server:
        for option in ("", "?auth=xoauth2"):
            [result] = send_all(SmtpConfig.from_url(server.url + option), A)
            assert (type(result), result.step) == (Unavailable, Step.AUTH)
        assert server.count_of("AUTH") == server.count_of("MAIL") == 0
        secret = base64.b64encode(b"pass").decode()[:4]
        assert not any(secret in word for word in words_of(server))


def test_cram_md5_shows_no_password_and_needs_no_tls():
    with SmtpServer(users=USERS) as server:
        [result] = send_all(config_of(server), A)
        assert type(result) is Accepted
        assert "AUTH CRAM-MD5" in words_of(server)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_password_goes_to_this_machine_in_plain_text_when_the_url_says_so(mechanism):
    with SmtpServer(users=USERS, mechanisms=[mechanism], requires_auth=True) as server:
        [result] = send_all(SmtpConfig.from_url(server.url + "?auth=plaintext"), A)
        assert type(result) is Accepted


def test_authentication_demanded_late_is_the_services_fault():
    with SmtpServer(requires_auth=True) as server:
        [result] = send_all(config_of(server), A)
        assert (type(result), result.step, result.code) == (Unavailable, Step.MAIL, 530)
