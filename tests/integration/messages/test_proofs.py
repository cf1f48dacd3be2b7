"""Test sends: to oneself only, through a real server, its answer shown, counted nowhere."""

from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from allauth.account.models import EmailAddress
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from mailings.campaigns import services
from mailings.delivery import proof_sending
from mailings.delivery.transports import memory
from mailings.messages import preview, proofs
from mailings.models import Delivery, Proof, Run, Transport
from mailings.states import Outcome
from tests import factories
from tests.integration.cabinet import in_language, speak
from tests.smtp_faults import Drop
from tests.smtpd import SmtpServer


@pytest.fixture
def message(owner):
    return factories.make_message(
        owner, subject="Новости {{ full_name }}", body="<p>{{ city }}</p>"
    )


def order(message, client=None) -> Proof:
    return proofs.request_proof(message=message, client=client, by=message.owner)


def sent_through(server: SmtpServer, proof: Proof) -> Proof:
    Transport.objects.update_or_create(name="EMAIL_URL", defaults={"url": server.url})
    assert proof_sending.send_waiting(timezone.now()) == 1
    proof.refresh_from_db()
    return proof


# --------------------------------------------------------------------------- sending
@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_test_is_the_clients_letter_sent_to_the_owner_and_marked(owner, message, language):
    speak(owner, language)
    message.owner.language = language
    reader = factories.make_client(owner, full_name="Анна", attributes={"city": "Тверь"})
    with SmtpServer() as server:
        proof = sent_through(server, order(message, reader))
        [mail] = server.messages
    assert mail.recipients == [owner.email]
    letter = message_from_bytes(mail.content, policy=policy.default)
    assert letter["Subject"] == in_language(language, "[Test] ") + "Новости Анна"
    assert owner.email in letter["To"]
    assert reader.email not in mail.content.decode()
    shown = preview.of(message, reader)
    html = letter.get_body(("html",)).get_payload(decode=True).decode().replace("\r\n", "\n")
    mark = in_language(language, "[Test] ")
    assert html.replace(f"<title>{mark}", "<title>") == shown.html
    assert (proof.outcome, proof.code) == (Outcome.ACCEPTED, 250)
    assert proof.finished_at >= proof.started_at


@pytest.mark.parametrize(
    ("script", "outcome", "words"),
    [
        ({"rcpt": "550 5.1.1 No such user here"}, Outcome.PERMANENT, "5.1.1 No such user here"),
        ({"mail": "451 4.7.1 Greylisted"}, Outcome.TEMPORARY, "Greylisted"),
        ({"dot": "554 5.7.1 <b>Spam</b>"}, Outcome.PERMANENT, "<b>Spam</b>"),
        ({"banner": "554 5.3.2 We are away"}, Outcome.UNAVAILABLE, "We are away"),
        ({"dot": Drop()}, Outcome.UNCERTAIN, ""),
    ],
)
def test_the_servers_answer_is_kept_and_shown(client, owner, message, script, outcome, words):
    with SmtpServer(script) as server:
        proof = sent_through(server, order(message))
    assert proof.outcome == outcome
    assert words in proof.reply
    client.force_login(owner)
    page = client.get(reverse("mailings:message_detail", args=[message.pk])).content.decode()
    assert words.replace("<", "&lt;").replace(">", "&gt;") in page
    assert "<b>Spam</b>" not in page


def test_a_mail_service_that_is_away_is_an_answer_too(message):
    with SmtpServer() as server:
        url = server.url
    proof = order(message)
    Transport.objects.create(name="EMAIL_URL", url=url)
    proof_sending.send_waiting(timezone.now())
    proof.refresh_from_db()
    assert proof.outcome == Outcome.UNAVAILABLE
    assert proof.reply


def test_a_mail_service_whose_address_is_wrong_is_an_answer_too(message):
    Transport.objects.create(name="EMAIL_URL", url="nonsense://x")
    proof = order(message)
    proof_sending.send_waiting(timezone.now())
    proof.refresh_from_db()
    assert proof.outcome == Outcome.UNAVAILABLE


def test_a_test_is_sent_once(message):
    proof = order(message)
    Transport.objects.create(name="EMAIL_URL", url="memory://")
    memory.service.reset()
    assert [proof_sending.send_waiting(timezone.now()) for _ in range(2)] == [1, 0]
    assert [mail.recipient for mail in memory.service.taken] == [proof.address]
    memory.service.reset()


