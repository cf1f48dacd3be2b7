"""Letters of forms: kept while the mail service is away, sent once, in the form's language."""

from datetime import timedelta
from email.header import decode_header, make_header
from email.utils import parseaddr

import pytest
from django.core import mail
from django.core.mail.backends import locmem
from django.db.models import QuerySet
from django.utils import timezone

from mailings import tasks
from mailings.models import SubscribeRequest
from mailings.models.suppression import SuppressionReason
from mailings.subscribing import letters
from mailings.suppression import stop_list
from mailings.timing import clock
from tests import factories
from tests.integration.subscribing.conftest import link_in, post, send
from tests.smtpd import SmtpServer

pytestmark = pytest.mark.django_db


@pytest.fixture
def smtp(settings):
    """The service's own mail leaves by real SMTP."""
    with SmtpServer() as server:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        yield server


def send_at(moment) -> int:
    return letters.send_waiting(lambda: moment, stopping=lambda: False)


def test_a_letter_waits_while_the_mail_service_is_away(client, form, smtp):
    smtp.stop()
    assert post(client, form).status_code == 200
    assert send() == 0
    row = SubscribeRequest.objects.get()
    assert row.letter_sent_at is None
    assert row.letter_due_at > clock.now()
    assert send() == 0  # not before its time
    assert SubscribeRequest.objects.get().letter_tries == 1
    smtp.start()
    assert send_at(row.letter_due_at) == 1
    [received] = smtp.messages
    assert received.recipients == ["anna@example.org"]
    assert send_at(clock.now() + timedelta(days=2)) == 0


def test_one_connection_carries_all_that_waits(client, form, smtp):
    for number in range(3):
        post(client, form, email=f"a{number}@example.org")
    assert send() == 3
    assert smtp.connections == 1
    assert SubscribeRequest.objects.filter(letter_sent_at__isnull=False).count() == 3


def test_a_refused_address_is_not_tried_again_and_harms_no_other(client, form, smtp):
    smtp.script = {"rcpt": {"*gone*": "550 5.1.1 No such user", "*full*": "452 4.2.2 Full"}}
    for name in ("gone", "full", "anna"):
        post(client, form, email=f"{name}@example.org")
    assert send() == 1
    by_name = {row.email.split("@")[0]: row for row in SubscribeRequest.objects.all()}
    assert by_name["gone"].letter_due_at is None
    assert by_name["full"].letter_due_at is not None
    assert by_name["anna"].letter_sent_at is not None


def test_a_letter_is_given_up_after_three_days(client, form, smtp):
    smtp.stop()
    post(client, form)
    row = SubscribeRequest.objects.get()
    tries = 0
    while row.letter_due_at is not None:
        send_at(row.letter_due_at)
        tries += 1
        row.refresh_from_db()
    assert 10 < tries < 30
    assert row.letter_sent_at is None


def test_a_worker_that_died_leaves_the_letter_to_another(client, form):
    post(client, form)
    now = clock.now()
    assert letters._claim(now) is not None
    assert letters._claim(now) is None
    assert send_at(now + letters.IN_HAND) == 1
    assert len(mail.outbox) == 1


def test_the_same_letter_has_the_same_message_id(client, form):
    post(client, form)
    row = SubscribeRequest.objects.select_related("form__owner").get()
    first, again = letters.render(row), letters.render(row)
    assert first.message()["Message-ID"] == again.message()["Message-ID"]
    assert str(row.pk) in first.message()["Message-ID"]


def test_the_letter_is_the_senders_in_the_forms_language(client, owner, lists):
    form = factories.make_form(owner, language="en", title="Our <b>letters</b>", lists=lists)
    post(client, form, full_name="https://spam.example buy")
    send()
    [letter] = mail.outbox
    assert letter.subject == "Confirm your subscription – Ольга Орлова"
    assert str(letter.message()["From"]) == letter.from_email
    name, address = parseaddr(letter.from_email)
    assert (str(make_header(decode_header(name))), address) == ("Ольга Орлова", "vestnik@localhost")
    html = str(letter.alternatives[0][0])
    assert "&lt;b&gt;letters&lt;/b&gt;" in html
    assert "Новости" in letter.body
    assert "spam.example" not in letter.body + html  # a stranger's words go to nobody
    assert letter.message()["Auto-Submitted"] == "auto-generated"
    assert "List-Unsubscribe" not in letter.message()


def test_a_mail_service_that_is_away_is_asked_once_a_round(client, form, smtp):
    for number in range(3):
        post(client, form, email=f"a{number}@example.org")
    smtp.stop()
    assert send() == 0
    assert SubscribeRequest.objects.filter(letter_tries__gt=0).count() == 1
    smtp.start()
    assert send() == 2


def test_a_request_that_is_let_go_of_meanwhile_keeps_no_other_waiting(client, form, monkeypatch):
    for number in range(2):
        post(client, form, email=f"a{number}@example.org")
    update = QuerySet.update

    def and_gone(rows, **values):
        number = update(rows, **values)
        monkeypatch.setattr(QuerySet, "update", update)
        rows.model.objects.order_by("pk").first().delete()
        return number

    monkeypatch.setattr(QuerySet, "update", and_gone)
    assert send() == 1


def test_who_has_pressed_the_button_meanwhile_gets_no_second_letter(client, form, monkeypatch):
    post(client, form)
    send()
    path = link_in(mail.outbox[-1])
    SubscribeRequest.objects.update(letter_due_at=clock.now(), letter_sent_at=None)

    def pressed(row, connection):
        client.post(path)
        raise ConnectionError

    monkeypatch.setattr(letters, "_send", pressed)
    assert send() == 0
    row = SubscribeRequest.objects.get()
    assert (row.confirmed_at is None, row.letter_due_at) == (False, None)


def test_a_worker_that_fails_late_orders_no_second_letter(client, form, monkeypatch):
    """It hung for longer than a letter is in hand, and another worker has sent it since."""
    post(client, form)
    really = letters._send

    def hang(row, connection):
        monkeypatch.setattr(letters, "_send", really)
        assert send_at(clock.now() + letters.IN_HAND + timedelta(seconds=1)) == 1
        raise ConnectionError

    monkeypatch.setattr(letters, "_send", hang)
    assert send() == 0
    row = SubscribeRequest.objects.get()
    assert (len(mail.outbox), row.letter_due_at) == (1, None)


@pytest.mark.parametrize("what", ["blocked", "complained"])
def test_what_happens_before_it_leaves_stops_it(client, form, owner, what):
    post(client, form)
    if what == "blocked":
        type(owner).objects.filter(pk=owner.pk).update(is_active=False)
    else:
        stop_list.suppress(
            "anna@example.org", reason=SuppressionReason.COMPLAINED, owner_id=owner.pk
        )
    assert send() == 0
    assert mail.outbox == []
    assert SubscribeRequest.objects.get().letter_due_at is None


def test_workers_are_woken_and_sweep(client, form, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        post(client, form)
    tasks.send_subscribe_letters.call_local()
    assert len(mail.outbox) == 1
    SubscribeRequest.objects.update(requested_at=timezone.now() - timedelta(days=9))
    tasks.prune_subscribe_requests.call_local()
    assert not SubscribeRequest.objects.exists()


def test_a_backend_that_fails_in_mid_letter_loses_nothing(client, form, monkeypatch):
    def fail(self, messages):
        raise OSError("away")

    with monkeypatch.context() as broken:
        broken.setattr(locmem.EmailBackend, "send_messages", fail)
        post(client, form)
        assert send() == 0
    due = SubscribeRequest.objects.get().letter_due_at
    assert send_at(due) == 1
