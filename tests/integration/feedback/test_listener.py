"""`manage.py receive_bounces`: LMTP and SMTP as a mail server speaks them, over real sockets."""

import asyncio
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest
from django.core.management import CommandError, call_command

from mailings.delivery import bounce_addresses
from mailings.feedback import listener, services
from mailings.feedback.listener import Address
from mailings.management.commands import receive_bounces
from mailings.models import Event, Suppression
from tests import reports
from tests.integration.feedback.test_events import sent_delivery
from tests.servers import free_port

ROOT = Path(__file__).resolve().parent.parent.parent.parent
DOMAIN = "returns.example.org"

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def listening(*, is_lmtp: bool = True) -> Iterator[int]:
    """Give the port of a listener that runs in a loop of its own."""
    loop = asyncio.new_event_loop()
    stopped = asyncio.Event()
    found: list[int] = []

    async def take(raw: bytes, to: str) -> bool:
        return await loop.run_in_executor(None, receive_bounces._take, raw, to)

    def run() -> None:
        loop.run_until_complete(
            listener.serve(
                Address("127.0.0.1", 0), take=take, domain=DOMAIN, is_lmtp=is_lmtp,
                ready=found.append, stopped=stopped,
            )
        )  # fmt: skip

    thread = Thread(target=run)
    thread.start()
    while not found and thread.is_alive():
        thread.join(0.01)
    try:
        yield found[0]
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join(30)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@pytest.fixture
def returned(owner, settings) -> tuple[str, bytes]:
    """Return an address that a letter comes back to, and the report."""
    settings.BOUNCE_DOMAIN = DOMAIN
    delivery = sent_delivery(owner)
    to = bounce_addresses.sender("", delivery.pk, delivery.address)
    return to, reports.bounce(delivery.address)


@pytest.mark.parametrize("kind", [smtplib.LMTP, smtplib.SMTP])
def test_a_report_that_is_handed_over_is_recorded(returned, kind):
    to, raw = returned
    with (
        listening(is_lmtp=kind is smtplib.LMTP) as port,
        kind("127.0.0.1", port, "relay.example") as client,
    ):
        assert client.sendmail("", [to], raw) == {}
        assert client.sendmail("", [to], raw) == {}, "twice is once"
    assert Event.objects.count() == Suppression.objects.count() == 1


def test_another_domain_and_a_second_recipient_are_refused_in_their_place(returned):
    to, raw = returned
    with listening() as port, smtplib.LMTP("127.0.0.1", port, "relay.example") as client:
        client.ehlo()
        client.mail("")
        assert client.rcpt("somebody@elsewhere.example")[0] == 550
        assert client.rcpt(to.upper())[0] == 250
        assert client.rcpt(to)[0] == 452
        assert client.data(raw)[0] == 250
    assert Event.objects.count() == 1


def test_what_cannot_be_recorded_is_to_come_again(returned, monkeypatch):
    to, raw = returned

    def away(*args, **options):
        raise OSError

    with listening() as port, smtplib.LMTP("127.0.0.1", port, "relay.example") as client:
        with monkeypatch.context() as patch:
            patch.setattr(services, "take", away)
            with pytest.raises(smtplib.SMTPDataError) as refused:
                client.sendmail("", [to], raw)
        assert refused.value.smtp_code == 451
        client.sendmail("", [to], raw)
    assert Event.objects.count() == 1


def test_a_mail_that_is_too_large_is_refused_before_it_comes(returned):
    _to, _raw = returned
    with listening() as port, smtplib.LMTP("127.0.0.1", port, "relay.example") as client:
        client.ehlo()
        assert client.esmtp_features["size"] == str(listener.MOST)
        assert client.mail("", [f"size={listener.MOST + 1}"])[0] == 552


@pytest.mark.parametrize("text", ["127.0.0.1", "0.0.0.0:2400", "8.8.8.8:2400", "localhost:2400",
                                  "127.0.0.1:0", "127.0.0.1:x", "[::]:2400"])  # fmt: skip
def test_only_a_local_address_is_listened_on(text):
    with pytest.raises(CommandError):
        call_command("receive_bounces", "--listen", text)


def test_addresses_of_a_network_of_ones_own_are_local():
    assert Address.read("[::1]:2400") == ("::1", 2400)
    assert Address.read("10.0.0.7:24") == ("10.0.0.7", 24)


def test_the_command_takes_nothing_without_tables_and_ends_when_told(tmp_path):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "receive_bounces", "--listen", f"127.0.0.1:{port}"],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env={
            "PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), "EMAIL_URL": "memory://",
            "SECRET_KEY": "only-for-tests-0123456789-abcdefghijklmnopqrstuvwxyz",
        },
    )  # fmt: skip
    try:
        assert str(port) in process.stdout.readline()
        with (
            smtplib.LMTP("127.0.0.1", port, "relay.example") as client,
            pytest.raises(smtplib.SMTPDataError) as refused,
        ):
            client.sendmail("", ["b+x@anything.example"], b"Subject: x\r\n\r\nHello\r\n")
        assert refused.value.smtp_code == 451
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
