"""Making and changing clients, lists, messages and mailings: the same rules for every door."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.utils import timezone, translation

from mailings.campaigns import audience, editing, follow_ups, services
from mailings.campaigns.editing import MailingInput
from mailings.clients import services as clients
from mailings.clients.importing import services as imports
from mailings.clients.services import ClientInput, ListInput
from mailings.errors import Invalid, Refused
from mailings.messages import drafts
from mailings.messages import services as messages
from mailings.messages.services import MessageInput
from mailings.models import Client, ClientList, Mailing, Message, MessageDraft
from mailings.states import MailingStatus, RunStatus
from tests import factories

pytestmark = pytest.mark.django_db

BODY = "<p>Hello!</p>"


@pytest.fixture(autouse=True)
def english() -> Iterator[None]:
    with translation.override("en"):
        yield


@contextmanager
def at(*fields: str) -> Iterator[None]:
    """Expect that exactly these fields are refused."""
    with pytest.raises(Invalid) as refusal:
        yield
    assert set(refusal.value.faults.error_dict) == set(fields)
    assert str(refusal.value)


# ---------------------------------------------------------------- clients


def test_a_client_is_added_as_it_is_kept(owner):
    on = factories.make_list(owner)
    data = ClientInput(
        email=" An\u200bna@Пример.рф ",
        full_name=" Anna\u00a0Orlova\u200b ",
        comment="keeps\nlines",
        attributes={"city": " Tver\u200b"},
        consent_source="a form",
        consent_at=date(2026, 1, 2),
        lists=[on],
    )
    made = clients.create_client(data=data, owner=owner, by=owner)
    made.refresh_from_db()
    assert (made.email, made.email_normalised) == (
        "Anna@Пример.рф",
        "anna@xn--e1afmkfd.xn--p1ai",
    )
    assert (made.full_name, made.comment) == ("Anna Orlova", "keeps\nlines")
    assert made.attributes == {"city": "Tver"}
    assert list(made.lists.all()) == [on]


def test_a_change_touches_what_is_given_only(owner):
    on = factories.make_list(owner)
    made = factories.make_client(owner, comment="old", consent_at=date(2026, 1, 2))
    made.lists.set([on])
    Client.objects.filter(pk=made.pk).update(comment="of another tab")
    clients.change_client(client=made, data=ClientInput(full_name="New"), by=owner)
    made.refresh_from_db()
    assert (made.full_name, made.comment) == ("New", "of another tab")
    assert (made.consent_at, list(made.lists.all())) == (date(2026, 1, 2), [on])
    clients.change_client(client=made, data=ClientInput(consent_at=None, lists=[]), by=owner)
    made.refresh_from_db()
    assert (made.consent_at, list(made.lists.all())) == (None, [])


def test_a_changed_address_is_another_mailbox(owner):
    made = factories.make_client(owner)
    clients.change_client(client=made, data=ClientInput(email="New@Mail.example"), by=owner)
    made.refresh_from_db()
    assert (made.email, made.email_normalised) == ("New@Mail.example", "new@mail.example")


FAULTY_CLIENTS: dict[str, tuple[dict[str, Any], str]] = {
    "no address": ({}, "email"),
    "not an address": ({"email": "anna"}, "email"),
    "two alphabets": ({"email": "anna@mаil.example"}, "email"),
    "long name": ({"full_name": "n" * 201}, "full_name"),
    "long consent": ({"consent_source": "n" * 201}, "consent_source"),
    "name of a detail": ({"attributes": {"my city": "Tver"}}, "attributes"),
    "long detail": ({"attributes": {"city": "n" * 1001}}, "attributes"),
    "many details": ({"attributes": {f"n{i}": "" for i in range(51)}}, "attributes"),
}


@pytest.mark.parametrize("kind", FAULTY_CLIENTS)
def test_a_faulty_client_is_refused_at_its_field(owner, kind):
    fields, field = FAULTY_CLIENTS[kind]
    data = ClientInput(**({"email": "anna@mail.example"} if fields else {}) | fields)
    with at(field):
        clients.create_client(data=data, owner=owner, by=owner)
    assert not Client.objects.exists()


def test_all_faults_are_said_at_once(owner):
    with at("email", "full_name", "attributes"):
        data = ClientInput(email="?", full_name="n" * 201, attributes={"": ""})
        clients.create_client(data=data, owner=owner, by=owner)


def test_a_mailbox_is_one_client(owner, stranger):
    factories.make_client(stranger, email="anna@mail.example")
    there = factories.make_client(owner, email="Anna@mail.example")
    other = factories.make_client(owner)
    again = ClientInput(email="ANNA@mail.example")
    with pytest.raises(clients.DuplicateClient) as refusal:
        clients.create_client(data=again, owner=owner, by=owner)
    assert refusal.value.faults.message_dict == {
        "email": ["You already have a client with this address."]
    }
    with pytest.raises(clients.DuplicateClient):
        clients.change_client(client=other, data=again, by=owner)
    clients.change_client(client=there, data=again, by=owner)  # itself, spelt anew
    assert Client.objects.filter(owner=owner).count() == 2


def test_a_client_goes_on_own_lists_only(owner, stranger):
    foreign = factories.make_list(stranger)
    data = ClientInput(email="anna@mail.example", lists=[foreign])
    with pytest.raises(PermissionDenied):
        clients.create_client(data=data, owner=owner, by=owner)
    there = factories.make_client(owner)
    with pytest.raises(PermissionDenied):
        clients.change_client(client=there, data=ClientInput(lists=[foreign]), by=owner)


# ---------------------------------------------------------------- lists


def test_a_list_is_made_and_renamed(owner):
    made = clients.create_list(data=ListInput(name=" Readers\u200b "), owner=owner, by=owner)
    assert made.name == "Readers"
    clients.change_list(client_list=made, data=ListInput(name="Buyers"), by=owner)
    assert ClientList.objects.get().name == "Buyers"


@pytest.mark.parametrize("name", ["", "  ", "n" * 121])
def test_a_list_needs_a_name_that_fits(owner, name):
    with at("name"):
        clients.create_list(data=ListInput(name=name), owner=owner, by=owner)


def test_a_name_is_one_list(owner, stranger):
    factories.make_list(stranger, name="Readers")
    there = factories.make_list(owner, name="Readers")
    other = factories.make_list(owner, name="Buyers")
    with pytest.raises(clients.DuplicateList, match="You already have a list with this name"):
        clients.create_list(data=ListInput(name="Readers "), owner=owner, by=owner)
    with pytest.raises(clients.DuplicateList):
        clients.change_list(client_list=other, data=ListInput(name="Readers"), by=owner)
    clients.change_list(client_list=there, data=ListInput(name="Readers"), by=owner)
    assert clients.list_named(name="Readers", owner=owner, by=owner) == there


def test_an_import_names_its_list_by_the_same_rule(owner):
    row = factories.make_import(owner)
    order = {"row": row, "by": owner, "mapping": ["email", "full_name"], "target": None}
    with at("name"):
        imports.check(**order, new_list="n" * 121, consent="a form")
    factories.make_list(owner, name="There already")
    imports.check(**order, new_list="There already", consent="a form")


# ---------------------------------------------------------------- two at once


def both(first: Callable[[], Any], second: Callable[[], Any]) -> list[Any]:
    """Run `second` in another transaction while that of `first` is not committed; return what
    became of it."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(second())
        except Refused as refusal:
            found.append(refusal)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    with transaction.atomic():
        first()
        thread.start()
        wait_for_a_waiter()
    thread.join(20)
    return found


