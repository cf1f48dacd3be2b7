"""The page behind every letter's unsubscribe link, for people and for their mail programs."""

import http.client
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from threading import Barrier, Thread
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from wagtail.models import ModelLogEntry

from accounts import site_address
from mailings.campaigns import services
from mailings.clients import services as client_services
from mailings.delivery.queue import claims
from mailings.delivery.runs import composing, planning
from mailings.messages import content, preview
from mailings.messages import services as message_services
from mailings.models import Client, Delivery, Mailing, Run, Suppression
from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.rendering import compiler
from mailings.reports import sums
from mailings.states import DeliveryStatus, SkipReason
from mailings.suppression import stop_list, unsubscribe_links
from mailings.suppression.unsubscribing import REGRET_SECONDS, Reader
from tests import factories

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OWN_WISH = SuppressionReason.UNSUBSCRIBED

pytestmark = pytest.mark.django_db


@pytest.fixture
def delivery(owner) -> Delivery:
    anna = factories.make_client(owner, email="Anna@example.org")
    mailing = factories.make_mailing(owner, clients=[anna], sender_name="Книжный двор")
    run = factories.make_run(mailing, sender_name="Книжный двор")
    return factories.make_delivery(run, anna)


@pytest.fixture
def url(delivery) -> str:
    return path_of(delivery)


def token_of(delivery: Delivery) -> str:
    owner_id = delivery.run.mailing.owner_id
    return unsubscribe_links.token(owner_id, delivery.pk, delivery.address)


def path_of(delivery: Delivery) -> str:
    return reverse("unsubscribe", args=[token_of(delivery)])


def regret_in(response) -> str:
    found = re.search(r'name="regret" value="([^"]+)"', response.content.decode())
    return found[1] if found else ""


# ---------------------------------------------------------------- the address


def test_links_lead_to_the_page(delivery, site_at):
    site_at("https://mail.example.org")
    url = unsubscribe_links.url(delivery.run.mailing.owner_id, delivery.pk, delivery.address)
    assert url == f"https://mail.example.org{path_of(delivery)}"
    assert unsubscribe_links.sample_url().endswith(reverse("unsubscribe", args=["sample"]))


@pytest.mark.parametrize("method", ["get", "head", "post"])
def test_all_bad_tokens_get_the_same_404(client, url, blog, method):
    good = url.split("/")[2]
    bad = ["x", "A" * 80, good[:-1], good + "A", good[:-1] + "!", "%0a" + good, "é" * 80]
    pages = set()
    for token in bad:
        response = getattr(client, method)(f"/u/{token}/")
        assert response.status_code == 404
        said = re.sub(r'nonce="[^"]*"|value="[^"]*"', "", response.content.decode())
        pages.add(re.sub(r"/u/[^<]*", "", said))
    assert len(pages) == 1
    assert not Suppression.objects.exists()


# ---------------------------------------------------------------- reading


def test_get_and_head_change_nothing(client, url):
    for _ in range(2):
        page = client.get(url)
        assert page.status_code == client.head(url).status_code == 200
        assert "<form" in page.content.decode()
    assert client.options(url).status_code == 200
    assert not Suppression.objects.exists()
    assert not ModelLogEntry.objects.exists()


def test_the_page_names_the_sender_and_masks_the_address(client, url):
    said = client.get(url).content.decode()
    assert "Книжный двор" in said
    assert "a•••@example.org" in said
    assert "nna@" not in said


def test_the_page_is_kept_from_caches_and_search_engines(client, url):
    response = client.get(url)
    assert "no-store" in response["Cache-Control"]
    assert "noindex" in response["X-Robots-Tag"]
    assert 'name="robots" content="noindex' in response.content.decode()
    assert "Disallow: /u/" in client.get("/robots.txt").content.decode()


@pytest.mark.parametrize(("language", "word"), [("ru", "Отписаться"), ("en", "Unsubscribe")])
def test_the_page_speaks_the_senders_language(client, owner, url, language, word):
    owner.language = language
    owner.save(update_fields=["language"])
    response = client.get(url, headers={"Accept-Language": "de, fr"})
    assert f'<html lang="{language}">' in response.content.decode()
    assert response["Content-Language"] == language
    assert word in response.content.decode()


def test_the_reader_may_choose_another_language(client, url):
    switch = reverse("accounts:set_language")
    assert client.post(switch, {"language": "en", "next": url}).url == url
    assert '<html lang="en">' in client.get(url).content.decode()


