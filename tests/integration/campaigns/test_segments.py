"""Segments as audience and as exclusion: counted by the form, frozen anew by each run."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import audience, editing, follow_ups, services
from mailings.campaigns.editing import MailingInput
from mailings.delivery.runs import planning, recipients
from mailings.models import Client, Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import mailing_data, make_cabinet, speak

pytestmark = pytest.mark.django_db

NEW = reverse("mailings:mailing_create")


def more_than(number: float) -> dict:
    return {"kind": "number", "field": "detail:sum", "test": "more", "value": number}


@pytest.fixture
def people(owner) -> dict[str, Client]:
    cities = {"А": "Казань", "Б": "казань", "В": "Тверь", "Г": ""}
    return {
        name: factories.make_client(owner, full_name=name, attributes={"city": city, "sum": "-2"})
        for name, city in cities.items()
    }


def make(owner, **relations) -> Mailing:
    row = factories.make_mailing(owner)
    for name, rows in relations.items():
        getattr(row, name).set(rows)
    return row


def names(rows=None) -> list[str]:
    rows = Delivery.objects.all() if rows is None else rows
    return sorted(rows.values_list("full_name", flat=True))


def test_a_run_freezes_the_segment_and_whoever_is_chosen_twice_once(owner, people):
    segment, again = factories.make_segment(owner), factories.make_segment(owner)
    on = factories.make_list(owner, [people["А"], people["В"]])
    mailing = make(owner, segments=[segment, again], lists=[on], clients=[people["А"]])
    services.schedule_mailing(mailing=mailing, by=owner)
    assert planning.plan(timezone.now()) == 1
    assert names() == ["А", "Б", "В"]
    assert Run.objects.get().targeted == 3


def test_an_excluded_segment_is_stronger_than_being_chosen(owner, people):
    segment = factories.make_segment(owner)
    on = factories.make_list(owner, list(people.values()))
    mailing = make(owner, lists=[on], clients=[people["А"]], excluded_segments=[segment])
    found = audience.of(mailing)
    assert (found.total, found.excluded, found.will_get) == (4, 2, 2)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert names() == ["В", "Г"]


def test_everybody_but_a_segment(owner, people):
    mailing = factories.make_mailing(owner, to_all=True)
    mailing.excluded_segments.add(factories.make_segment(owner))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert names() == ["В", "Г"]


def test_the_stop_list_holds_for_a_segment(owner, people):
    stop_list.suppress(people["А"].email, reason=SuppressionReason.MANUAL, owner_id=owner.pk)
    mailing = make(owner, segments=[factories.make_segment(owner)])
    assert audience.of(mailing).will_get == 1
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert names(Delivery.objects.filter(status="skipped")) == ["А"]
    assert names(Delivery.objects.filter(status="pending")) == ["Б"]


@pytest.mark.parametrize("number", [-1.0, -2.0, -3.0])
def test_a_number_of_a_condition_is_never_taken_for_something_else(owner, people, number):
    """The statement that freezes has marks for the run and the owner; they are such numbers."""
    factories.make_client(owner, full_name="Ж", attributes={"sum": "7"})
    mailing = make(owner, segments=[factories.make_segment(owner, more_than(number))])
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert names() == (["Ж"] if number > -3 else ["А", "Б", "В", "Г", "Ж"])


def test_each_run_asks_anew(owner, people):
    silent = {"kind": "letters", "days": 1, "negated": True}
    day = timedelta(days=1)
    mailing = factories.make_mailing(
        owner, frequency="daily", start_at=timezone.now() - timedelta(minutes=1)
    )
    mailing.segments.add(factories.make_segment(owner, factories.KAZAN, silent))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    assert names() == ["А", "Б"]
    got = Delivery.objects.filter(client=people["А"])
    got.update(status="sent", finished_at=timezone.now() + day)
    Delivery.objects.filter(status="pending").update(status="failed", finished_at=timezone.now())
    Run.objects.update(status="done", finished_at=timezone.now() + day)
    people["В"].attributes = {"city": "КАЗАНЬ"}
    people["В"].save()
    planning.plan(timezone.now() + day)
    assert names(Delivery.objects.filter(run=Run.objects.latest("pk"))) == ["Б", "В"]


def test_a_follow_up_finds_who_joined_the_segment_since(owner, people):
    mailing = make(owner, segments=[factories.make_segment(owner)])
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    people["Г"].attributes = {"city": "Казань"}
    people["Г"].save()
    assert list(follow_ups.came_since(Run.objects.get())) == [people["Г"]]


@pytest.mark.parametrize(
    "conditions",
    [{"version": 99}, {"version": 1, "match": "all", "groups": [{"match": "all", "negated": False,
      "conditions": [{"kind": "list", "list_id": 987654321, "negated": True}]}]}],
    ids=["unreadable", "list is gone"],
)  # fmt: skip
def test_in_doubt_a_segment_sends_to_nobody(owner, people, conditions):
    broken = factories.make_segment(owner, conditions=conditions)
    mailing = make(owner, segments=[broken])
    assert not recipients.recipients_of(mailing).exists()
    around = make(owner, clients=list(people.values()), excluded_segments=[broken])
    assert not recipients.recipients_of(around).exists()


def test_a_segment_of_somebody_else_is_refused(client, owner, stranger, people):
    foreign = factories.make_segment(stranger)
    mailing = factories.make_mailing(owner)
    for name in ("segments", "excluded_segments"):
        data = MailingInput(**{name: [foreign]})
        with pytest.raises(PermissionDenied):
            editing.change_mailing(mailing=mailing, data=data, by=owner)
    speak(owner, "en")
    client.force_login(owner)
    cabinet = make_cabinet(owner)
    posted = mailing_data(cabinet, lists=None, segments=[foreign.pk])
    response = client.post(NEW, posted)
    assert response.status_code == 200
    assert "It is not there any more" in response.content.decode()
    assert client.get(f"{NEW}?segment={foreign.pk}").status_code == 404


def test_the_form_counts_and_says_the_segment_and_keeps_it(client, owner, people):
    speak(owner, "en")
    client.force_login(owner)
    cabinet = make_cabinet(owner, status="draft")
    segment = factories.make_segment(owner, name="Kazan")
    tver = {"kind": "text", "field": "detail:city", "test": "is", "value": "Тверь"}
    but = factories.make_segment(owner, tver, name="Tver")
    begun = client.get(f"{NEW}?segment={segment.pk}").context["form"]
    assert [row for row, ticked in begun.segment_picks if ticked] == [segment]
    data = mailing_data(
        cabinet, action="save", lists=None, segments=[segment.pk], excluded_segments=[but.pk]
    )
    page = client.post(NEW, data | {"action": "check"}).content.decode()
    assert "goes to <b>2 clients</b> from the segment “Kazan”, except the segment “Tver”" in page
    response = client.post(NEW, data)
    made = Mailing.objects.latest("pk")
    assert response.url == made.get_absolute_url()
    assert (list(made.segments.all()), list(made.excluded_segments.all())) == ([segment], [but])
    page = client.get(response.url).content.decode()
    assert "segment “Kazan”" in page
    assert "except the segment “Tver”" in page
    copied = client.get(f"{NEW}?copy={made.pk}").content.decode()
    assert "from the segment “Kazan”, except the segment “Tver”" in copied


def test_nobody_in_the_segment_is_said_at_the_field(client, owner):
    speak(owner, "en")
    client.force_login(owner)
    cabinet = make_cabinet(owner)
    empty = factories.make_segment(owner, more_than(10**6))
    response = client.post(NEW, mailing_data(cabinet, lists=None, segments=[empty.pk]))
    assert response.status_code == 200
    assert "Nobody would get this mailing." in response.content.decode()