def wait_for_a_waiter() -> None:
    """Wait until another transaction waits for this one; SQLite lets it begin after this one."""
    deadline = time.monotonic() + 10
    while connection.vendor == "postgresql" and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_clear_snapshot()")  # or it looks at the first one again
            cursor.execute(
                "SELECT 1 FROM pg_stat_activity"
                " WHERE pg_backend_pid() = ANY (pg_blocking_pids(pid))"
            )
            if cursor.fetchone():
                return
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_add_a_client_at_once_one_is_told(owner):
    def add(email: str) -> Client:
        return clients.create_client(data=ClientInput(email=email), owner=owner, by=owner)

    found = both(lambda: add("anna@mail.example"), lambda: add("Anna@mail.example"))
    assert isinstance(found[0], clients.DuplicateClient)
    assert found[0].faults.message_dict.keys() == {"email"}
    assert Client.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_who_change_to_one_address_one_is_told(owner):
    rows = factories.make_clients(owner, 2)
    data = ClientInput(email="anna@mail.example")

    def change(row: Client) -> Client:
        return clients.change_client(client=row, data=data, by=owner)

    found = both(lambda: change(rows[0]), lambda: change(rows[1]))
    assert isinstance(found[0], clients.DuplicateClient)


@pytest.mark.django_db(transaction=True)
def test_of_two_who_make_a_list_at_once_one_is_told(owner):
    def make() -> ClientList:
        return clients.create_list(data=ListInput(name="Readers"), owner=owner, by=owner)

    assert isinstance(both(make, make)[0], clients.DuplicateList)
    assert ClientList.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_imports_that_name_one_list_share_it(owner):
    def named() -> ClientList:
        return clients.list_named(name="Readers", owner=owner, by=owner)

    assert both(named, named) == [ClientList.objects.get()]