def test_hostile_names_are_text(client, delivery, url):
    delivery.run.sender_name = '"><script>alert(1)</script>'
    delivery.run.save(update_fields=["sender_name"])
    for response in (client.get(url), client.post(url)):
        assert "<script>alert(1)" not in response.content.decode()
        assert "unsafe-inline" not in response["Content-Security-Policy"]


# ---------------------------------------------------------------- unsubscribing


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
@pytest.mark.django_db(transaction=True)
def test_one_click_as_rfc_8058_says_it(live_server, delivery, url, form):
    """No cookie, no referrer, no CSRF token, no log-in; nothing but the POST of the RFC."""
    body, content_type = b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"
    if form == "multipart":
        content_type = "multipart/form-data; boundary=---FormBoundary"
        body = (
            b"-----FormBoundary\r\n"
            b'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
            b"One-Click\r\n-----FormBoundary--\r\n"
        )
    for _ in range(2):  # providers repeat it
        connection_ = http.client.HTTPConnection(urlsplit(live_server.url).netloc, timeout=30)
        connection_.request("POST", url, body, {"Content-Type": content_type})
        answer = connection_.getresponse()
        assert answer.status == 200
        assert answer.getheader("Location") is None
        assert b'name="regret"' not in answer.read()
        connection_.close()
    entry = Suppression.objects.get()
    assert (entry.reason, entry.source) == (OWN_WISH, SuppressionSource.ONE_CLICK)
    assert (entry.address, entry.run) == ("anna@example.org", delivery.run)


def test_the_button_needs_no_token_of_ours(url):
    strict = Browser(enforce_csrf_checks=True)
    assert strict.post(url).status_code == 200
    entry = Suppression.objects.get()
    assert (entry.reason, entry.source) == (OWN_WISH, SuppressionSource.LINK)


def test_unsubscribing_twice_is_once(client, url):
    first, second = client.post(url), client.post(url)
    assert first.status_code == second.status_code == 200
    assert Suppression.objects.count() == 1
    assert '<form method="post" action="/u/' not in client.get(url).content.decode()


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one_entry(url):
    together = Barrier(2, timeout=30)
    answers = []

    def click() -> None:
        together.wait()
        answers.append(Browser().post(url).status_code)
        connection.close()

    threads = [Thread(target=click) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200, 200]
    assert Suppression.objects.count() == 1


@pytest.mark.parametrize("gone", ["client", "mailing", "run", "delivery", "message"])
def test_a_link_works_after_the_rows_it_speaks_of_are_deleted(client, owner, delivery, url, gone):
    mailing = delivery.run.mailing
    anna, message = delivery.client, mailing.message
    if gone == "client":
        client_services.delete_client(client=anna, by=owner)
    elif gone in ("mailing", "message"):
        Mailing.objects.filter(pk=mailing.pk).update(status="cancelled")
        delivery.run.delete()
        services.delete_mailing(mailing=Mailing.objects.get(pk=mailing.pk), by=owner)
        if gone == "message":
            message_services.delete_message(message=message, by=owner)
    else:
        getattr(delivery, gone, delivery).delete()
    assert client.get(url).status_code == 200
    assert client.post(url).status_code == 200
    assert stop_list.suppressed_among(owner.pk, ["Anna@example.org"]) == {"Anna@example.org"}
    assert '<form method="post" action="/u/' not in client.get(url).content.decode()


def test_a_link_of_an_owner_who_is_gone_has_nothing_to_do(client, owner, delivery, url):
    Delivery.objects.all().delete()
    Mailing.objects.all().delete()
    owner.delete()
    for response in (client.get(url), client.post(url), client.post(url, ONE_CLICK)):
        assert response.status_code == 200
    assert not Suppression.objects.exists()


def test_a_mailing_is_deleted_though_somebody_unsubscribed_through_it(client, owner, delivery, url):
    client.post(url)
    mailing = delivery.run.mailing
    delivery.run.status, delivery.run.finished_at = "done", timezone.now()
    delivery.run.save()
    Mailing.objects.filter(pk=mailing.pk).update(status="completed")
    services.delete_mailing(mailing=Mailing.objects.get(pk=mailing.pk), by=owner)
    assert Suppression.objects.get().run is None


