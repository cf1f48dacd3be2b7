"""Lists of clients in the cabinet."""

import pytest
from django.urls import reverse

from mailings.models import Client, ClientList
from tests import factories
from tests.integration.cabinet import in_language, make_cabinet, speak

NEW = reverse("mailings:list_create")


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return make_cabinet(owner)


def test_a_list_is_made_and_renamed(client, owner, cabinet):
    client.post(NEW, {"name": "Оптовые"})
    made = ClientList.objects.get(name="Оптовые")
    assert made.owner == owner
    client.post(reverse("mailings:list_update", args=[made.pk]), {"name": "Партнёры"})
    made.refresh_from_db()
    assert made.name == "Партнёры"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_two_lists_with_one_name_are_refused(client, owner, cabinet, language):
    speak(owner, language)
    page = client.post(NEW, {"name": cabinet.list.name})
    said = in_language(language, "You already have a list with this name.")
    assert page.context["form"].errors["name"] == [said]
    same = client.post(
        reverse("mailings:list_update", args=[cabinet.list.pk]), {"name": cabinet.list.name}
    )
    assert same.status_code == 302


def test_lists_say_how_many_clients_they_have(client, owner, cabinet):
    factories.make_list(owner, factories.make_clients(owner, 3), name="Трое")
    sizes = {
        row.name: row.size for row in client.get(reverse("mailings:list_list")).context["lists"]
    }
    assert sizes["Трое"] == 3


def test_deleting_a_list_keeps_its_clients(client, owner):
    client.force_login(owner)
    doomed = factories.make_list(owner, factories.make_clients(owner, 2))
    url = reverse("mailings:list_delete", args=[doomed.pk])
    assert client.get(url).status_code == 200
    client.post(url)
    assert not ClientList.objects.filter(pk=doomed.pk).exists()
    assert Client.objects.count() == 2


def test_a_list_in_use_is_not_deleted_and_the_mailing_is_named(client, cabinet):
    url = reverse("mailings:list_delete", args=[cabinet.list.pk])
    page = client.post(url, follow=True)
    assert ClientList.objects.filter(pk=cabinet.list.pk).exists()
    assert cabinet.mailing.name in page.content.decode()
    assert page.redirect_chain[-1][0] == cabinet.list.get_absolute_url()


def test_a_client_added_from_a_list_is_on_it(client, cabinet):
    page = client.get(reverse("mailings:client_create"), {"on": cabinet.list.pk})
    assert list(page.context["form"]["lists"].value()) == [cabinet.list.pk]
