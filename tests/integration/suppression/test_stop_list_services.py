"""What people do with the stop-list, and what happens at the same moment."""

from threading import Barrier, Thread

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from wagtail.models import ModelLogEntry

from mailings import audit
from mailings.audit import Action
from mailings.campaigns import services as campaigns
from mailings.clients import history
from mailings.delivery.runs import planning
from mailings.errors import Invalid
from mailings.models import Client, Delivery, Suppression
from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.states import DeliveryStatus
from mailings.suppression import services, stop_list, unsubscribe_links
from mailings.suppression.services import (
    ChangedMeanwhile,
    EntriesInput,
    NotConfirmed,
    NothingLeft,
    Seen,
)
from mailings.suppression.unsubscribing import Reader
from tests import factories

R = SuppressionReason
ANNA = "anna@mail.example"

pytestmark = pytest.mark.django_db


def add(owner, text: str, *, by=None, **fields):
    return services.add(data=EntriesInput(addresses=text, **fields), owner=owner, by=by or owner)


def entry(owner, reason=R.MANUAL, address=ANNA, **fields) -> Suppression:
    stop_list.suppress(address, reason=reason, owner_id=owner and owner.pk, **fields)
    return Suppression.objects.get(owner=owner, address=address)


def seen(*rows: Suppression) -> list[Seen]:
    return [Seen(pk, stamp) for pk, stamp in services.stamps(rows).items()]


def take_out(owner, looked_at, *, by=None, reason="a typing error", **more):
    return services.take_out(seen=looked_at, owner=owner, by=by or owner, reason=reason, **more)


def reasons(owner) -> dict[str, str]:
    return dict(Suppression.objects.filter(owner=owner).values_list("address", "reason"))


def link_to(owner, address=ANNA) -> Reader:
    """Return whoever holds the link of a letter to the address."""
    client = factories.make_client(owner, email=address)
    run = factories.make_run(factories.make_mailing(owner, clients=[client]))
    delivery = factories.make_delivery(run, client)
    reader = Reader.of(unsubscribe_links.token(owner.pk, delivery.pk, delivery.address))
    assert reader is not None
    return reader


# ---------------------------------------------------------------- by hand, onto the list


def test_many_addresses_are_added_however_they_are_written(owner):
    text = (
        "Anna@Mail.example\n\nБорис <boris@mail.example>, vera@mail.example;\nanna@mail.example\n"
    )
    assert add(owner, text, note=" asked  by phone ") == (3, 0, 0)
    assert reasons(owner) == {
        ANNA: "manual", "boris@mail.example": "manual", "vera@mail.example": "manual",
    }  # fmt: skip
    assert set(Suppression.objects.values_list("source", flat=True)) == {"asked by phone"}
    logged = ModelLogEntry.objects.filter(action=Action.CREATE.value)
    assert {(e.user, audit.reason_of(e)) for e in logged} == {(owner, "asked by phone")}
    assert len(logged) == 3
    assert not any("@" in e.label for e in logged)
    assert not Client.objects.exists()


def by_hand(owner, mailboxes: list[str]) -> None:
    add(owner, "\n".join(mailboxes))


def by_reports(owner, mailboxes: list[str]) -> None:
    stop_list.suppress_all(stop_list.Entry(box, R.COMPLAINED, owner.pk) for box in mailboxes)


@pytest.mark.parametrize("door", [by_hand, by_reports])
def test_many_come_in_one_order_so_that_two_who_add_the_same_do_not_lock_each_other_out(
    owner, door
):
    door(owner, [f"{name}@mail.example" for name in ("vera", "anna", "boris")])
    found = Suppression.objects.order_by("pk").values_list("address", flat=True)
    assert list(found) == [f"{name}@mail.example" for name in ("anna", "boris", "vera")]


def test_who_is_added_gets_no_mail_in_any_spelling(owner):
    add(owner, "info@münchen.example")
    assert stop_list.suppressed_among(owner.pk, ["INFO@xn--mnchen-3ya.example"])


