import re

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.models import Mailing
from tests.factories import make_client, make_mailing, make_message

pytestmark = pytest.mark.django_db

LIVE = {"HX-Request": "true", "HX-Target": "forecast"}


def filled_in(owner) -> dict[str, object]:
    return {
        "name": "Новости",
        "message": make_message(owner).pk,
        "clients": [make_client(owner).pk],
        "frequency": "once",
        "time_zone": "Europe/Moscow",
        "action": "schedule",
    }


def test_a_look_at_what_will_happen_never_makes_a_mailing(client, owner):
    """htmx sends the pressed button with a look that waited for another: one click, two POSTs."""
    client.force_login(owner)
    url, data = reverse("mailings:mailing_create"), filled_in(owner)
    assert client.post(url, data, headers=LIVE).status_code == 200
    assert Mailing.objects.count() == 0
    assert client.post(url, data).status_code == 302
    assert Mailing.objects.count() == 1


def test_a_look_at_what_will_happen_never_changes_a_mailing(client, owner):
    client.force_login(owner)
    mailing = make_mailing(owner, name="Старое", start_at=timezone.now())
    url = reverse("mailings:mailing_update", args=[mailing.pk])
    assert client.post(url, filled_in(owner), headers=LIVE).status_code == 200
    mailing.refresh_from_db()
    assert (mailing.name, mailing.status) == ("Старое", "draft")


def token_in(response) -> str:
    found = re.search(r'name="once" value="([^"]+)"', response.content.decode())
    assert found
    return found[1]


def test_a_form_that_is_sent_twice_makes_one_mailing(client, owner):
    """Two clicks on “Schedule” would otherwise write to every client twice."""
    client.force_login(owner)
    url = reverse("mailings:mailing_create")
    data = filled_in(owner)
    data["once"] = token_in(client.get(url))
    first = client.post(url, data)
    second = client.post(url, data)
    assert Mailing.objects.count() == 1
    assert first.url == second.url == Mailing.objects.get().get_absolute_url()


def test_a_form_that_had_to_be_mended_can_be_sent_again(client, owner):
    client.force_login(owner)
    url = reverse("mailings:mailing_create")
    data = filled_in(owner)
    token = token_in(client.get(url))
    refused = client.post(url, data | {"once": token, "clients": []})
    assert refused.status_code == 200
    assert token_in(refused) != token
    assert client.post(url, filled_in(owner) | {"once": token_in(refused)}).status_code == 302
    assert Mailing.objects.count() == 1


def test_another_persons_token_blocks_nobody(client, owner, stranger):
    url = reverse("mailings:mailing_create")
    client.force_login(stranger)
    data = filled_in(stranger)
    token = token_in(client.get(url))
    assert client.post(url, data | {"once": token}).status_code == 302
    client.force_login(owner)
    assert client.post(url, filled_in(owner) | {"once": token}).status_code == 302
    assert Mailing.objects.filter(owner=owner).count() == 1
