"""The mailbox for returned mail, from Dovecot to the stop-list: each mail once, none lost while the
database is away, one reading at a time, and whoever watches is told when it fails."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
from django.core.cache import cache
from django.db import OperationalError
from django.utils import timezone

from mailings import tasks
from mailings.delivery import bounce_addresses
from mailings.feedback import mailbox_reading, services
from mailings.feedback.mailbox_reading import Reading
from mailings.models import Delivery, Event, Suppression, UnmatchedNotice
from site_config import checks
from tests import reports
from tests.dovecot import PASSWORD, USER, Dovecot
from tests.integration.cabinet import in_language, speak
from tests.integration.feedback.test_events import sent_delivery


@pytest.fixture(autouse=True)
def forgotten(db):
    """The cache outlives a test."""
    cache.delete_many(["mailbox_reading", "mailbox_reading_last"])


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    server = Dovecot()
    yield server
    server.stop()


def url_of(server: Dovecot, *, password: str = PASSWORD) -> str:
    login = f"{quote(USER, safe='')}:{quote(password, safe='')}"
    ca = quote(str(server.certificate.ca_file), safe="")
    return f"imaps://{login}@127.0.0.1:{server.tls_port}/INBOX?done=Read&ca={ca}"


@pytest.fixture
def mailbox(dovecot, settings, db) -> Dovecot:
    settings.BOUNCE_DOMAIN = "returns.example.org"
    settings.BOUNCE_MAILBOX_URL = url_of(dovecot)
    return dovecot


def returned(delivery: Delivery) -> bytes:
    to = bounce_addresses.sender("", delivery.pk, delivery.address)
    return reports.bounce(delivery.address, to=to)


def read() -> Reading:
    reading = mailbox_reading.read(timezone.now)
    assert reading is not None
    assert mailbox_reading.last() == reading
    return reading


def test_what_waits_is_recorded_once_and_moved(owner, mailbox):
    delivery = sent_delivery(owner)
    mailbox.deliver(returned(delivery))
    mailbox.deliver(b"Subject: Hello\r\n\r\nHello.\r\n")
    reading = read()
    assert (reading.taken, reading.fault) == (2, "")
    event = Event.objects.get()
    assert (event.delivery, event.kind, event.source) == (delivery, "bounced_hard", "mailbox")
    assert Suppression.objects.get().address == delivery.address
    assert UnmatchedNotice.objects.get().source == "mailbox"
    assert mailbox.mails() == []
    assert len(mailbox.mails("Read")) == 2
    assert read().taken == 0
    assert Event.objects.count() == 1


def test_the_task_reads_it(owner, mailbox):
    mailbox.deliver(returned(sent_delivery(owner)))
    tasks.read_mailbox.call_local()
    assert Event.objects.count() == 1


def test_while_the_database_is_away_mails_stay(owner, mailbox, monkeypatch):
    for _ in range(2):
        mailbox.deliver(returned(sent_delivery(owner)))
    asked = []

    def away(*args, **kwargs):
        asked.append(args)
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(services, "take", away)
        assert read().fault == "the database is away"
    assert len(asked) == 1
    assert len(mailbox.mails()) == 2
    assert read().taken == 2
    assert Event.objects.count() == 2


def test_one_mail_that_cannot_be_recorded_keeps_nothing_back(owner, mailbox, monkeypatch):
    poison, delivery = b"Subject: poison\r\n\r\n", sent_delivery(owner)
    for raw in (poison, returned(delivery)):
        mailbox.deliver(raw)
    take = services.take

    def fussy(raw, **options):
        if raw == poison:
            raise RuntimeError
        return take(raw, **options)

    monkeypatch.setattr(services, "take", fussy)
    reading = read()
    assert (reading.taken, reading.fault) == (1, "mails that could not be recorded: 1")
    assert Event.objects.get().delivery == delivery
    assert poison in mailbox.mails("Read")


def test_a_worker_that_is_to_stop_leaves_the_rest(owner, mailbox):
    mailbox.deliver(returned(sent_delivery(owner)))
    reading = mailbox_reading.read(timezone.now, stopping=lambda: True)
    assert reading is not None
    assert reading.taken == 0
    assert len(mailbox.mails()) == 1


def test_only_one_reads_at_a_time(mailbox, owner, monkeypatch):
    mailbox.deliver(returned(sent_delivery(owner)))
    inside = []

    def again(*args, **kwargs):
        inside.append(mailbox_reading.read(timezone.now))
        return []

    monkeypatch.setattr(services, "take", again)
    assert read().taken == 1
    assert inside == [None]


def test_without_a_mailbox_nothing_is_read(db, settings):
    settings.BOUNCE_MAILBOX_URL = ""
    assert mailbox_reading.read(timezone.now) is None
    assert mailbox_reading.last() is None


def test_a_fault_is_told_without_the_password(mailbox, settings, caplog):
    caplog.set_level("DEBUG")
    settings.BOUNCE_MAILBOX_URL = url_of(mailbox, password="wrong-secret")
    fault = read().fault
    assert "AUTHENTICATIONFAILED" in fault
    assert "mailbox_not_read" in caplog.text
    assert "wrong-secret" not in fault + caplog.text + str([vars(r) for r in caplog.records])
    settings.BOUNCE_MAILBOX_URL = "pop3://user:wrong-secret@mail.example.org"
    assert "imaps://" in read().fault
    assert "wrong-secret" not in read().fault


# ---------------------------------------------------------------- who is told


@pytest.fixture
def set_up(settings, db):
    settings.BOUNCE_MAILBOX_URL = "imaps://user:very-secret@mail.example.org/INBOX"


def remember(minutes_ago: float, fault: str = "") -> None:
    at = timezone.now() - timedelta(minutes=minutes_ago)
    cache.set("mailbox_reading_last", (at, 3, fault))


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("minutes_ago", "fault", "is_told"),
    [(1, "", False), (1, "no such folder", True), (31, "", True)],
)
def test_managers_are_told(client, manager, set_up, language, minutes_ago, fault, is_told):
    speak(manager, language)
    client.force_login(manager)
    remember(minutes_ago, fault)
    page = client.get("/cms/").content.decode()
    assert (in_language(language, "The mailbox for returned mail is not read.") in page) is is_told
    assert fault in page
    assert "very-secret" not in page


def test_editors_are_not(client, editor, set_up):
    client.force_login(editor)
    remember(1, "no such folder")
    assert "no such folder" not in client.get("/cms/").content.decode()


def test_readyz_tells_it_in_numbers(client, set_up):
    assert client.get("/readyz").json()["mailbox_read"] is None
    remember(1)
    content = client.get("/readyz").json()
    assert content["mailbox_read"] is True
    assert content["mailbox_age"] == pytest.approx(60, abs=5)
    remember(1, "no such folder")
    response = client.get("/readyz")
    assert (response.status_code, response.json()["mailbox_read"]) == (200, False)
    assert "folder" not in response.content.decode()


def test_a_cache_that_is_away_is_no_fault_of_the_mailbox(set_up, monkeypatch):
    def away(*args):
        raise ConnectionError

    monkeypatch.setattr(cache, "get", away)
    assert mailbox_reading.last() is None


def test_a_bad_address_is_found_by_the_checks_and_not_shown(settings):
    for url, count in (
        ("", 0),
        ("imaps://user:very-secret@mail.example.org", 0),
        ("imap://user:very-secret@mail.example.org", 1),
        ("imaps://user:very-secret@mail.example.org?verify=no", 1),
    ):
        settings.BOUNCE_MAILBOX_URL = url
        found = checks.check_bounce_mailbox(None)
        assert [message.id for message in found] == ["vestnik.E021"] * count
        assert "very-secret" not in str(found)
