"""Whom a mailing leaves out: the form counts it, the run freezes it, nothing widens it silently."""

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import audience, services
from mailings.clients import services as client_services
from mailings.delivery.runs import planning
from mailings.models import Client, Delivery, Mailing
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import mailing_data, make_cabinet, speak

NEW = reverse("mailings:mailing_create")


@pytest.fixture
def people(owner) -> dict[str, Client]:
    return {name: factories.make_client(owner, full_name=name) for name in "АБВГД"}


@pytest.fixture
def mailing(owner, people) -> Mailing:
    """To А, Б, В, Г on a list; except the list with Б, and except В singly."""
    everybody = factories.make_list(owner, [people[name] for name in "АБВГ"])
    quiet = factories.make_list(owner, [people["Б"], people["Д"]])
    row = factories.make_mailing(owner, lists=[everybody], clients=[people["Д"]])
    row.excluded_lists.set([quiet])
    row.excluded_clients.set([people["В"]])
    return row


def test_the_run_leaves_out_whom_the_mailing_names(owner, mailing, people):
    services.schedule_mailing(mailing=mailing, by=owner)
    assert planning.plan(timezone.now()) == 1
    written = Delivery.objects.values_list("full_name", flat=True)
    assert sorted(written) == ["А", "Г"]


def test_exclusion_is_stronger_than_a_single_choice(owner, mailing, people):
    mailing.clients.add(people["В"])
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert not Delivery.objects.filter(client=people["В"]).exists()


def test_the_count_is_what_the_run_will_freeze(owner, mailing, people):
    stop_list.suppress(people["Г"].email, reason=SuppressionReason.MANUAL, owner_id=owner.pk)
    found = audience.count_recipients(
        owner=owner,
        lists=mailing.lists.all(),
        clients=mailing.clients.all(),
        but_lists=mailing.excluded_lists.all(),
        but_clients=mailing.excluded_clients.all(),
    )
    assert (found.total, found.excluded, found.suppressed, found.will_get) == (5, 3, 1, 1)


def test_the_form_stores_and_tells_them(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    cabinet = make_cabinet(owner)
    quiet = factories.make_list(owner, [cabinet.client], name="Тихие")
    single = factories.make_client(owner)
    fields = {"excluded_lists": [quiet.pk], "excluded_clients": [single.pk]}
    data = mailing_data(cabinet, action=None, **fields)
    part = client.post(NEW, data, headers={"HX-Request": "true", "HX-Target": "forecast"})
    said = part.content.decode()
    assert ", except the list “Тихие” and 1 client" in said
    assert "−1" in said
    client.post(NEW, mailing_data(cabinet, **fields))
    made = Mailing.objects.get(name="Декабрьский адвент")
    assert list(made.excluded_lists.all()) == [quiet]
    assert list(made.excluded_clients.all()) == [single]
    page = client.get(made.get_absolute_url()).content.decode()
    assert "except the list “Тихие” and 1 client" in page
    copy = client.get(NEW, {"copy": made.pk}).context["form"]
    assert copy.initial["excluded_lists"] == [quiet.pk]
    assert copy.initial["excluded_clients"] == [single.pk]


@pytest.mark.parametrize("field", ["excluded_lists", "excluded_clients"])
def test_somebody_elses_rows_cannot_be_named(client, owner, stranger, field):
    client.force_login(owner)
    cabinet = make_cabinet(owner)
    foreign = make_cabinet(stranger)
    pk = (foreign.list if field == "excluded_lists" else foreign.client).pk
    page = client.post(NEW, mailing_data(cabinet, **{field: [pk]}))
    assert field in page.context["form"].errors
    assert not Mailing.objects.filter(name="Декабрьский адвент").exists()


def test_leaving_everybody_out_is_refused(client, owner):
    client.force_login(owner)
    cabinet = make_cabinet(owner)
    page = client.post(NEW, mailing_data(cabinet, excluded_lists=[cabinet.list.pk]))
    assert "excluded_lists" in page.context["form"].errors
    draft = factories.make_mailing(owner, lists=[cabinet.list])
    draft.excluded_lists.set([cabinet.list])
    with pytest.raises(services.Refused):
        services.schedule_mailing(mailing=draft, by=owner)


def test_a_list_that_is_left_out_is_not_deleted_under_a_living_mailing(owner, mailing):
    quiet = mailing.excluded_lists.get()
    with pytest.raises(services.Refused, match=mailing.name):
        client_services.delete_list(client_list=quiet, by=owner)
    assert mailing.excluded_lists.count() == 1