def test_a_link_works_after_the_secret_was_changed(client, owner, delivery, url, settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" * 16, [settings.SECRET_KEY]
    assert client.get(url).status_code == 200
    assert client.post(url).status_code == 200
    assert stop_list.suppressed_among(owner.pk, [delivery.address])
    # What is made now no longer needs the old secret.
    settings.SECRET_KEY_FALLBACKS = []
    assert stop_list.suppressed_among(owner.pk, [delivery.address])
    assert client.get(url).status_code == 404


def test_an_entry_without_its_address_is_found_by_the_old_secret(
    client, owner, delivery, url, settings
):
    address = delivery.address
    delivery.delete()
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "new-" * 16, [settings.SECRET_KEY]
    client.post(url)
    assert Suppression.objects.get().address == ""
    assert stop_list.suppressed_among(owner.pk, [address]) == {address}


def test_an_address_that_was_erased_is_not_taken_for_another(client, delivery, url):
    Delivery.objects.filter(pk=delivery.pk).update(address="erased-1@invalid")
    client.post(url)
    entry = Suppression.objects.get()
    assert entry.address == ""
    assert "erased-1" not in client.get(url).content.decode()


def test_a_token_says_nothing_about_a_delivery_of_another_owner(client, stranger, delivery):
    forged = unsubscribe_links.token(stranger.pk, delivery.pk, delivery.address)
    said = client.get(reverse("unsubscribe", args=[forged])).content.decode()
    assert "Книжный двор" not in said
    assert "•••" not in said


def test_only_the_senders_mail_stops(client, owner, stranger, delivery, url):
    client.post(url)
    assert stop_list.suppressed_among(owner.pk, [delivery.address])
    assert not stop_list.suppressed_among(stranger.pk, [delivery.address])


@pytest.mark.parametrize(
    ("reason", "after"),
    [
        (SuppressionReason.BOUNCED, OWN_WISH),
        (SuppressionReason.MANUAL, OWN_WISH),
        (SuppressionReason.COMPLAINED, SuppressionReason.COMPLAINED),
    ],
)
def test_a_persons_wish_is_stronger_than_a_reason_that_may_pass(
    client, owner, delivery, url, reason, after
):
    stop_list.suppress(delivery.address, reason=reason, owner_id=owner.pk)
    assert not regret_in(client.post(url))
    assert Suppression.objects.get().reason == after


def test_a_wish_is_news_even_if_the_entry_came_with_a_file(client, owner, delivery, url):
    stop_list.suppress(delivery.address, reason=SuppressionReason.BOUNCED, owner_id=owner.pk)
    Suppression.objects.update(is_imported=True, happened_on="2020-01-01")
    client.post(url)
    entry = Suppression.objects.get()
    assert (entry.reason, entry.is_imported, entry.happened_on) == (OWN_WISH, False, None)


def test_a_global_entry_does_not_stand_for_the_persons_own(client, owner, delivery, url):
    stop_list.suppress(delivery.address, reason=SuppressionReason.BOUNCED, owner_id=None)
    client.post(url)
    assert Suppression.objects.filter(owner=owner, reason=OWN_WISH).count() == 1


# ---------------------------------------------------------------- what it stops


def test_a_run_frozen_afterwards_skips_the_person(client, owner, delivery, url):
    client.post(url)
    mailing = delivery.run.mailing
    other = factories.make_client(owner)
    mailing.clients.add(other)
    delivery.run.delete()
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    found = dict(Delivery.objects.values_list("address", "status"))
    assert found == {
        "anna@example.org": DeliveryStatus.SKIPPED,
        other.email_normalised: DeliveryStatus.PENDING,
    }
    assert Delivery.objects.get(address="anna@example.org").reason == SkipReason.SUPPRESSED


def test_making_the_client_anew_brings_nobody_back(client, owner, delivery, url):
    client.post(url)
    client_services.delete_client(client=delivery.client, by=owner)
    again = Client.objects.create(owner=owner, email="ANNA@example.org")
    assert Client.objects.filter(stop_list.is_suppressed(owner.pk)).get() == again


def test_who_left_is_counted_for_the_run_whose_letter_it_was(client, manager, delivery, url):
    other = factories.make_delivery(factories.make_run(delivery.run.mailing))
    client.post(url)
    client.post(path_of(factories.make_delivery(delivery.run)))
    Suppression.objects.create(
        owner=other.run.mailing.owner, address_hash="x", reason="bounced", run=other.run
    )
    rows = sums.with_leavers(Run.objects.filter(pk__in=[delivery.run.pk, other.run.pk]))
    left = dict(rows.values_list("pk", "unsubscribed"))
    assert left == {delivery.run.pk: 2, other.run.pk: 0}
    client.force_login(manager)
    page = client.get(reverse("cms_run:inspect", args=[delivery.run.pk]))
    assert 2 in [value for _label, value in page.context["facts"]]


# ---------------------------------------------------------------- by mistake


def test_who_pressed_the_button_may_take_it_back_at_once(client, owner, url):
    regret = regret_in(client.post(url))
    assert client.post(url, {"regret": regret}).status_code == 200
    assert not Suppression.objects.exists()
    entry = ModelLogEntry.objects.get()
    assert (entry.action, entry.user) == ("mailings.delete", None)
    assert "anna" not in f"{entry.label}{entry.data}".lower()
    assert "<form" in client.get(url).content.decode()  # the button is there again


def test_only_the_answer_that_made_the_entry_offers_to_take_it_back(client, url):
    client.post(url)
    for later in (client.post(url), client.get(url), client.post(url, ONE_CLICK)):
        assert not regret_in(later)


def test_a_scanner_that_presses_every_button_undoes_nothing(client, url):
    client.post(url, ONE_CLICK)  # the person, in their mail program
    for _ in range(3):
        for fields in re.findall(
            r'name="regret" value="([^"]+)"', client.get(url).content.decode()
        ):
            client.post(url, {"regret": fields})
        if regret := regret_in(client.post(url)):
            client.post(url, {"regret": regret})
    assert Suppression.objects.count() == 1


def test_taking_back_ends_after_an_hour(client, url, time_machine):
    time_machine.move_to(timezone.now())
    regret = regret_in(client.post(url))
    time_machine.shift(REGRET_SECONDS + 1)
    assert client.post(url, {"regret": regret}).status_code == 200
    assert Suppression.objects.count() == 1


def test_a_code_undoes_only_its_own_entry(client, owner, delivery, url):
    boris = factories.make_delivery(delivery.run)
    regret = regret_in(client.post(url))
    client.post(path_of(boris))
    for wrong in ("x", regret[:-1], regret + "A"):
        client.post(url, {"regret": wrong})
    client.post(path_of(boris), {"regret": regret})
    assert Suppression.objects.count() == 2


def test_a_code_undoes_no_complaint(client, url):
    regret = regret_in(client.post(url))
    Suppression.objects.update(reason=SuppressionReason.COMPLAINED)
    client.post(url, {"regret": regret})
    assert Suppression.objects.count() == 1


# ---------------------------------------------------------------- in the letter


def letter_of(delivery: Delivery) -> EmailMessage:
    run = delivery.run
    html = content.frozen_html(run.mailing.message, sender_name="Книжный двор")
    run.html, run.text = html, content.text_from(html)
    claimed = claims.Claimed(
        pk=delivery.pk,
        run_id=run.pk,
        mailing_id=run.mailing_id,
        owner_id=run.mailing.owner_id,
        address=delivery.address,
        full_name=delivery.full_name,
        variables={},
        read_at=0.0,
    )
    code = composing.render(composing.compile_run(run), claimed, timezone.now())
    letter = message_from_bytes(code, policy=policy.default)
    assert isinstance(letter, EmailMessage)
    return letter


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_headers_foot_and_text_have_the_link(delivery, site_at, scheme):
    site_at(f"{scheme}://mail.example.org")
    letter = letter_of(delivery)
    link = f"{site_address.url()}{path_of(delivery)}"
    assert letter["List-Unsubscribe"].strip() == f"<{link}>"
    expected = "List-Unsubscribe=One-Click" if scheme == "https" else None
    assert letter["List-Unsubscribe-Post"] == expected
    for kind in ("html", "plain"):
        assert link in letter.get_body((kind,)).get_content()


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_link_of_a_preview_unsubscribes_nobody(client, owner, delivery, method):
    read = preview.of(delivery.run.mailing.message, delivery.client)
    assert isinstance(read, compiler.Preview)
    sample = unsubscribe_links.sample_url()
    assert sample in read.html
    assert sample in read.text
    response = getattr(client, method)(urlsplit(sample).path, ONE_CLICK)
    assert response.status_code == 200
    assert not Suppression.objects.exists()


def test_a_page_costs_a_handful_of_queries(client, url, django_assert_max_num_queries):
    with django_assert_max_num_queries(4):
        client.get(url)
    with django_assert_max_num_queries(12):
        client.post(url)


def test_a_reader_of_a_bad_token_is_nobody():
    assert Reader.of("x") is None