# ---------------------------------------------------------------- messages


def test_a_message_is_made_fit_to_be_sent(owner):
    data = MessageInput(
        subject=" News ", body='<div onclick="x()">Hello <u>all</u></div><script>1</script>'
    )
    made = messages.create_message(data=data, owner=owner, by=owner)
    made.refresh_from_db()
    assert (made.subject, made.body) == ("News", "<p>Hello <em>all</em></p>")
    assert (made.layout, made.text, made.version) == ("letter", "", 1)


FAULTY_MESSAGES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "nothing": ({"subject": "", "body": ""}, {"subject", "body"}),
    "two lines": ({"subject": "a\nb"}, {"subject"}),
    "long subject": ({"subject": "n" * 201}, {"subject"}),
    "long preheader": ({"preheader": "n" * 201}, {"preheader"}),
    "unknown variable": ({"preheader": "{{ citi }}"}, {"preheader"}),
    "unclosed variable": ({"body": "<p>{{ full_name</p>"}, {"body"}),
    "variable in the text": ({"text": "{{ citi }}"}, {"text"}),
    "a script for a link": ({"body": '<p><a href="javascript:1">x</a></p>'}, {"body"}),
    "a monster": ({"body": "<p>" + "n" * 200_001}, {"body"}),
    "no such layout": ({"layout": "poster"}, {"layout"}),
    "a null": ({"text": "a\x00b"}, {"text"}),
}


@pytest.mark.parametrize("kind", FAULTY_MESSAGES)
def test_a_faulty_message_is_refused_at_its_field(owner, kind):
    fields, refused = FAULTY_MESSAGES[kind]
    with at(*refused):
        data = MessageInput(**{"subject": "News", "body": BODY} | fields)
        messages.create_message(data=data, owner=owner, by=owner)
    assert not Message.objects.exists()
    there = factories.make_message(owner)
    with at(*refused):
        messages.change_message(message=there, data=MessageInput(**fields), by=owner)


def test_a_picture_of_somebody_else_is_refused(owner, stranger):
    picture = factories.make_picture(stranger)
    with at("body"):
        data = MessageInput(subject="News", body=f'<img src="{picture.address}" alt="A">')
        messages.create_message(data=data, owner=owner, by=owner)


def test_a_variable_that_some_client_has_may_stand_in_a_message(owner):
    factories.make_client(owner, attributes={"city": "Tver"})
    data = MessageInput(subject="In {{ city }}", body=BODY)
    assert messages.create_message(data=data, owner=owner, by=owner).pk


