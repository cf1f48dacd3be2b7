"""Segments in the cabinet: built row by row, with JavaScript or without; copied, deleted."""

import re
from datetime import date
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.db.utils import IntegrityError
from django.urls import reverse
from django.utils.translation import override

from mailings.clients.segments import builder, counting, examples, reading, services
from mailings.clients.segments import conditions as c
from mailings.clients.segments.conditions import Definition, Group
from mailings.clients.segments.services import SegmentInput
from mailings.clients.services import ListInput, create_list, delete_list
from mailings.errors import Refused
from mailings.models import Client, Segment
from tests import factories
from tests.integration.cabinet import speak
from tests.integration.test_use_cases import both, wait_for_a_waiter

pytestmark = pytest.mark.django_db

NEW = "/app/segments/new/"


@pytest.fixture(autouse=True)
def signed_in(client, owner):
    speak(owner, "en")
    client.force_login(owner)


def rows(*told: tuple[str, str, str], **more: Any) -> dict[str, Any]:
    """Return a form with one group of these rows, as a browser posts it."""
    data = {"name": "Kazan", "match": "all", "g0_match": "all", "do": "save"}
    for number, parts in enumerate(told):
        for name, value in zip(("what", "how", "value"), parts, strict=True):
            data[f"g0r{number}_{name}"] = value
    return data | more


CITY = ("detail:city", "is", "Казань")
SILENT = ("letters", "-days", "30")


def body(response) -> str:
    return response.content.decode()


def test_a_segment_is_built_saved_and_said_in_words(client, owner):
    factories.make_client(owner, attributes={"city": "Казань"})
    factories.make_client(owner, attributes={"city": "Тверь"})
    response = client.post(NEW, rows(CITY, SILENT))
    segment = Segment.objects.get()
    assert response.url == segment.get_absolute_url()
    page = body(client.get(response.url))
    said = "Clients whose city is “Казань” and who got no letter for 30 days."
    assert said in page
    assert re.search(r">1</b> client is like this", page)
    assert said.removesuffix(".") in body(client.get("/app/segments/"))
    shown = body(client.get(f"/app/clients/?segment={segment.pk}"))
    assert shown.count('data-label="State"') == 1


def test_rows_and_groups_come_and_go_by_buttons(client):
    page = body(client.post(NEW, rows(CITY, do="add:0")))
    assert "g0r1_what" in page
    assert 'value="Казань"' in page
    page = body(client.post(NEW, rows(CITY, SILENT, do="take:0:0")))
    assert "g0r1_what" not in page
    assert 'value="30"' in page
    page = body(client.post(NEW, rows(CITY, do="group")))
    assert "g1r0_what" in page
    assert "all have to hold" in page
    two = rows(CITY, do="ungroup:0") | {
        "g1_match": "any", "g1r0_what": "email", "g1r0_how": "contains", "g1r0_value": "anna",
    }  # fmt: skip
    page = body(client.post(NEW, two))
    assert "g1r0_what" not in page
    assert 'value="anna"' in page
    assert not Segment.objects.exists()


def test_another_subject_brings_its_own_comparisons_and_keeps_what_fits(client):
    page = body(client.post(NEW, rows(("list", "is", "Казань"), do="look")))
    assert "is one of its clients" in page
    assert 'value="Казань"' not in page
    page = body(client.post(NEW, rows(("email", "is", "Казань"), do="look")))
    assert 'value="Казань"' in page


def test_live_parts_hold_the_rows_and_the_count(client, owner):
    factories.make_client(owner, attributes={"city": "Казань"})
    headers = {"HX-Request": "true", "HX-Target": "segment-found"}
    part = body(client.post(NEW, rows(CITY, do=""), headers=headers))
    assert "<html" not in part
    assert ">1</b> client is like this" in part
    headers["HX-Target"] = "segment-builder"
    part = body(client.post(NEW, rows(CITY, do="add:0"), headers=headers))
    assert "<html" not in part
    assert "g0r1_what" in part
    assert 'id="segment-found" hx-swap-oob="innerHTML"' in part