def test_each_faulty_line_is_named_and_then_nothing_is_added(owner):
    with pytest.raises(Invalid) as refused:
        add(owner, "anna@mail.example\nno address\nboris@\n\nvera@mail.example")
    said = [str(m) for m in refused.value.faults.message_dict["addresses"]]
    assert len(said) == 2
    assert ["2" in said[0], "no address" in said[0], "3" in said[1]] == [True] * 3
    assert not Suppression.objects.exists()


def test_hundreds_of_faulty_lines_are_not_all_said(owner):
    with pytest.raises(Invalid) as refused:
        add(owner, "nobody\n" * 100)
    said = refused.value.faults.message_dict["addresses"]
    assert len(said) == services.FAULTS_SHOWN + 1
    assert "80" in said[-1]


@pytest.mark.parametrize(
    ("text", "fields", "faulty"),
    [
        ("", {}, "addresses"),
        ("\n , ;\n", {}, "addresses"),
        ("a@mail.example\n" * 1001, {}, "addresses"),
        (ANNA, {"note": "x" * 201}, "note"),
        (ANNA, {"reason": R.UNSUBSCRIBED}, "reason"),
    ],
)  # fmt: skip
def test_what_is_refused(owner, text, fields, faulty):
    with pytest.raises(Invalid) as refused:
        add(owner, text, **fields)
    assert faulty in refused.value.faults.error_dict
    assert not Suppression.objects.exists()