def test_a_part_of_a_message_is_changed(owner):
    there = factories.make_message(owner, preheader="old")
    messages.change_message(message=there, data=MessageInput(subject="New"), by=owner, seen=1)
    there.refresh_from_db()
    assert (there.subject, there.preheader, there.version) == ("New", "old", 2)


def test_nobody_writes_over_what_they_have_not_seen(owner):
    there = factories.make_message(owner)
    mine = Message.objects.get(pk=there.pk)
    messages.change_message(message=there, data=MessageInput(subject="Theirs"), by=owner, seen=1)
    with pytest.raises(drafts.Changed) as refusal:
        messages.change_message(message=mine, data=MessageInput(subject="Mine"), by=owner, seen=1)
    assert refusal.value.other.content["subject"] == "Theirs"
    assert (refusal.value.other.version, Message.objects.get().subject) == (2, "Theirs")


def test_the_draft_that_is_saved_goes(owner):
    def keep(message: Message | None, subject: str, key: str = "") -> drafts.Written:
        written = drafts.content_of({"subject": subject, "body": BODY})
        kept = drafts.keep(
            owner=owner, message=message, key=key, content=written,
            seen=1, revision="", now=timezone.now(),
        )  # fmt: skip
        assert isinstance(kept, drafts.Kept)
        return drafts.Written(key, kept.revision, written)

    data = MessageInput(subject="News", body=BODY)
    draft = keep(None, "News", "k")
    made = messages.create_message(data=data, owner=owner, by=owner, draft=draft)
    assert not MessageDraft.objects.exists()
    changed = MessageInput(subject="More news")
    draft = keep(made, "More news")
    bad = MessageInput(subject="")
    with pytest.raises(Invalid):
        messages.change_message(message=made, data=bad, by=owner, seen=1, draft=draft)
    assert MessageDraft.objects.exists()
    messages.change_message(message=made, data=changed, by=owner, seen=1, draft=draft)
    assert not MessageDraft.objects.exists()


# ---------------------------------------------------------------- mailings


@pytest.fixture
def letter(owner) -> Message:
    return factories.make_message(owner)


def make(owner: Any, **fields: Any) -> Mailing:
    return editing.create_mailing(data=MailingInput(**fields), owner=owner, by=owner)


def test_a_draft_is_made_of_what_is_given(owner, letter):
    anna = factories.make_client(owner)
    on, off = factories.make_list(owner, [anna]), factories.make_list(owner)
    start = timezone.now() + timedelta(days=1)
    made = make(
        owner, name=" News ", message=letter, lists=[on], clients=[anna], excluded_lists=[off],
        sender_name=" Shop ", reply_to=" Shop@Пример.рф ", start_at=start,
        end_at=start + timedelta(days=9), frequency="weekly", time_zone="Asia/Tokyo",
    )  # fmt: skip
    made.refresh_from_db()
    assert (made.name, made.sender_name) == ("News", "Shop")
    assert made.reply_to == "Shop@xn--e1afmkfd.xn--p1ai"
    assert (made.start_at, made.starts_at_once, made.status) == (start, False, "draft")
    assert (list(made.lists.all()), list(made.clients.all())) == ([on], [anna])
    assert list(made.excluded_lists.all()) == [off]


def test_without_a_time_a_mailing_starts_at_once_in_its_owners_zone(owner, letter):
    made = make(owner, name="News", message=letter)
    assert (made.starts_at_once, made.time_zone, made.frequency) == (True, owner.time_zone, "once")


