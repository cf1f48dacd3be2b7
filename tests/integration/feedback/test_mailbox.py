"""A mailbox is read over IMAP from a real Dovecot: with its certificate checked, within bounds, and
each mail once."""

import imaplib
import ssl
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from mailings.feedback import mailbox
from mailings.feedback.mailbox import ImapConfig, ImapFailed, read
from tests.certificates import make_certificate
from tests.dovecot import PASSWORD, USER, Dovecot
from tests.servers import free_port

pytestmark = pytest.mark.slow


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    yield server
    server.stop()


def config(server: Dovecot, **changes) -> ImapConfig:
    values = {
        "host": "127.0.0.1",
        "port": server.tls_port,
        "username": USER,
        "password": PASSWORD,
        "ca_file": server.certificate.ca_file,
    }
    return ImapConfig(**(values | changes))


def raws(settings: ImapConfig, **limits) -> list[bytes]:
    return [mail.raw for mail in read(settings, **limits)]


MAILS = [b"Subject: first\r\n\r\none\r\n", b"Subject: second\r\n\r\n\xfftwo\r\n"]


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_each_mail_is_read_once_and_stays(dovecot, security):
    for raw in MAILS:
        dovecot.deliver(raw)
    port = dovecot.tls_port if security == "tls" else dovecot.starttls_port
    settings = config(dovecot, port=port, security=security)
    assert raws(settings) == MAILS
    assert raws(settings) == []
    assert len(dovecot.mails()) == 2
    dovecot.deliver(b"Subject: third\r\n\r\n")
    assert raws(settings) == [b"Subject: third\r\n\r\n"]


def test_a_person_who_looks_into_the_mailbox_takes_nothing_away(dovecot):
    dovecot.deliver(MAILS[0])
    client = imaplib.IMAP4_SSL(
        "127.0.0.1",
        dovecot.tls_port,
        ssl_context=ssl.create_default_context(cafile=dovecot.certificate.ca_file),
    )
    client.login(USER, PASSWORD)
    client.select()
    client.store("1", "+FLAGS", r"(\Seen)")
    client.logout()
    assert raws(config(dovecot)) == MAILS[:1]


@pytest.mark.parametrize("can_move", [True, False], ids=["MOVE", "COPY"])
@pytest.mark.parametrize("folder", ["Read", "Прочитано"])
def test_mails_are_moved_when_they_were_read(can_move, folder):
    server = Dovecot(can_move=can_move)
    for raw in MAILS:
        server.deliver(raw)
    settings = config(server, done_folder=folder)
    assert raws(settings) == MAILS
    assert server.mails() == []
    [there] = [f for f in (server.folder / "mail").iterdir() if f.name.startswith(".")]
    assert len(server.mails(there.name[1:])) == 2
    assert raws(settings) == []
    server.stop()


def test_what_others_have_marked_as_deleted_is_left_alone(dovecot):
    """`EXPUNGE` would take it away for good."""
    dovecot.deliver(b"Subject: theirs\r\n\r\n")
    [file] = (dovecot.folder / "mail/new").iterdir()
    file.rename(dovecot.folder / "mail/cur" / f"{file.name}:2,T")
    dovecot.deliver(MAILS[0])
    assert raws(config(dovecot)) == MAILS[:1]
    assert [f.name[-2:] for f in (dovecot.folder / "mail/cur").glob("*T")] == [",T"]


def test_a_mail_whose_reader_fails_comes_again(dovecot):
    for raw in MAILS:
        dovecot.deliver(raw)

    def take() -> None:
        for mail in read(config(dovecot)):
            if mail.raw == MAILS[1]:
                raise RuntimeError

    with pytest.raises(RuntimeError):
        take()
    assert raws(config(dovecot)) == MAILS[1:]


def test_a_mail_is_cut_and_a_reading_is_bounded(dovecot):
    for number in range(5):
        dovecot.deliver(b"Subject: %d\r\n\r\n" % number + b"x" * 100_000)
    assert [len(raw) for raw in raws(config(dovecot), most=2, max_bytes=1_000)] == [1_000, 1_000]
    assert len(raws(config(dovecot), seconds=0)) == 1  # one at least, so that it ends some day
    assert len(raws(config(dovecot))) == 2


@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_does_not_hold_is_refused(security):
    for wrong in (
        make_certificate("other.example"),
        make_certificate(is_expired=True),
        make_certificate(is_self_signed=True),
    ):
        server = Dovecot(certificate=wrong)
        server.deliver(MAILS[0])
        port = server.tls_port if security == "tls" else server.starttls_port
        with pytest.raises(ImapFailed, match=r"^certificate: "):
            raws(config(server, port=port, security=security))
        server.stop()


def test_what_fails_is_told_in_words_without_the_password(dovecot):
    dovecot.deliver(MAILS[0])
    with pytest.raises(ImapFailed, match="AUTHENTICATIONFAILED") as told:
        raws(config(dovecot, password="wrong-secret"))
    assert "wrong-secret" not in str(told.value)
    with pytest.raises(ImapFailed, match="doesn't exist"):
        raws(config(dovecot, folder="Nowhere"))
    with pytest.raises(ImapFailed, match="refused"):
        raws(config(dovecot, port=free_port()))


def test_a_server_without_starttls_gets_no_password(dovecot, monkeypatch):
    """Whoever sits between strips the offer of TLS from the greeting."""
    monkeypatch.setattr(imaplib.IMAP4, "_get_capabilities", lambda self: setattr(
        self, "capabilities", ("IMAP4REV1",)))  # fmt: skip
    told: list[str] = []
    monkeypatch.setattr(mailbox.BaseMailBox, "login", lambda *args, **kw: told.append(args[1]))
    with pytest.raises(ImapFailed, match="TLS not supported"):
        raws(config(dovecot, port=dovecot.starttls_port, security="starttls"))
    assert told == []


# ---------------------------------------------------------------- addresses of mailboxes


def test_an_address_of_a_mailbox():
    url = f"imaps://b%40shop.example:{quote('p@ss:/ÿ', safe='')}@mail.example/INBOX/Back?done=Read"
    settings = ImapConfig.from_url(url)
    assert settings == ImapConfig(
        host="mail.example",
        username="b@shop.example",
        password="p@ss:/ÿ",
        folder="INBOX/Back",
        done_folder="Read",
    )
    assert "p@ss" not in repr(settings)
    starttls = ImapConfig.from_url("imap+tls://u:p@mail.example")
    assert (starttls.security, starttls.port, starttls.folder) == ("starttls", 143, "INBOX")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "imap://u:secret@mail.example",  # no TLS at all
        "pop3://u:secret@mail.example",
        "imaps://mail.example",
        "imaps://u:secret@mail.example:port",
        "imaps://u:secret@mail.example/?verify=no",
        "imaps://u:secret@mail.example/?done",
        "imaps://u:secret%0d%0aA1%20DELETE%20INBOX@mail.example",
        "imaps://u:secret@[mail.example",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(url):
    with pytest.raises(ValueError, match=r"\w") as told:
        ImapConfig.from_url(url)
    assert "secret" not in str(told.value)