def test_adding_takes_no_query_for_each_address(owner):
    def count(text: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            add(owner, text, reason=R.COMPLAINED)
        return len(captured)

    count("first@mail.example")  # content types are known then
    one = count("one@mail.example")
    # SQLite takes so many values a statement: rows go in by the hundred.
    assert count("\n".join(f"n{n}@mail.example" for n in range(100))) <= one + 2


@pytest.mark.parametrize(
    ("before", "said", "after", "came"),
    [
        (R.UNSUBSCRIBED, R.MANUAL, R.UNSUBSCRIBED, (0, 0, 1)),
        (R.UNSUBSCRIBED, R.COMPLAINED, R.UNSUBSCRIBED, (0, 0, 1)),
        (R.BOUNCED, R.MANUAL, R.BOUNCED, (0, 0, 1)),
        (R.BOUNCED, R.COMPLAINED, R.COMPLAINED, (0, 1, 0)),
        (R.MANUAL, R.COMPLAINED, R.COMPLAINED, (0, 1, 0)),
    ],
)
def test_only_the_persons_own_wish_takes_the_place_of_another_reason(
    owner, before, said, after, came
):
    row = entry(owner, before, source="as it was")
    assert add(owner, ANNA, reason=said, note="told us") == came
    assert reasons(owner) == {ANNA: after}
    row.refresh_from_db()
    assert row.source == ("told us" if came[1] else "as it was")


def test_a_stranger_adds_nothing_to_the_list_of_an_owner(owner, stranger, manager):
    for who in (stranger, manager):
        with pytest.raises(PermissionDenied):
            add(owner, ANNA, by=who)
    owner.is_active = False
    owner.save(update_fields=["is_active"])
    with pytest.raises(PermissionDenied):
        add(owner, ANNA)
    assert not Suppression.objects.exists()


def test_nothing_is_added_for_a_user_who_has_just_been_deleted(owner, superuser):
    there = type(owner).objects.get(pk=owner.pk)
    owner.delete()
    with pytest.raises(PermissionDenied):
        add(there, ANNA)
    assert not Suppression.objects.exists()


# ---------------------------------------------------------------- for everybody


def test_managers_bar_an_address_for_everybody_and_say_why(owner, stranger, manager):
    with pytest.raises(Invalid) as refused:
        add(None, ANNA, by=manager)
    assert "note" in refused.value.faults.error_dict
    assert add(None, ANNA, by=manager, note="a trap for spammers") == (1, 0, 0)
    for who in (owner, stranger):
        assert stop_list.reasons_among(who.pk, [ANNA]) == {ANNA: "manual"}
    with pytest.raises(PermissionDenied):
        add(None, ANNA, by=owner, note="mine")
    taken = take_out(None, seen(Suppression.objects.get()), by=manager, reason="it was not")
    assert taken == (1, [])
    assert not stop_list.suppressed_among(owner.pk, [ANNA])


def test_neither_takes_off_what_is_the_others(owner, manager):
    own, everybodys = entry(owner), entry(None)
    for rows, whose, by in ((own, None, manager), (everybodys, owner, owner)):
        with pytest.raises(NothingLeft):
            take_out(whose, seen(rows), by=by)
    with pytest.raises(PermissionDenied):
        take_out(owner, seen(own), by=manager)
    with pytest.raises(PermissionDenied):
        take_out(None, seen(everybodys), by=owner)
    assert Suppression.objects.count() == 2


# ---------------------------------------------------------------- off the list


def test_a_typing_error_is_taken_off_and_its_client_remembers(owner):
    anna = factories.make_client(owner, email="Anna@mail.example")
    row = entry(owner)
    assert take_out(owner, seen(row), reason="it was\nanother Anna") == (1, [])
    assert not Suppression.objects.exists()
    logged = ModelLogEntry.objects.get(action=Action.DELETE.value, object_id=str(row.pk))
    assert (logged.user, audit.reason_of(logged)) == (owner, "it was\nanother Anna")
    told = history.events(anna)[0]
    assert (told.icon, told.detail) == ("mail-check", "it was\nanother Anna")


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
def test_nobody_is_let_in_without_a_reason(owner, reason):
    row = entry(owner)
    with pytest.raises(Invalid) as refused:
        take_out(owner, seen(row), reason=reason)
    assert "reason" in refused.value.faults.error_dict
    assert Suppression.objects.exists()


@pytest.mark.parametrize("reason", [R.UNSUBSCRIBED, R.COMPLAINED])
def test_a_persons_own_wish_is_lifted_only_by_whoever_says_they_know_it(owner, reason):
    rows = entry(owner, reason), entry(owner, R.MANUAL, "boris@mail.example")
    with pytest.raises(NotConfirmed):
        take_out(owner, seen(*rows))
    assert Suppression.objects.count() == 2  # all or none
    assert take_out(owner, seen(*rows), confirmed=True).number == 2


def test_a_second_click_finds_nothing_and_logs_nothing(owner):
    looked_at = seen(entry(owner))
    take_out(owner, looked_at)
    logged = ModelLogEntry.objects.count()
    with pytest.raises(NothingLeft):
        take_out(owner, looked_at)
    assert ModelLogEntry.objects.count() == logged


def test_what_is_gone_already_holds_up_nobody_else(owner):
    one, two = entry(owner), entry(owner, address="boris@mail.example")
    looked_at = seen(one, two)
    take_out(owner, seen(one))
    assert take_out(owner, looked_at).number == 1


def test_who_is_on_the_list_of_everybody_is_named_as_still_without_mail(owner):
    entry(None)
    assert take_out(owner, seen(entry(owner))) == (1, [ANNA])


def test_taking_off_takes_the_same_queries_for_one_and_for_many(owner):
    def count(number: int) -> int:
        rows = [entry(owner, address=f"n{n}@mail.example") for n in range(number)]
        factories.make_client(owner, email="n0@mail.example")
        looked_at = seen(*rows)
        with CaptureQueriesContext(connection) as captured:
            take_out(owner, looked_at)
        Client.objects.all().delete()
        return len(captured)

    count(1)
    assert count(1) == count(40)


# ---------------------------------------------------------------- at the same moment


def test_who_unsubscribes_after_the_owner_looked_stays_on_the_list(owner):
    reader = link_to(owner)
    looked_at = seen(entry(owner, R.BOUNCED))
    reader.unsubscribe(SuppressionSource.LINK)
    with pytest.raises(ChangedMeanwhile):
        take_out(owner, looked_at, confirmed=True)
    assert reasons(owner) == {ANNA: "unsubscribed"}


def test_who_repeats_their_wish_after_the_owner_looked_stays_on_the_list(owner):
    reader = link_to(owner)
    reader.unsubscribe(SuppressionSource.LINK)
    row = Suppression.objects.get()
    looked_at = seen(row)
    for _time in range(3):
        reader.unsubscribe(SuppressionSource.ONE_CLICK)
    with pytest.raises(ChangedMeanwhile):
        take_out(owner, looked_at, confirmed=True)
    assert Suppression.objects.get() == row
    again = ModelLogEntry.objects.filter(action=Action.UNSUBSCRIBE_AGAIN.value)
    assert again.count() == 1  # however often a program presses the button
    assert take_out(owner, seen(row), confirmed=True).number == 1


def test_who_was_taken_off_and_added_again_is_another_entry(owner):
    looked_at = seen(entry(owner))
    take_out(owner, looked_at)
    add(owner, ANNA)
    Suppression.objects.update(id=looked_at[0].pk)  # as a database may give a number twice
    with pytest.raises(ChangedMeanwhile):
        take_out(owner, looked_at)


def together(*acts) -> list[Exception]:
    """Begin all at the same moment; return what went wrong."""
    barrier, faults = Barrier(len(acts)), []

    def run(act) -> None:
        try:
            barrier.wait()
            act()
        except Exception as error:  # noqa: BLE001 - said by the test
            faults.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run, args=[act]) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return faults


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("before", [R.BOUNCED, R.UNSUBSCRIBED])
def test_unsubscribing_while_the_owner_lets_in_is_never_lost(owner, before):
    """Whichever comes first: at the end the person is on the list by their own wish."""
    reader = link_to(owner)
    for _round in range(4):
        Suppression.objects.all().delete()
        looked_at = seen(entry(owner, before))
        faults = together(
            lambda looked_at=looked_at: take_out(owner, looked_at, confirmed=True),
            lambda: reader.unsubscribe(SuppressionSource.LINK),
        )
        assert [fault for fault in faults if not isinstance(fault, ChangedMeanwhile)] == []
        assert reasons(owner) == {ANNA: "unsubscribed"}


