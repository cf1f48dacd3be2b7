"""The page behind «other choices»: lists, name, or nothing at all."""

import re
from urllib.parse import urlsplit

import pytest
from django.core import mail
from django.test import Client as Browser
from django.urls import reverse

from accounts.models import User
from mailings.clients import services as clients
from mailings.models import Client, Delivery, SubscribeRequest, Suppression
from mailings.suppression import unsubscribe_links
from tests import factories
from tests.integration.subscribing.conftest import link_in, post, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def anna(owner, lists) -> Client:
    anna = factories.make_client(owner, email="Anna@example.org", full_name="Анна")
    anna.lists.add(*lists)
    return anna


@pytest.fixture
def delivery(owner, anna) -> Delivery:
    run = factories.make_run(factories.make_mailing(owner, clients=[anna]))
    return factories.make_delivery(run, anna)


@pytest.fixture
def one_button(owner, delivery) -> str:
    return urlsplit(unsubscribe_links.url(owner.pk, delivery.pk, delivery.address)).path


@pytest.fixture
def url(one_button) -> str:
    return f"{one_button}choices/"


def test_the_page_with_one_button_leads_there(client, one_button, url):
    page = client.get(one_button).content.decode()
    assert page.count('<button class="btn btn-primary"') == 1
    assert f'href="{url}"' in page
    assert 'href="/u/sample/choices/"' not in client.get("/u/sample/").content.decode()


def test_no_cookie_and_no_token_is_asked_for(url, anna, lists):
    browser = Browser(enforce_csrf_checks=True)
    assert browser.get(url).cookies == {}
    answer = browser.post(url, {"action": "save", "lists": [lists[0].pk], "full_name": ""})
    assert (answer.status_code, answer.cookies) == (200, {})
    assert anna.lists.count() == 1
    assert browser.get(url)["Referrer-Policy"] == "no-referrer"


def test_looking_changes_nothing(client, url, anna, lists):
    page = client.get(url).content.decode()
    assert "a•••@example.org" in page
    assert all(row.name in page for row in lists)
    assert set(anna.lists.all()) == set(lists)
    assert not Suppression.objects.exists()
    assert client.head(url).status_code == 200


def test_a_person_leaves_one_list_and_mends_their_name(client, url, anna, lists):
    page = client.post(url, {"action": "save", "lists": [lists[1].pk], "full_name": "Анна К."})
    assert "Сохранено" in page.content.decode()
    anna.refresh_from_db()
    assert list(anna.lists.all()) == [lists[1]]
    assert anna.full_name == "Анна К."
    assert not Suppression.objects.exists()


def test_nobody_gets_onto_a_list_by_it(client, url, anna, owner, stranger):
    others = [factories.make_list(owner), factories.make_list(stranger)]
    wished = [
        *(row.pk for row in others),
        *anna.lists.values_list("pk", flat=True),
        "1 OR 1=1",
        "٣",
    ]
    client.post(url, {"action": "save", "lists": wished, "full_name": ""})
    assert anna.lists.count() == 2
    anna.refresh_from_db()
    assert anna.full_name == "Анна"  # an empty name deletes none


def test_a_person_leaves_everything_and_may_say_why(client, url, owner, anna):
    page = client.post(url, {"action": "leave", "said": "Слишком\r\nчасто " + "я" * 300})
    assert "Вы отписаны" in page.content.decode()
    entry = Suppression.objects.get()
    assert (entry.owner, entry.reason, entry.source) == (owner, "unsubscribed", "link")
    assert entry.words.startswith("Слишком часто")
    assert len(entry.words) == 200
    assert entry.run is not None
    client.force_login(owner)
    shown = client.get(anna.get_absolute_url()).content.decode()
    assert "Слишком часто" in shown
    assert "Слишком часто" in client.get(entry.get_absolute_url()).content.decode()


def test_a_reason_is_never_asked_for(client, url):
    assert "Вы отписаны" in client.post(url, {"action": "leave"}).content.decode()
    assert Suppression.objects.get().words == ""


@pytest.mark.parametrize("field", ["full_name", "said", "lists"])
@pytest.mark.parametrize("action", ["save", "leave"])
def test_bad_input_breaks_nothing(client, url, anna, field, action):
    answer = client.post(url, {"action": action, field: "a\x00b<script>alert(1)</script>"})
    assert answer.status_code == 200
    assert "<script>alert" not in answer.content.decode()


def test_a_link_whose_letter_is_gone_leads_to_the_one_button(client, url, one_button, delivery):
    delivery.delete()
    answer = client.get(url)
    assert (answer.status_code, answer.url) == (302, one_button)
    assert client.get(one_button).status_code == 200


def test_who_was_deleted_can_only_leave(client, url, anna, owner):
    clients.delete_client(client=anna, by=owner)
    page = client.get(url).content.decode()
    assert "full_name" not in page
    client.post(url, {"action": "save", "full_name": "Кто-то"})
    assert not Client.objects.exists()


def test_a_blocked_owner_keeps_nobody_from_their_choice(client, url, owner, anna, lists):
    User.objects.filter(pk=owner.pk).update(is_active=False)
    answer = client.post(url, {"action": "save", "lists": [lists[0].pk], "full_name": "Анна Р."})
    assert "Сохранено" in answer.content.decode()
    anna.refresh_from_db()
    assert (anna.full_name, list(anna.lists.all())) == ("Анна Р.", lists[:1])


def test_a_list_that_came_after_the_page_was_shown_stays(client, url, anna, lists):
    anna.lists.set(lists[:1])
    page = client.get(url).content.decode()
    shown = re.findall(r'name="shown" value="(\d*)"', page)
    assert shown == ["", str(lists[0].pk)]
    anna.lists.add(lists[1])
    client.post(url, {"action": "save", "shown": shown, "full_name": ""})
    assert list(anna.lists.all()) == lists[1:]


def test_a_number_without_end_is_no_list(client, url, anna):
    assert client.post(url, {"action": "save", "lists": "9" * 5_000}).status_code == 200
    assert not anna.lists.exists()


def test_a_strangers_token_is_a_404(client, url, blog):
    assert client.get(url.replace("/choices", "x/choices")).status_code == 404
    assert client.post("/u/" + "A" * 80 + "/choices/").status_code == 404


def test_the_letter_to_a_known_person_leads_there(client, form, owner, anna):
    anna.consent_source = "договор"
    anna.save()
    post(client, form)
    send()
    path = link_in(mail.outbox[0])
    assert path == reverse("subscribe_choices", args=[path.split("/")[3]])
    assert "Новости" in client.get(path).content.decode()
    type(form).objects.update(language="en")  # the letter's, whatever its sender speaks
    assert "What you get" in client.get(path).content.decode()
    type(form).objects.update(language="ru")
    client.post(path, {"action": "leave", "said": "Хватит"})
    entry = Suppression.objects.get()
    assert (entry.address, entry.words) == ("anna@example.org", "Хватит")
    SubscribeRequest.objects.all().delete()
    assert client.get(path).status_code == 404
