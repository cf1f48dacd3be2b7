"""Clients in the cabinet: found, sorted, made, changed, deleted, put on lists."""

import pytest
from django.urls import reverse
from django.utils import translation

from mailings.models import Client
from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.suppression import stop_list
from mailings.web import words
from tests import factories
from tests.integration.cabinet import in_language, make_cabinet, speak

LIST = reverse("mailings:client_list")
NEW = reverse("mailings:client_create")


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return make_cabinet(owner)


def names(response) -> list[str]:
    return [row.full_name for row in response.context["page"]]


def test_a_client_is_added_with_everything_known_about_them(client, owner, cabinet):
    response = client.post(
        NEW,
        {
            "email": " Anna@Почта.РФ ",
            "full_name": "Анна Ким",
            "comment": "любит маяки",
            "attributes": "city = Тверь\n\ncard=17 = 18",
            "lists": [cabinet.list.pk],
            "consent_source": "анкета",
            "consent_at": "2026-03-01",
        },
        follow=True,
    )
    added = Client.objects.get(full_name="Анна Ким")
    assert added.owner == owner
    assert added.email_normalised == "anna@xn--80a1acny.xn--p1ai"
    assert added.attributes == {"city": "Тверь", "card": "17 = 18"}
    assert list(added.lists.all()) == [cabinet.list]
    assert response.redirect_chain[-1][0] == added.get_absolute_url()
    assert "любит маяки" in response.content.decode()


BAD_ADDRESSES = [
    "anna",  # no domain
    "a@x.ru,b@y.ru",  # two
    "anna@x.ru\r\nBcc: b@y.ru",  # a header
    "anna@-.ru",  # no such domain can be
    "a" * 300 + "@x.ru",  # too long
    "",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_a_bad_address_is_refused_and_nothing_is_lost(client, owner, cabinet, address):
    before = Client.objects.count()
    page = client.post(NEW, {"email": address, "full_name": "Анна Ким", "comment": "не терять"})
    assert page.status_code == 200
    assert page.context["form"].errors["email"]
    assert "Анна Ким" in page.content.decode()
    assert "не терять" in page.content.decode()
    assert Client.objects.count() == before


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_second_client_with_one_mailbox_is_refused(client, owner, cabinet, language):
    speak(owner, language)
    factories.make_client(owner, email="anna@example.org")
    page = client.post(NEW, {"email": "anna@EXAMPLE.org", "full_name": "Анна"})
    said = in_language(language, "You already have a client with this address.")
    assert page.context["form"].errors["email"] == [said]


def test_two_owners_may_know_the_same_address(client, stranger, cabinet):
    client.force_login(stranger)
    client.post(NEW, {"email": cabinet.client.email})
    assert Client.objects.filter(email=cabinet.client.email).count() == 2


@pytest.mark.parametrize("line", ["city", "= Tver", "two words = x", "1st = x", "a" * 65 + "= x"])
def test_an_attribute_that_is_none_is_refused_with_its_line(client, cabinet, line):
    page = client.post(NEW, {"email": "b@example.org", "attributes": f"city = Tver\n{line}"})
    assert "2" in page.context["form"].errors["attributes"][0]
    assert not Client.objects.filter(email="b@example.org").exists()


def test_a_client_is_changed_and_keeps_what_the_form_does_not_show(client, cabinet):
    row = cabinet.client
    url = reverse("mailings:client_update", args=[row.pk])
    client.post(url, {"email": "new@example.org", "full_name": "Новое имя", "attributes": "a = 1"})
    changed = Client.objects.get(pk=row.pk)
    assert (changed.full_name, changed.email_normalised) == ("Новое имя", "new@example.org")
    assert changed.attributes == {"a": "1"}
    assert changed.created_at == row.created_at
    assert "a = 1" in client.get(url).content.decode()


def test_a_foreign_list_in_the_form_is_an_error_and_changes_nothing(client, cabinet, stranger):
    foreign = factories.make_list(stranger)
    page = client.post(NEW, {"email": "b@example.org", "lists": [foreign.pk]})
    assert page.context["form"].errors["lists"]
    assert not Client.objects.filter(email="b@example.org").exists()
    assert foreign.clients.count() == 0


def test_deletion_asks_first_and_keeps_the_log(client, cabinet):
    row = cabinet.delivery.client
    url = reverse("mailings:client_delete", args=[row.pk])
    page = client.get(url)
    assert page.status_code == 200
    assert Client.objects.filter(pk=row.pk).exists()
    response = client.post(url, follow=True)
    assert response.redirect_chain[-1][0] == LIST
    assert not Client.objects.filter(pk=row.pk).exists()
    cabinet.delivery.refresh_from_db()
    assert cabinet.delivery.address == row.email_normalised
    log = client.get(cabinet.run.get_absolute_url(), {"tab": "deliveries"})
    assert row.email_normalised in log.content.decode()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("иванов", ["Иванова Анна"]),  # Cyrillic, whatever its case
        ("ПЕТРОВ", ["Петров Олег"]),
        ("OLEG@", ["Петров Олег"]),  # by address
        ("нет таких", []),
        ("%", []),  # no wildcard
        ("(", []),  # no pattern
    ],
)
def test_clients_are_found_by_name_and_address(client, owner, query, found):
    client.force_login(owner)
    factories.make_client(owner, full_name="Иванова Анна", email="anna@example.org")
    factories.make_client(owner, full_name="Петров Олег", email="oleg@example.org")
    assert names(client.get(LIST, {"q": query})) == found