NOW = timezone.now()
FAULTY_MAILINGS: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"name": " "}, "name"),
    "long name": ({"name": "n" * 121}, "name"),
    "no message": ({"message": None}, "message"),
    "an address for a name": ({"sender_name": "shop@mail.example"}, "sender_name"),
    "two lines": ({"sender_name": "a\nb"}, "sender_name"),
    "answers to nowhere": ({"reply_to": "shop"}, "reply_to"),
    "no such rhythm": ({"frequency": "hourly"}, "frequency"),
    "no such zone": ({"time_zone": "Mars/Base"}, "time_zone"),
    "ends before it begins": (
        {"start_at": NOW + timedelta(days=2), "end_at": NOW + timedelta(days=1)},
        "end_at",
    ),
    "ends before now": (
        {"start_at": NOW - timedelta(days=2), "end_at": NOW - timedelta(days=1)},
        "end_at",
    ),
    "at once, and over": ({"start_at": None, "end_at": NOW - timedelta(days=1)}, "end_at"),
}


@pytest.mark.parametrize("kind", FAULTY_MAILINGS)
def test_a_faulty_mailing_is_refused_at_its_field(owner, letter, kind):
    fields, field = FAULTY_MAILINGS[kind]
    with at(field):
        make(owner, **{"name": "News", "message": letter} | fields)
    assert not Mailing.objects.exists()
    there = factories.make_mailing(owner, message=letter)
    with at(field):
        editing.change_mailing(mailing=there, data=MailingInput(**fields), by=owner)


def test_all_clients_and_some_of_them_contradict_each_other(owner, letter):
    some = [factories.make_client(owner)]
    with at("to_all"):
        make(owner, name="News", message=letter, to_all=True, clients=some)
    there = factories.make_mailing(owner, message=letter, clients=some)
    with at("to_all"):
        editing.change_mailing(mailing=there, data=MailingInput(to_all=True), by=owner)
    both = MailingInput(to_all=True, clients=[])
    assert editing.change_mailing(mailing=there, data=both, by=owner).to_all


@pytest.mark.parametrize(
    "field", ["message", "lists", "clients", "excluded_lists", "excluded_clients"]
)
def test_a_mailing_takes_nothing_of_somebody_else(owner, stranger, letter, field):
    foreign: Any = {
        "message": factories.make_message,
        "lists": factories.make_list,
        "excluded_lists": factories.make_list,
    }.get(field, factories.make_client)(stranger)
    given = {field: foreign if field == "message" else [foreign]}
    with pytest.raises(PermissionDenied):
        make(owner, **{"name": "News", "message": letter} | given)
    there = factories.make_mailing(owner)
    with pytest.raises(PermissionDenied):
        editing.change_mailing(mailing=there, data=MailingInput(**given), by=owner)
    stranger.is_superuser = True
    with pytest.raises(PermissionDenied):  # a superuser lends nobody their rows either
        editing.change_mailing(mailing=there, data=MailingInput(**given), by=stranger)


def test_a_draft_may_be_half_a_mailing_but_what_is_under_way_stays_able_to_run(owner, letter):
    anna = factories.make_client(owner)
    start = timezone.now() + timedelta(days=1)
    made = make(owner, name="News", message=letter, start_at=start)
    with pytest.raises(audience.NobodyToWriteTo):
        services.schedule_mailing(mailing=made, by=owner)
    made = editing.change_mailing(mailing=made, data=MailingInput(clients=[anna]), by=owner)
    services.schedule_mailing(mailing=made, by=owner)
    with at("lists"):
        editing.change_mailing(mailing=made, data=MailingInput(clients=[]), by=owner)
    blank = factories.make_message(owner, subject=" ")
    with at("message"):
        editing.change_mailing(mailing=made, data=MailingInput(message=blank), by=owner)
    type(owner).objects.filter(pk=owner.pk).update(full_name="")
    with at("sender_name"):
        editing.change_mailing(mailing=made, data=MailingInput(sender_name=""), by=owner)
    made.refresh_from_db()
    assert (list(made.clients.all()), made.message) == ([anna], letter)


def test_other_times_plan_a_mailing_anew(owner):
    start = timezone.now().replace(microsecond=0) + timedelta(days=1)
    some = [factories.make_client(owner)]
    made = factories.make_mailing(owner, clients=some, start_at=start)
    services.schedule_mailing(mailing=made, by=owner)
    later = start + timedelta(hours=1)
    changed = editing.change_mailing(mailing=made, data=MailingInput(start_at=later), by=owner)
    assert (changed.start_at, changed.next_run_at) == (later, later)
    assert Mailing.objects.get().next_run_at == later


