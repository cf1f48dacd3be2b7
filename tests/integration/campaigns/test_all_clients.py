"""“All clients” as an audience: those there are at each run, without exclusions and stop-list."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import audience, follow_ups, services
from mailings.delivery.runs import planning
from mailings.errors import Refused
from mailings.models import Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import mailing_data, make_cabinet, speak

NEW = reverse("mailings:mailing_create")
LIVE = {"HX-Request": "true", "HX-Target": "forecast"}


def to_all(owner, **fields) -> Mailing:
    return factories.make_mailing(owner, to_all=True, **fields)


def written() -> list[str]:
    return sorted(Delivery.objects.filter(status="pending").values_list("full_name", flat=True))


def test_everybody_there_is_at_the_run_gets_it(owner, stranger):
    factories.make_client(owner, full_name="А")
    factories.make_client(stranger, full_name="Чужой")
    mailing = to_all(owner)
    services.schedule_mailing(mailing=mailing, by=owner)
    factories.make_client(owner, full_name="Б")  # added after the planning
    with CaptureQueriesContext(connection) as queries:
        assert planning.plan(timezone.now()) == 1
    assert written() == ["А", "Б"]
    inserts = [q for q in queries if q["sql"].startswith('INSERT INTO "mailings_delivery"')]
    assert len(inserts) == 1


def test_the_next_run_takes_those_who_came_since(owner):
    factories.make_client(owner, full_name="А")
    start = timezone.now() - timedelta(hours=25)
    mailing = to_all(owner, frequency="daily", start_at=start)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    first = Run.objects.get()
    Run.objects.filter(pk=first.pk).update(status="done", finished_at=timezone.now())
    factories.make_client(owner, full_name="Б")
    assert [c.full_name for c in follow_ups.came_since(first)] == ["Б"]
    planning.plan(timezone.now() + timedelta(days=1))
    assert Run.objects.exclude(pk=first.pk).filter(targeted=2).count() == 1


def test_exclusions_and_the_stop_list_are_stronger(client, owner):
    rows = {name: factories.make_client(owner, full_name=name) for name in "АБВГ"}
    mailing = to_all(owner)
    mailing.excluded_lists.set([factories.make_list(owner, [rows["Б"]])])
    mailing.excluded_clients.set([rows["В"]])
    stop_list.suppress(rows["Г"].email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    found = audience.count_recipients(
        owner=owner, lists=(), clients=(), everybody=True,
        but_lists=mailing.excluded_lists.all(), but_clients=mailing.excluded_clients.all(),
    )  # fmt: skip
    assert (found.total, found.excluded, found.suppressed, found.will_get) == (4, 2, 1, 1)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert written() == ["А"]


def test_mailings_to_all_and_to_some_do_not_share_a_statement(owner):
    first, second = factories.make_clients(owner, 2)
    for mailing in (to_all(owner), factories.make_mailing(owner, clients=[first]), to_all(owner)):
        services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert sorted(Run.objects.values_list("targeted", flat=True)) == [1, 2, 2]
    assert second.pk


def test_nobody_at_all_is_refused_in_words(owner):
    with pytest.raises(Refused):
        services.schedule_mailing(mailing=to_all(owner), by=owner)


# ------------------------------------------------------------------ the cabinet


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    return make_cabinet(owner)


def test_the_form_stores_tells_and_shows_it(client, owner, cabinet):
    data = mailing_data(cabinet, lists=None, to_all="on")
    part = client.post(NEW, data | {"action": ""}, headers=LIVE)
    assert part.context["forecast"].recipients.will_get == 2
    assert "2 clients</b> – all you have" in part.content.decode()
    saved = client.post(NEW, data)
    mailing = Mailing.objects.get(name="Декабрьский адвент")
    assert (mailing.to_all, mailing.status) == (True, "created")
    page = client.get(saved.url).content.decode()
    assert "all clients" in page
    form = client.get(reverse("mailings:mailing_update", args=[mailing.pk])).context["form"]
    assert form["to_all"].value() is True
    copy = client.get(NEW, {"copy": mailing.pk}).context["form"]
    assert copy["to_all"].value() is True


def test_all_and_some_contradict_each_other(client, cabinet):
    page = client.post(NEW, mailing_data(cabinet, to_all="on"))
    assert page.context["form"].errors["to_all"]
    assert not Mailing.objects.filter(name="Декабрьский адвент").exists()


def test_without_lists_it_is_what_the_form_begins_with(client, owner):
    client.force_login(owner)
    factories.make_client(owner)
    factories.make_message(owner)
    form = client.get(NEW).context["form"]
    assert form["to_all"].value() is True
    assert form.forecast.recipients.will_get == 1
    factories.make_list(owner)
    assert client.get(NEW).context["form"]["to_all"].value() is False


def test_a_manager_sees_it(client, manager, owner):
    mailing = to_all(owner)
    client.force_login(manager)
    speak(manager, "en")
    page = client.get(reverse("cms_mailing:inspect", args=[mailing.pk])).content.decode()
    assert "All clients" in page