def test_a_test_nobody_waits_for_any_more_is_not_sent_and_an_old_one_is_forgotten(message):
    stale, old = order(message), order(message)
    now = timezone.now()
    Proof.objects.filter(pk=stale.pk).update(requested_at=now - timedelta(minutes=11))
    Proof.objects.filter(pk=old.pk).update(requested_at=now - timedelta(days=8))
    assert proof_sending.send_waiting(now) == 0
    assert list(Proof.objects.all()) == [stale]


def test_tests_are_counted_in_no_figure(message):
    with SmtpServer() as server:
        sent_through(server, order(message))
    assert not Run.objects.exists()
    assert not Delivery.objects.exists()


# --------------------------------------------------------------------------- ordering
def test_a_test_wakes_a_worker(message, django_capture_on_commit_callbacks):
    HUEY.flush()
    with django_capture_on_commit_callbacks(execute=True):
        order(message)
    assert [task.name for task in HUEY.pending()] == ["send_proofs"]
    HUEY.flush()


def test_a_test_goes_to_a_confirmed_address_only(owner, message):
    EmailAddress.objects.create(user=owner, email=owner.email, verified=False, primary=True)
    with pytest.raises(services.Refused):
        order(message)
    EmailAddress.objects.update(verified=True)
    assert order(message).address == owner.email


def test_nobody_else_orders_a_test(message, stranger, manager):
    for user in (stranger, manager):
        with pytest.raises(PermissionDenied):
            proofs.request_proof(message=message, client=None, by=user)


@pytest.mark.parametrize("language", ["ru", "en"])
def test_too_many_tests_are_refused_with_a_word(client, owner, message, language):
    speak(owner, language)
    client.force_login(owner)
    url = reverse("mailings:message_test", args=[message.pk])
    most, _within = proofs.LIMITS[0]
    for _ in range(most):
        client.post(url)
    page = client.post(url, follow=True)
    said = [str(one) for one in page.context["messages"]]
    refusal = "That were many tests. Wait a few minutes, then send the next one."
    assert in_language(language, refusal) in said
    assert Proof.objects.count() == most
    Proof.objects.update(requested_at=timezone.now() - timedelta(hours=1))
    client.post(url)
    assert Proof.objects.count() == most + 1


# --------------------------------------------------------------------------- on the page
def test_the_page_asks_again_until_there_is_an_answer(client, owner, message):
    client.force_login(owner)
    url = reverse("mailings:message_test", args=[message.pk])
    client.post(url)
    live = {"HX-Request": "true"}
    assert "hx-trigger" in client.get(url, headers=live).content.decode()
    with SmtpServer() as server:
        sent_through(server, Proof.objects.get())
    answer = client.get(url, headers=live).content.decode()
    assert "hx-trigger" not in answer
    assert "queued" in answer.lower() or "250" in answer
    assert client.get(url).status_code == 302


def test_the_page_does_not_wait_for_a_worker_that_is_not_there(client, owner, message):
    proof = order(message)
    Proof.objects.update(requested_at=timezone.now() - timedelta(minutes=3))
    client.force_login(owner)
    url = reverse("mailings:message_test", args=[message.pk])
    assert "hx-trigger" not in client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert proof.finished_at is None


def test_a_message_is_saved_and_tested_with_one_button(client, owner):
    client.force_login(owner)
    data = {"subject": "Новости", "body": "<p>Раз</p>", "action": "test"}
    response = client.post(reverse("mailings:message_create"), data)
    proof = Proof.objects.get()
    assert response.url == proof.message.get_absolute_url()
    client.post(reverse("mailings:message_create"), data | {"body": "<p>{{ zzqq }}</p>"})
    assert Proof.objects.count() == 1  # what is not saved is not tested


def test_nothing_is_saved_for_a_test_as_somebody_elses_client(client, owner, stranger):
    client.force_login(owner)
    foreign = factories.make_client(stranger)
    data = {"subject": "Новости", "body": "<p>Раз</p>", "action": "test", "client": foreign.pk}
    assert client.post(reverse("mailings:message_create"), data).status_code == 404
    assert not owner.messages.exists()
