"""Programs before a form: what they send is bounded, and whom they name gets few letters."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from mailings.models import SubscribeRequest
from mailings.subscribing import limits, tokens
from mailings.subscribing.limits import network_of
from mailings.subscribing.views import public
from tests import factories
from tests.integration.subscribing.conftest import filled_in, letters_to, path_of, post, send

pytestmark = pytest.mark.django_db


@pytest.mark.slow
def test_a_thousand_posts_of_a_program_are_bounded(client, form):
    """From many addresses of few networks, to many mailboxes and again and again to one."""
    for number in range(1_000):
        email = "victim@example.org" if number % 2 else f"someone{number}@example.org"
        ip = f"198.51.{number % 20}.{number % 200}"
        answer = post(client, form, ip=ip, email=email)
        assert answer.status_code in (200, 429)
    assert SubscribeRequest.objects.count() == limits.PER_FORM
    for network in set(SubscribeRequest.objects.values_list("network", flat=True)):
        rows = SubscribeRequest.objects.filter(network=network)
        assert rows.count() <= limits.PER_NETWORK
    ordered = SubscribeRequest.objects.exclude(letter="")
    assert ordered.filter(email="victim@example.org").count() == limits.LETTERS_OF_FORM
    assert ordered.count() == ordered.values("mailbox").distinct().count() <= limits.PER_FORM
    ordered.exclude(email="victim@example.org").delete()
    assert send() == 1
    assert len(letters_to("victim@example.org")) == len(mail.outbox) == 1


def test_one_address_fills_in_twenty_an_hour(client, form):
    said = [post(client, form, email=f"a{n}@example.org").status_code for n in range(22)]
    assert said == [200] * limits.PER_ADDRESS + [429] * 2
    SubscribeRequest.objects.update(requested_at=timezone.now() - timedelta(minutes=61))
    assert post(client, form, email="b@example.org").status_code == 200


def test_a_network_fills_in_sixty_an_hour(client, form):
    said = [
        post(client, form, ip=f"2001:db8:0:1::{n:x}", email=f"a{n}@example.org").status_code
        for n in range(62)
    ]
    assert said == [200] * limits.PER_NETWORK + [429] * 2
    assert post(client, form, ip="2001:db8:0:2::1", email="c@example.org").status_code == 200


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),  # the same host by another socket
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
    ],
)
def test_networks(ip, network):
    assert network_of(ip) == network


def test_an_address_gets_one_letter_a_day_from_a_form_and_five_from_all(client, owner, stranger):
    forms = [factories.make_form(owner) for _ in range(4)]
    forms += [factories.make_form(stranger) for _ in range(4)]
    for number, form in enumerate(forms * 2):
        assert post(client, form, ip=f"203.0.{number}.1").status_code == 200
    send()
    assert len(mail.outbox) == limits.LETTERS_OF_ALL
    day_ago = timezone.now() - timedelta(hours=25)
    SubscribeRequest.objects.update(requested_at=day_ago)
    SubscribeRequest.objects.exclude(letter="").update(letter_sent_at=day_ago)
    post(client, forms[0], ip="198.51.100.1")
    send()
    assert len(mail.outbox) == limits.LETTERS_OF_ALL + 1


def test_a_letter_that_waits_for_the_mail_service_counts(client, form):
    post(client, form)
    SubscribeRequest.objects.update(requested_at=timezone.now() - timedelta(days=2))
    post(client, form)
    assert send() == 1


def test_spellings_of_a_mailbox_are_one(client, form):
    post(client, form, email="Anna@Example.org")
    post(client, form, email="anna@example.org")
    assert send() == 1


def test_the_field_that_nobody_sees_catches_programs(client, form):
    honest = post(client, form, email="b@example.org").content
    caught = post(client, form, website="https://spam.example").content
    assert len(honest) == len(caught)
    assert SubscribeRequest.objects.count() == 1


def test_who_fills_it_in_at_once_is_asked_once_more(client, form, monkeypatch):
    monkeypatch.setattr(public, "LEAST_SECONDS", 2.0)
    stamp = tokens.stamp(form.slug)
    page = post(client, form, began=stamp).content.decode()
    assert "Остался один шаг" in page
    assert stamp in page  # the clock goes on
    now = tokens.time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 5)
    assert "Загляните в почту" in post(client, form, began=stamp).content.decode()


@pytest.mark.parametrize("stamp", ["", "began:1:x", "x" * 5000, None])
def test_a_stamp_that_was_not_made_here_is_none(client, form, stamp):
    other = tokens.stamp("another") if stamp is None else stamp
    assert "Остался один шаг" in post(client, form, began=other).content.decode()
    assert not SubscribeRequest.objects.exists()


def test_an_old_stamp_is_none(client, form, monkeypatch):
    stamp = tokens.stamp(form.slug)
    now = tokens.time.time()
    monkeypatch.setattr(tokens.time, "time", lambda: now + 25 * 3600)
    assert "Остался один шаг" in post(client, form, began=stamp).content.decode()


def test_what_no_browser_sends_is_refused_in_words(client, form, blog):
    many = {f"field{n}": "1" for n in range(1_000)}
    answer = client.post(path_of(form), filled_in(form) | many)
    assert answer.status_code == 400
    assert "Отправлено слишком много" in answer.content.decode()
    huge = client.post(path_of(form), filled_in(form, full_name="я" * 5_000_000))
    assert huge.status_code == 413
    assert "email" in str(client.post(path_of(form), "{}", content_type="application/json").content)
    assert client.post("/s/no-such-form/", filled_in(form)).status_code == 404
    assert client.put(path_of(form)).status_code == 405
    assert not SubscribeRequest.objects.exists()
    assert send() == 0


@pytest.mark.parametrize("field", ["email", "full_name", "began", "text", "website", "agreed"])
def test_no_byte_breaks_a_page(client, form, field):
    for value in ("a\x00b", "\ud7ff\uffff", "<script>alert(1)</script>", "й" * 3_000):
        answer = post(client, form, **{field: value})
        assert answer.status_code in (200, 429)
        assert "<script>alert" not in answer.content.decode()
    kept = SubscribeRequest.objects.values_list("email", "full_name")
    assert not any("\x00" in text for row in kept for text in row)


@pytest.mark.django_db(transaction=True)
def test_posts_at_once_send_one_letter(form):
    start = Barrier(8)

    def fill_in(number: int) -> None:
        start.wait()
        post(Browser(), form, ip=f"203.0.{number}.1")
        connection.close()

    threads = [Thread(target=fill_in, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert SubscribeRequest.objects.count() == 8
    assert send() == 1