def test_the_status_of_another_tab_counts(owner):
    """A draft that was scheduled meanwhile is not written over as a draft."""
    start = timezone.now().replace(microsecond=0) + timedelta(days=1)
    mine = factories.make_mailing(owner, clients=[factories.make_client(owner)], start_at=start)
    services.schedule_mailing(mailing=Mailing.objects.get(), by=owner)
    with at("lists"):
        editing.change_mailing(mailing=mine, data=MailingInput(clients=[]), by=owner)
    later = start + timedelta(hours=1)
    editing.change_mailing(mailing=mine, data=MailingInput(start_at=later), by=owner)
    assert Mailing.objects.get().next_run_at == later


@pytest.mark.parametrize("status", ["stopped", "cancelled", "completed"])
def test_what_has_ended_is_not_changed(owner, status):
    there = factories.make_mailing(owner, status=status)
    with pytest.raises(editing.CannotChange):
        editing.change_mailing(mailing=there, data=MailingInput(name="New"), by=owner)


def test_the_first_run_that_has_been_stays(owner):
    there = factories.make_mailing(owner, status=MailingStatus.RUNNING, frequency="daily")
    factories.make_run(there, status=RunStatus.DONE)
    with at("start_at", "time_zone"):
        data = MailingInput(start_at=timezone.now(), time_zone="Asia/Tokyo")
        editing.change_mailing(mailing=there, data=data, by=owner)


def test_the_clients_of_a_follow_up_stay(owner):
    first = factories.make_mailing(owner, status=MailingStatus.COMPLETED, to_all=True)
    run = factories.make_run(first, status=RunStatus.DONE, targeted=1)
    factories.make_delivery(run, factories.make_client(owner), status="sent")
    anna = factories.make_client(owner)
    made = follow_ups.send_to_added(mailing=first, by=owner)
    with pytest.raises(editing.AudienceIsFixed):
        editing.change_mailing(mailing=made, data=MailingInput(clients=[]), by=owner)
    assert list(made.clients.all()) == [anna]
    assert editing.change_mailing(mailing=made, data=MailingInput(name="B"), by=owner).name == "B"


# ---------------------------------------------------------------- whose they are

ACTS: dict[str, Callable[[Any, Any], Any]] = {
    "create a client": lambda of, by: clients.create_client(
        data=ClientInput(email="anna@mail.example"), owner=of, by=by
    ),
    "change a client": lambda of, by: clients.change_client(
        client=factories.make_client(of), data=ClientInput(comment="x"), by=by
    ),
    "create a list": lambda of, by: clients.create_list(
        data=ListInput(name="New"), owner=of, by=by
    ),
    "change a list": lambda of, by: clients.change_list(
        client_list=factories.make_list(of), data=ListInput(name="New"), by=by
    ),
    "create a message": lambda of, by: messages.create_message(
        data=MessageInput(subject="News", body=BODY), owner=of, by=by
    ),
    "change a message": lambda of, by: messages.change_message(
        message=factories.make_message(of), data=MessageInput(subject="News"), by=by
    ),
    "create a mailing": lambda of, by: editing.create_mailing(
        data=MailingInput(name="News", message=factories.make_message(of)), owner=of, by=by
    ),
    "change a mailing": lambda of, by: editing.change_mailing(
        mailing=factories.make_mailing(of), data=MailingInput(name="News"), by=by
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_only_the_owner_and_a_superuser_may(act, owner, stranger, manager, superuser):
    for nobody in (stranger, manager):
        with pytest.raises(PermissionDenied):
            ACTS[act](owner, nobody)
    made = ACTS[act](owner, superuser)
    assert made.owner == owner  # it stays theirs, or becomes theirs
    owner.is_active = False
    with pytest.raises(PermissionDenied):
        ACTS[act](owner, owner)
