"""Very many clients are deleted in the background: gone at once for all that anybody sees or sends,
then a part at a time, whatever happens meanwhile."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from wagtail.models import ModelLogEntry

from accounts.models import User
from mailings import user_deletion
from mailings.campaigns import audience, follow_ups, picking, services
from mailings.clients import bulk, deleting, exporting
from mailings.clients import services as client_services
from mailings.clients.importing import running
from mailings.clients.importing import services as imports
from mailings.clients.services import ClientInput
from mailings.delivery import worker
from mailings.delivery.queue import claiming
from mailings.delivery.runs import invariants, planning
from mailings.delivery.session.circuit_breaker import default_transport
from mailings.delivery.transports import memory
from mailings.models import (
    Client,
    ClientDeletion,
    Consent,
    Delivery,
    SubscribeForm,
    SubscribeRequest,
)
from mailings.timing import clock
from tests import factories
from tests import nasty_files as files

LIST = reverse("mailings:client_list")
LIVE = {"HX-Request": "true", "HX-Target": "live"}
MANY = 7


class Killed(BaseException):
    """A process that is killed runs no handler."""


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch):
    monkeypatch.setattr(deleting, "AT_ONCE", MANY - 1)
    monkeypatch.setattr(bulk, "CHUNK", 3)


@pytest.fixture
def many(owner) -> list[Client]:
    return factories.make_clients(owner, MANY)


def delete(owner: User) -> ClientDeletion:
    found = deleting.delete(chosen=Client.objects.filter(owner=owner), by=owner)
    assert isinstance(found, ClientDeletion)
    return found


def work(stopping=lambda: False, rests: list[float] | None = None) -> None:
    rest = (lambda seconds: None) if rests is None else rests.append
    deleting.run_waiting(clock.now, stopping=stopping, rest=rest)


def rows_left() -> int:
    return Client._base_manager.count()


def open_run(owner, clients):
    mailing = factories.make_mailing(owner, clients=clients)
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(clock.now())
    return mailing.runs.get()


def sound() -> bool:
    return list(invariants.broken(clock.now())) == []


# ---------------------------------------------------------------- at once


@pytest.mark.django_db
def test_a_few_are_deleted_within_the_request(client, owner):
    client.force_login(owner)
    factories.make_clients(owner, MANY - 1)
    answer = client.post(LIST, {"everything": "1", "action": "delete", "agreed": str(MANY - 1)})
    assert answer["Location"] == LIST
    assert (rows_left(), ClientDeletion.objects.count()) == (0, 0)


@pytest.mark.django_db
def test_many_are_asked_for_then_gone_at_once_while_the_work_goes_on(client, owner, many):
    client.force_login(owner)
    asked = {"everything": "1", "action": "delete"}
    assert client.post(LIST, asked).context["is_for_later"]
    answer = client.post(LIST, asked | {"agreed": str(MANY)})
    deletion = ClientDeletion.objects.get()
    assert answer["Location"] == deletion.get_absolute_url()
    assert (deletion.number, deletion.deleted, deletion.finished_at) == (MANY, 0, None)
    assert rows_left() == MANY
    page = client.get(LIST)
    assert page.context["total"].number == 0
    assert deletion.get_absolute_url() in page.content.decode()
    entry = ModelLogEntry.objects.get(action="mailings.delete_clients")
    assert (entry.user, entry.data["reason"]) == (owner, str(MANY))


@pytest.mark.django_db
def test_the_answer_takes_the_same_statements_however_many_they_are(owner, many):
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            delete(owner)
        return len(captured)

    before = statements()
    factories.make_clients(owner, 3 * MANY)
    assert statements() == before


@pytest.mark.django_db
def test_nobody_finds_counts_or_takes_them_any_more(client, owner, manager, many):
    client.force_login(owner)
    on = factories.make_list(owner, many)
    single = factories.make_mailing(owner, clients=many)
    single.excluded_clients.add(many[0])
    everybody = factories.make_mailing(owner, to_all=True)
    delete(owner)
    assert on.clients.through.objects.count() == 0
    assert (single.clients.count(), single.excluded_clients.count()) == (0, 0)
    assert audience.of(everybody).total == 0
    assert not picking.picks(owner, "clients", "client", []).rows
    assert len(list(exporting.clients(owner, Client.objects.all()))) == 1  # the head
    assert client.get(many[0].get_absolute_url()).status_code == 404
    client.force_login(manager)
    page = client.get("/cms/mailings/clients/").content.decode()
    assert many[0].email not in page


@pytest.mark.django_db
def test_whoever_is_added_afterwards_stays(owner, many):
    delete(owner)
    new = factories.make_client(owner)
    work()
    assert list(Client._base_manager.all()) == [new]


@pytest.mark.django_db
def test_what_the_filters_found_goes_and_nobody_elses(owner, stranger, many):
    other = factories.make_clients(stranger, 2)
    kept = factories.make_client(owner, email="kept@example.org")
    chosen = Client.objects.filter(email__startswith="client")
    deleting.delete(chosen=chosen, by=owner)
    work()
    assert set(Client._base_manager.all()) == {kept, *other}


# ---------------------------------------------------------------- what is sent


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_worked_at", [False, True])
def test_what_waits_for_them_in_a_run_is_skipped(owner, many, is_worked_at):
    kept = factories.make_client(owner, email="kept@example.org")
    run = open_run(owner, [kept, *many])
    deleting.delete(chosen=Client.objects.exclude(pk=kept.pk), by=owner)
    if is_worked_at:
        work()
    default_transport()
    memory.service.reset()
    worker.send_due(stopping=lambda: False)
    found = run.deliveries.order_by("pk").values_list("address", "status", "reason")
    assert set(found) == {
        ("kept@example.org", "sent", ""),
        *((c.email_normalised, "skipped", "client_deleted") for c in many),
    }
    assert sound()
    work()
    assert sound()
    assert rows_left() == 1


@pytest.mark.django_db(transaction=True)
def test_what_a_worker_has_claimed_is_unwanted_from_then_on(owner, many):
    run = open_run(owner, many)
    rows = list(run.deliveries.all())
    claims = [
        claiming.Claimed(
            row.pk, run.pk, run.mailing_id, owner.pk, row.address, "", {}, 0.0, None, resends_left=0
        )
        for row in rows
    ]
    assert claiming.unwanted_among(claims) == {}
    delete(owner)
    assert claiming.unwanted_among(claims) == {row.pk: "client_deleted" for row in rows}


@pytest.mark.django_db(transaction=True)
def test_no_new_run_has_them(owner, many):
    mailing = factories.make_mailing(owner, to_all=True)
    services.schedule_mailing(mailing=mailing, by=owner)
    delete(owner)
    kept = factories.make_client(owner)
    planning.plan(clock.now())
    assert [row.client for row in mailing.runs.get().deliveries.all()] == [kept]


@pytest.mark.django_db
def test_those_a_run_failed_for_do_not_go_again(owner, many):
    run = factories.make_run(factories.make_mailing(owner), status="done", targeted=1)
    row = factories.make_delivery(run, many[0], status="failed", attempt_count=1)
    factories.make_attempt(row, outcome="temporary")
    assert list(follow_ups.may_go_again(run)) == [many[0]]
    delete(owner)
    assert list(follow_ups.may_go_again(run)) == []


@pytest.mark.django_db
@pytest.mark.parametrize("tab", ["attempts", "deliveries"])
def test_the_log_names_no_page_that_is_not_there(client, owner, many, tab):
    client.force_login(owner)
    run = factories.make_run(factories.make_mailing(owner), status="done", targeted=1, sent_count=1)
    row = factories.make_delivery(run, many[0], status="sent", attempt_count=1)
    factories.make_attempt(row, started_at=run.finished_at)
    url = reverse("mailings:run_detail", args=[run.pk]) + f"?tab={tab}"
    assert many[0].get_absolute_url() in client.get(url).content.decode()
    delete(owner)
    page = client.get(url).content.decode()
    assert many[0].get_absolute_url() not in page
    assert many[0].email_normalised in page


@pytest.mark.django_db
def test_the_ledger_keeps_its_rows_and_mending_leaves_them_alone(owner, many):
    run = factories.make_run(factories.make_mailing(owner), status="done", targeted=MANY)
    for row in many:
        factories.make_delivery(run, row)
    delete(owner)
    assert invariants.mend() == 0
    work()
    assert Delivery.objects.filter(client=None).count() == MANY
    assert rows_left() == 0


# ---------------------------------------------------------------- meanwhile


@pytest.mark.django_db
def test_an_address_that_comes_back_meanwhile_is_a_new_client(owner, many):
    delete(owner)
    new = client_services.create_client(
        data=ClientInput(email=many[0].email, full_name="Снова"), owner=owner, by=owner
    )
    work()
    assert list(Client._base_manager.values_list("pk", "full_name")) == [(new.pk, "Снова")]


@pytest.mark.django_db
def test_a_file_brings_them_back_as_new(owner, many):
    rows = [(c.email, "Снова", "") for c in many]
    row = factories.make_import(owner, files.csv(files.HEAD, *rows))
    options = {"target": None, "new_list": "", "consent": "договор", "updates": True}
    imports.check(row=row, by=owner, mapping=row.mapping, **options)
    running.run_waiting(clock.now, stopping=lambda: False)
    row.refresh_from_db()
    delete(owner)  # what was checked as unchanged or updated is gone when it is imported
    imports.start(row=row, by=owner)
    running.run_waiting(clock.now, stopping=lambda: False)
    work()
    row.refresh_from_db()
    assert row.counts == {"new": MANY}
    assert set(Client._base_manager.values_list("owner", "full_name")) == {(owner.pk, "Снова")}
    assert rows_left() == MANY


@pytest.mark.django_db
def test_a_second_deletion_takes_only_who_is_there(owner, many):
    first = delete(owner)
    factories.make_clients(owner, MANY + 1)
    second = delete(owner)
    work()
    for row, number in ((first, MANY), (second, MANY + 1)):
        row.refresh_from_db()
        assert (row.number, row.deleted) == (number, number)
        assert row.finished_at is not None
    assert rows_left() == 0


@pytest.mark.django_db
def test_it_goes_on_for_an_owner_who_is_blocked(owner, many):
    delete(owner)
    User.objects.filter(pk=owner.pk).update(is_active=False)
    work()
    assert rows_left() == 0


@pytest.mark.django_db
def test_an_owner_who_is_deleted_takes_them_along(owner, many):
    delete(owner)
    user_deletion.remove_all(owner)
    owner.delete()
    work()
    assert (rows_left(), ClientDeletion.objects.count()) == (0, 0)


# ---------------------------------------------------------------- the worker


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        'UPDATE "mailings_delivery"',
        'DELETE FROM "mailings_clientlist_clients"',
        'DELETE FROM "mailings_client" ',
        'UPDATE "mailings_clientdeletion"',
    ],
)
@pytest.mark.parametrize("after", [0, 1])
def test_a_killed_worker_loses_and_repeats_nothing(owner, many, statement, after):
    run = factories.make_run(factories.make_mailing(owner), status="done", targeted=MANY)
    for row in many:
        factories.make_delivery(run, row)
    deletion = delete(owner)
    seen = []

    def die(execute, sql, *rest):
        done = execute(sql, *rest)
        if sql.startswith(statement):
            seen.append(sql)
            if len(seen) > after:
                raise Killed
        return done

    with connection.execute_wrapper(die), pytest.raises(Killed):
        work()
    deletion.refresh_from_db()
    assert deletion.deleted == MANY - rows_left()
    assert deletion.finished_at is None
    work()
    deletion.refresh_from_db()
    assert (deletion.deleted, rows_left()) == (MANY, 0)
    assert deletion.finished_at is not None
    assert not Delivery.objects.exclude(client=None).exists()


@pytest.mark.django_db(transaction=True)
def test_two_workers_do_it_once(owner, many):
    deletion = delete(owner)

    def run() -> None:
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    work()
    deletion.refresh_from_db()
    assert (deletion.deleted, rows_left()) == (MANY, 0)


@pytest.mark.django_db
def test_a_part_is_bounded_by_the_deliveries_not_only_by_the_clients(owner, many, monkeypatch):
    monkeypatch.setattr(deleting, "DELIVERIES", 2)
    for _ in range(3):
        run = factories.make_run(factories.make_mailing(owner), status="done", targeted=MANY)
        for row in many:
            factories.make_delivery(run, row)
    deletion = delete(owner)
    let_go = []
    while deleting.step(deletion.pk, clock.now()):
        let_go.append(Delivery.objects.filter(client=None).count() - sum(let_go))
        assert let_go[-1] <= 2
    assert (sum(let_go), rows_left()) == (3 * MANY, 0)


@pytest.mark.django_db(transaction=True)
def test_it_leaves_the_database_to_whoever_sends(owner, many):
    rests: list[float] = []
    delete(owner)
    open_run(owner, [factories.make_client(owner, email="kept@example.org")])
    work(rests=rests)
    assert len(rests) == 3  # after each part of three clients
    assert all(0 < seconds <= deleting.LONGEST_REST for seconds in rests)


@pytest.mark.django_db
def test_it_stops_with_its_process_and_goes_on_with_the_next(owner, many):
    deletion = delete(owner)
    told = iter([False, True])
    work(stopping=lambda: next(told))
    deletion.refresh_from_db()
    assert (deletion.deleted, rows_left()) == (3, MANY - 3)
    work()
    assert rows_left() == 0


@pytest.mark.django_db
def test_what_is_left_of_it_is_forgotten_in_the_end(owner, many):
    deletion = delete(owner)
    work()
    ClientDeletion.objects.update(finished_at=clock.now() - deleting.KEPT - timedelta(hours=1))
    work()
    assert not ClientDeletion.objects.filter(pk=deletion.pk).exists()


# ---------------------------------------------------------------- the page


@pytest.mark.django_db
def test_the_page_follows_the_worker(client, owner, many):
    client.force_login(owner)
    deletion = delete(owner)
    told = iter([False, True])
    work(stopping=lambda: next(told))
    url = deletion.get_absolute_url()
    page = client.get(url).content.decode()
    assert 'hx-trigger="every 1s"' in page
    part = client.get(url, headers=LIVE).content.decode()
    assert f'value="{300 // MANY}"' in part
    assert "<html" not in part
    work()
    done = client.get(url, headers=LIVE)
    assert (done.status_code, done["HX-Refresh"]) == (204, "true")
    page = client.get(url).content.decode()
    assert 'id="done-h"' in page
    assert "hx-trigger" not in page
    assert client.get(LIST).context["deletion"] is None


@pytest.mark.django_db
def test_nobody_else_sees_the_page(client, owner, stranger, many):
    deletion = delete(owner)
    client.force_login(stranger)
    assert client.get(deletion.get_absolute_url()).status_code == 404
    assert client.get(LIST).context["deletion"] is None


def test_what_they_agreed_to_tells_no_longer_who_they_were(owner, many):
    form = factories.make_form(owner)
    for row in many:
        Consent.objects.create(
            owner=owner, client=row, address_hash=b"x" * 32, way="form", source=form.name,
            ip="192.0.2.7", user_agent="Firefox", created_at=clock.now(),
        )  # fmt: skip
    ask(form, many[0].email_normalised)
    delete(owner)
    assert set(Consent.objects.values_list("client", "ip", "user_agent")) == {(None, None, "")}
    assert not SubscribeRequest.objects.exists()


def test_a_person_who_asks_again_meanwhile_is_not_forgotten(owner, many):
    form = factories.make_form(owner)
    deletion = delete(owner)
    ask(form, many[0].email_normalised)
    again = factories.make_client(owner, email=many[1].email)
    Consent.objects.create(
        owner=owner, client=again, address_hash=b"x" * 32, way="form", source=form.name,
        ip="192.0.2.7", created_at=clock.now(),
    )  # fmt: skip
    work()
    deletion.refresh_from_db()
    assert deletion.finished_at
    assert SubscribeRequest.objects.get().mailbox == many[0].email_normalised
    assert Consent.objects.get().client == again


def ask(form: SubscribeForm, mailbox: str) -> None:
    SubscribeRequest.objects.create(
        form=form, email=mailbox, mailbox=mailbox, consent_text=form.consent_text,
        network="192.0.2.0/24", requested_at=clock.now(),
    )  # fmt: skip