FAULTY = {
    "no text": (("full_name", "is", " "), "Write or choose what to compare with."),
    "long text": (("full_name", "is", "n" * 201), "No more than 200 characters."),
    "no number": (("detail:sum", "more", "many"), "Write a number"),
    "no day": (("consent_at", "on", "yesterday"), "Choose a date"),
    "no days": (("letters", "days", "0"), "Write a number of days from 1 to 3650."),
    "days of a lifetime": (("letters", "-days", "99999"), "from 1 to 3650"),
    "no list": (("list", "on_list", ""), "Write or choose what to compare with."),
    "foreign test": (("full_name", "more", "5"), "Choose how to compare."),
    "unknown subject": (("password", "is", "x"), "Choose how to compare."),
    "SQL in a name": (("detail:a'); DROP", "is", "x"), "Choose what to look at."),
    "no reason": (("state", "reason", ""), "Choose one of those"),
    "unknown reason": (("state", "reason", "boredom"), "is not there any more"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_what_cannot_be_asked_is_said_at_its_row(client, kind):
    row, said = FAULTY[kind]
    response = client.post(NEW, rows(CITY, row))
    assert response.status_code == 200
    page = body(response)
    assert said in page
    assert 'id="id_g0r1_fault"' in page
    assert "id_g0r0_fault" not in page
    assert not Segment.objects.exists()


def test_lists_and_mailings_of_others_are_not_there(client, stranger):
    foreign = factories.make_list(stranger)
    mailing = factories.make_mailing(stranger)
    run = factories.make_run(mailing)
    for row in [
        ("list", "-on_list", str(foreign.pk)),
        ("mailing", "got", f"mailing:{mailing.pk}"),
        ("mailing", "-got", f"run:{run.pk}"),
    ]:
        page = body(client.post(NEW, rows(row)))
        assert "is not there any more" in page
        assert foreign.name not in page
        assert mailing.name not in page
    assert not Segment.objects.exists()


def test_more_conditions_than_may_be_are_refused(client):
    page = body(client.post(NEW, rows(*[CITY] * (c.MAX_CONDITIONS + 1))))
    assert "No more than 50 conditions in 10 groups." in page
    thousand = rows(*[CITY] * 1000)
    assert client.post(NEW, thousand).status_code in (200, 400)
    assert not Segment.objects.exists()


def test_a_name_is_one_segment(client, owner):
    factories.make_segment(owner, name="Kazan")
    assert "You already have a segment with this name." in body(client.post(NEW, rows(CITY)))


@pytest.mark.parametrize("example", examples.EXAMPLES, ids=lambda example: example.key)
def test_an_example_opens_whole_and_can_be_saved(client, owner, example):
    factories.make_client(owner, attributes={"город": "Казань"})
    page = body(client.get(f"{NEW}?example={example.key}"))
    assert "is like this" in page or "are like this" in page
    definition = example.definition(["город"])
    data = services.SegmentInput(name=example.key, definition=definition)
    made = services.create_segment(data=data, owner=owner, by=owner)
    assert reading.read(made.conditions) == definition


def test_there_are_ten_examples():
    assert len({example.key for example in examples.EXAMPLES}) == 10


def test_a_filter_of_clients_becomes_a_segment(client, owner):
    on = factories.make_list(owner)
    anna = factories.make_client(owner, full_name="Anna")
    factories.make_client(owner, full_name="Anna")
    on.clients.add(anna)
    query = f"q=anna&on={on.pk}&state=active&consent=no"
    link = re.search(
        r'href="([^"]+)">\s*Save as a segment', body(client.get(f"/app/clients/?{query}"))
    )
    page = body(client.get(link[1].replace("&amp;", "&")))
    assert ">1</b> client is like this" in page


def test_a_run_begins_a_segment_of_those_it_did_not_reach(client, owner):
    run = factories.make_run(factories.make_mailing(owner, name="Advent"))
    assert "who did not get “Advent”" in body(client.get(f"{NEW}?run={run.pk}"))


def test_a_segment_is_copied_and_deleted(client, owner):
    segment = factories.make_segment(owner, name="Kazan")
    client.post(reverse("mailings:segment_copy", args=[segment.pk]))
    copied = Segment.objects.get(name="Kazan – copy")
    assert copied.conditions == segment.conditions
    address = reverse("mailings:segment_delete", args=[segment.pk])
    assert "Delete segment “Kazan”?" in body(client.get(address))
    client.post(address)
    assert list(Segment.objects.all()) == [copied]


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_copy_at_once_make_a_copy_each(owner):
    segment = factories.make_segment(owner, name="Kazan")

    def make() -> str:
        with override("en"):
            return services.duplicate_segment(segment=segment, by=owner).name

    assert both(make, make) == ["Kazan – copy 2"]


def test_there_is_a_most_of_segments(owner, monkeypatch):
    monkeypatch.setattr(services, "MAX_SEGMENTS", 2)
    segment = factories.make_segment(owner)
    services.duplicate_segment(segment=segment, by=owner)
    one_more = SegmentInput(name="Third", definition=reading.read(segment.conditions))
    with override("en"), pytest.raises(Refused, match="No more than 2 segments"):
        services.create_segment(data=one_more, owner=owner, by=owner)
    with override("en"), pytest.raises(Refused, match="No more than 2 segments"):
        services.duplicate_segment(segment=segment, by=owner)
    assert Segment.objects.count() == 2


def test_a_segment_that_a_mailing_relies_on_is_not_deleted(client, owner):
    for relation in ("segments", "excluded_segments"):
        segment = factories.make_segment(owner)
        mailing = factories.make_mailing(owner)
        getattr(mailing, relation).add(segment)
        assert mailing.name in body(client.get(segment.get_absolute_url()))
        with pytest.raises(Refused, match=re.escape(mailing.name)):
            services.delete_segment(segment=segment, by=owner)
        mailing.status = "cancelled"
        mailing.save(update_fields=["status"])
        services.delete_segment(segment=segment, by=owner)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["list", "segment"])
def test_a_mailing_that_begins_to_leave_it_out_meanwhile_never_loses_that_unsaid(
    owner, monkeypatch, kind
):
    mailing, found = factories.make_mailing(owner), list[str]()
    row: Any = {"list": factories.make_list, "segment": factories.make_segment}[kind](owner)
    pk = row.pk

    def leave_out() -> None:
        try:
            getattr(mailing, f"excluded_{kind}s").add(pk)
            found.append("added")
        except IntegrityError:
            found.append("told")
        connection.close()

    other_tab = Thread(target=leave_out)

    def between_looking_and_deleting(*args: Any, **kwargs: Any) -> None:
        other_tab.start()
        wait_for_a_waiter()

    monkeypatch.setattr(services.audit, "record", between_looking_and_deleting)
    if kind == "list":
        delete_list(client_list=row, by=owner)
    else:
        services.delete_segment(segment=row, by=owner)
    other_tab.join(20)
    assert found == ["told"]


def test_a_list_and_a_mailing_that_a_segment_asks_for_are_not_deleted(owner):
    from mailings.campaigns.services import delete_mailing

    on = create_list(data=ListInput(name="Readers"), owner=owner, by=owner)
    mailing = factories.make_mailing(owner)
    run = factories.make_run(mailing, status="done")
    not_on = {"kind": "list", "list_id": on.pk, "negated": True}
    of_run = {"kind": "mailing", "test": "got", "run_id": run.pk, "negated": True}
    first = factories.make_segment(owner, not_on, name="Not readers")
    second = factories.make_segment(owner, of_run, name="Not reached")
    with pytest.raises(Refused, match="Not readers"):
        delete_list(client_list=on, by=owner)
    with pytest.raises(Refused, match="Not reached"):
        delete_mailing(mailing=mailing, by=owner)
    services.delete_segment(segment=first, by=owner)
    services.delete_segment(segment=second, by=owner)
    delete_list(client_list=on, by=owner)
    delete_mailing(mailing=mailing, by=owner)


def test_a_segment_that_cannot_be_read_says_so_and_can_be_built_anew(client, owner):
    segment = factories.make_segment(owner, conditions={"version": 99})
    page = body(client.get(segment.get_absolute_url()))
    assert "cannot be asked" in page
    assert "of another version of the service.</p>" in page
    address = reverse("mailings:segment_update", args=[segment.pk])
    assert "Build them anew" in body(client.get(address))
    client.post(address, rows(CITY, name=segment.name))
    segment.refresh_from_db()
    assert reading.read(segment.conditions)


def test_pages_ask_as_often_for_many_segments_as_for_one(
    client, owner, django_assert_num_queries, django_assert_max_num_queries
):
    on = factories.make_list(owner)
    for _ in range(5):
        factories.make_segment(owner, {"kind": "list", "list_id": on.pk})
    with django_assert_max_num_queries(12) as few:
        client.get("/app/segments/")
    for _ in range(10):
        factories.make_segment(owner, {"kind": "list", "list_id": on.pk})
    with django_assert_num_queries(len(few)):
        client.get("/app/segments/")


def test_a_count_that_takes_too_long_is_given_up(owner):
    factories.make_clients(owner, 3)
    slow = Client.objects.filter(owner=owner)
    for _ in range(4):  # every pair with every pair, and again
        slow = slow | Client.objects.filter(lists__clients__lists__clients__owner=owner)
    assert counting.count(Client.objects.filter(owner=owner)) == 3
    many = factories.make_list(owner, factories.make_clients(owner, 40))
    assert many.pk
    asked = Client.objects.filter(lists__clients__lists__clients__lists__clients__owner=owner)
    counting_was, counting.LOOK_EVERY = counting.LOOK_EVERY, 100
    try:
        assert counting.count(asked.values("pk", "lists__clients__pk"), within=0.001) is None
    finally:
        counting.LOOK_EVERY = counting_was
    assert counting.count(Client.objects.filter(owner=owner)) == 43


ROUND = [
    c.TextCondition(field="detail:city", test=c.TextTest.CONTAINS, value="К", negated=True),
    c.NumberCondition(field="detail:sum", test=c.NumberTest.LESS, value=9.5, negated=True),
    c.DateCondition(field="consent_at", test=c.DateTest.AFTER, day=date(2026, 1, 2)),
    c.AgeCondition(field="created_at", test=c.AgeTest.OLDER, days=7, negated=True),
    c.AnniversaryCondition(field="detail:born", negated=True),
    c.ListCondition(list_id=5),
    c.ConsentCondition(negated=True),
    c.OriginCondition(came_by="hand"),
    c.LettersCondition(days=3),
    c.LettersCondition(negated=True),
    c.MailingCondition(test=c.MailingTest.FAILED, mailing_id=3, negated=True),
    c.MailingCondition(test=c.MailingTest.RETURNED, run_id=3),
    c.StateCondition(negated=True),
    c.StateCondition(reason="bounced"),
]


@pytest.mark.parametrize("condition", ROUND, ids=lambda one: one.kind)
def test_every_condition_has_rows_that_say_the_same(condition):
    definition = Definition(groups=(Group(conditions=(condition,)),))
    draft = builder.of(definition)
    assert draft.read() == definition
    assert draft.boxes[0].rows[0].ways