@pytest.mark.django_db(transaction=True)
def test_unsubscribing_while_the_owner_adds_is_the_persons_own_wish(owner):
    reader = link_to(owner)
    for _round in range(6):
        Suppression.objects.all().delete()
        assert together(
            lambda: add(owner, ANNA), lambda: reader.unsubscribe(SuppressionSource.LINK)
        ) == []  # fmt: skip
        assert reasons(owner) == {ANNA: "unsubscribed"}


@pytest.mark.django_db(transaction=True)
def test_two_who_take_off_the_same_entry_log_it_once(owner):
    looked_at = seen(entry(owner))
    faults = together(*[lambda: take_out(owner, looked_at)] * 2)
    assert [type(fault) for fault in faults] == [NothingLeft]
    assert ModelLogEntry.objects.filter(action=Action.DELETE.value).count() == 1


def test_who_is_let_in_while_a_run_is_under_way_waits_for_the_next_one(owner):
    anna = factories.make_client(owner, email=ANNA)
    mailing = factories.make_mailing(owner, clients=[anna, factories.make_client(owner)])
    barred = entry(owner)
    campaigns.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    take_out(owner, seen(barred))
    states = dict(Delivery.objects.values_list("address", "status"))
    assert states[ANNA] == DeliveryStatus.SKIPPED
    planning.plan(timezone.now())  # nothing of the run is made anew
    assert dict(Delivery.objects.values_list("address", "status")) == states
