"""Many clients at once: the ticked ones, or all that were found; nothing is deleted by accident."""

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail.models import ModelLogEntry

from mailings.clients import bulk
from mailings.models import Client, Suppression
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import make_cabinet

LIST = reverse("mailings:client_list")
ALL = {"everything": "1"}


@pytest.fixture
def many(client, owner) -> list[Client]:
    client.force_login(owner)
    return factories.make_clients(owner, 60)


def test_all_found_are_put_on_a_list_beyond_the_page(client, owner, many):
    target = factories.make_list(owner, many[:5])
    client.post(LIST, ALL | {"action": "add", "target": target.pk})
    assert target.clients.count() == 60


def test_all_found_means_what_the_filters_found(client, owner, many):
    target = factories.make_list(owner)
    half = factories.make_list(owner, many[:30])
    client.post(f"{LIST}?on={half.pk}", ALL | {"action": "add", "target": target.pk})
    assert set(target.clients.all()) == set(many[:30])
    client.post(f"{LIST}?on={half.pk}", ALL | {"action": "remove", "target": target.pk})
    assert target.clients.count() == 0
    assert half.clients.count() == 30


def test_statements_do_not_grow_with_the_clients(client, owner, many):
    target = factories.make_list(owner)
    data = ALL | {"action": "add", "target": target.pk}

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            client.post(LIST, data)
        return len(captured)

    with_some = statements()
    factories.make_clients(owner, 60)
    assert statements() == with_some


def test_deletion_asks_with_the_number_first(client, owner, many):
    page = client.post(LIST, ALL | {"action": "delete"})
    assert page.status_code == 200
    assert page.context["count"] == 60
    assert Client.objects.filter(owner=owner).count() == 60
    response = client.post(LIST, ALL | {"action": "delete", "agreed": "60"})
    assert response.status_code == 302
    assert Client.objects.filter(owner=owner).count() == 0


def test_deletion_asks_again_when_the_number_has_changed(client, owner, many):
    factories.make_client(owner)
    page = client.post(LIST, ALL | {"action": "delete", "agreed": "60"})
    assert page.status_code == 200
    assert page.context["count"] == 61
    assert Client.objects.filter(owner=owner).count() == 61


def test_ticked_clients_are_deleted_and_the_others_stay(client, owner, many):
    ticked = {"clients": [c.pk for c in many[:3]], "action": "delete"}
    page = client.post(LIST, ticked).content.decode()
    assert all(f'name="clients" value="{c.pk}"' in page for c in many[:3])
    client.post(LIST, ticked | {"agreed": "3"})
    assert set(Client.objects.filter(owner=owner)) == set(many[3:])


def test_deletion_keeps_log_and_suppressions_and_is_in_the_audit(client, owner):
    client.force_login(owner)
    cabinet = make_cabinet(owner)
    gone = cabinet.delivery.client
    stop_list.suppress(gone.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    client.post(LIST, {"clients": gone.pk, "action": "delete", "agreed": "1"})
    cabinet.delivery.refresh_from_db()
    assert (cabinet.delivery.client, cabinet.delivery.address) == (None, gone.email_normalised)
    assert Suppression.objects.count() == 1
    entry = ModelLogEntry.objects.get(action="mailings.delete_clients")
    assert (entry.user, entry.data["reason"]) == (owner, "1")
    assert "@" not in entry.label


def test_a_deletion_that_breaks_off_has_done_nothing(owner, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 2)
    factories.make_clients(owner, 3)
    seen = []

    def break_off(execute, sql, *rest):
        if sql.startswith('DELETE FROM "mailings_client" '):
            seen.append(sql)
            if len(seen) == 2:
                raise OperationalError("the server went away")
        return execute(sql, *rest)

    with connection.execute_wrapper(break_off), pytest.raises(OperationalError):
        bulk.delete(chosen=Client.objects.all(), by=owner)
    assert Client.objects.count() == 3
    assert not ModelLogEntry.objects.filter(action="mailings.delete_clients").exists()


def test_nobody_elses_clients_are_reached(client, owner, stranger, many):
    theirs = factories.make_clients(stranger, 3)
    foreign_list = factories.make_list(stranger)
    client.post(LIST, ALL | {"action": "delete", "agreed": "60"})
    client.post(LIST, {"clients": theirs[0].pk, "action": "delete", "agreed": "1"})
    client.post(LIST, ALL | {"action": "add", "target": foreign_list.pk})
    assert Client.objects.filter(owner=stranger).count() == 3
    assert foreign_list.clients.count() == 0


REFUSED = [
    {"action": "add"},  # nobody is ticked
    {"action": "add", "everything": "1"},  # no list
    {"action": "nonsense", "everything": "1"},
    {"action": "delete", "clients": "x"},
    {"action": "export_csv"},
]


@pytest.mark.parametrize("data", REFUSED)
def test_what_is_not_said_is_asked_for(client, owner, many, data):
    page = client.post(LIST, data, follow=True)
    assert "is-bad" in page.content.decode()
    assert Client.objects.filter(owner=owner).count() == 60


def test_a_list_acts_on_its_own_clients(client, owner, many):
    on = factories.make_list(owner, many[:30])
    other = factories.make_list(owner, many[:40])
    client.post(on.get_absolute_url(), ALL)
    assert (on.clients.count(), other.clients.count()) == (0, 40)
    client.post(other.get_absolute_url(), ALL | {"action": "delete", "agreed": "40"})
    assert Client.objects.filter(owner=owner).count() == 20


STATES = {
    "": {"one@example.org", "two@example.org", "three@example.org"},
    "active": {"one@example.org"},
    "unsubscribed": {"two@example.org"},
    "bounced": {"three@example.org"},
    "complained": set(),
    "nonsense": {"one@example.org", "two@example.org", "three@example.org"},
}


@pytest.mark.parametrize(("state", "found"), STATES.items())
def test_clients_are_narrowed_to_a_state(client, owner, state, found):
    client.force_login(owner)
    for name in ("one", "two", "three"):
        factories.make_client(owner, email=f"{name}@example.org")
    stop_list.suppress("Two@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    stop_list.suppress("three@example.org", reason=SuppressionReason.BOUNCED, owner_id=None)
    page = client.get(LIST, {"state": state}).context["page"]
    assert {row.email for row in page} == found


@pytest.mark.parametrize(("consent", "found"), [("", 3), ("yes", 2), ("no", 1)])
def test_clients_are_narrowed_by_their_consent(client, owner, consent, found):
    client.force_login(owner)
    factories.make_client(owner, consent_source="анкета")
    factories.make_client(owner, consent_at="2024-01-01")
    factories.make_client(owner)
    assert len(client.get(LIST, {"consent": consent}).context["page"]) == found