def test_clients_are_narrowed_to_a_list(client, owner):
    client.force_login(owner)
    inside, _outside = factories.make_clients(owner, 2)
    on = factories.make_list(owner, [inside])
    assert names(client.get(LIST, {"on": on.pk})) == [inside.full_name]
    assert len(names(client.get(LIST, {"on": "nonsense"}))) == 2


@pytest.mark.parametrize(
    ("order", "first"),
    [("name", "А"), ("-name", "Я"), ("added", "Я"), ("-added", "А"), ("nonsense", "А")],
)
def test_clients_are_sorted(client, owner, order, first):
    client.force_login(owner)
    factories.make_client(owner, full_name="Я")
    factories.make_client(owner, full_name="А")
    assert names(client.get(LIST, {"order": order}))[0] == first


@pytest.mark.parametrize("order", ["name", "-name", "address", "-address", "added", "-added"])
def test_pages_forth_and_back_show_each_client_once(client, owner, order):
    client.force_login(owner)
    for number in range(60):
        factories.make_client(owner, full_name=f"Имя {number % 7}")  # many of one name
    seen, query, pages = [], {"order": order}, []
    while True:
        page = client.get(LIST, query).context["page"]
        seen += [row.pk for row in page]
        pages.append([row.pk for row in page])
        if not page.following:
            break
        query = {"order": order, "after": page.following}
    assert len(seen) == len(set(seen)) == 60
    assert len(pages) == 3
    back = client.get(LIST, {"order": order, "before": page.previous}).context["page"]
    assert [row.pk for row in back] == pages[1]


@pytest.mark.parametrize("place", ["%%%", "bm9uc2Vuc2U", "W10", "WyJ4Il0", "W251bGwsIG51bGxd"])
def test_a_place_that_makes_no_sense_is_the_first_page(client, owner, place):
    client.force_login(owner)
    factories.make_client(owner)
    assert len(names(client.get(LIST, {"after": place}))) == 1


def test_ticked_clients_are_put_on_a_list_and_taken_off(client, owner, cabinet):
    ticked = factories.make_clients(owner, 3)
    target = factories.make_list(owner)
    data = {"clients": [c.pk for c in ticked], "target": target.pk}
    client.post(LIST, data | {"action": "add"})
    assert target.clients.count() == 3
    client.post(LIST, {"clients": ticked[0].pk, "target": target.pk, "action": "remove"})
    assert target.clients.count() == 2
    client.post(target.get_absolute_url(), {"clients": ticked[1].pk})
    assert list(target.clients.all()) == [ticked[2]]


def test_foreign_ids_in_a_bulk_action_change_nothing(client, owner, stranger, cabinet):
    foreign_list = factories.make_list(stranger)
    foreign_client = factories.make_client(stranger)
    own = {"clients": cabinet.client.pk, "target": cabinet.list.pk, "action": "add"}
    client.post(LIST, own | {"target": foreign_list.pk})
    page = client.post(LIST, own | {"clients": foreign_client.pk}, follow=True)
    assert foreign_list.clients.count() == 0
    assert foreign_client not in cabinet.list.clients.all()
    assert "is-bad" in page.content.decode()


@pytest.mark.parametrize("language", ["ru", "en"])
def test_a_suppressed_client_is_marked_with_reason_date_and_way(client, owner, cabinet, language):
    speak(owner, language)
    free = factories.make_client(owner)
    stop_list.suppress(
        cabinet.client.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk,
        source=SuppressionSource.ONE_CLICK,
    )  # fmt: skip
    rows = {row.pk: row for row in client.get(LIST).context["page"]}
    assert rows[cabinet.client.pk].suppression.reason == SuppressionReason.UNSUBSCRIBED
    assert rows[free.pk].suppression is None
    for url in (LIST, cabinet.client.get_absolute_url(), cabinet.list.get_absolute_url()):
        page = client.get(url).content.decode()
        with translation.override(language):
            assert words.suppressed(SuppressionReason.UNSUBSCRIBED) in page
        assert in_language(language, "by the button of the mail program") in page


def test_the_page_of_a_bounced_client_repeats_what_the_server_said(client, owner, cabinet):
    stop_list.suppress(
        cabinet.client.email, reason=SuppressionReason.BOUNCED, owner_id=owner.pk,
        source="550 5.1.1 no such user",
    )  # fmt: skip
    assert "no such user" in client.get(cabinet.client.get_absolute_url()).content.decode()
    assert "no such user" not in client.get(LIST).content.decode()


def test_the_page_of_a_client_shows_the_last_attempt(client, cabinet):
    page = client.get(cabinet.delivery.client.get_absolute_url()).content.decode()
    assert "550 5.1.1" in page
    assert cabinet.attempt.reply in page
