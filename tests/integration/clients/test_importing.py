"""An import in the background: exact, resumable, cancellable; nobody unsubscribed comes back."""

import random
import threading
import uuid
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from wagtail.models import ModelLogEntry

from mailings.clients import attributes
from mailings.clients import services as client_services
from mailings.clients.importing import outcome, running, writing
from mailings.clients.importing import services as imports
from mailings.clients.importing.plan import Record
from mailings.clients.importing.running import CHUNK
from mailings.errors import Refused
from mailings.models import Client, ClientList, Import, ImportFile, ImportPart
from mailings.models.importing import PIECE
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests import nasty_files as files
from tests.nasty_files import ANNA, HEAD, OLEG


def now():
    return timezone.now()


def work(stopping=lambda: False) -> None:
    running.run_waiting(now, stopping=stopping)


def checked(owner, content: bytes, **options) -> Import:
    row = factories.make_import(owner, content)
    order = {
        "mapping": row.mapping, "target": None, "new_list": "", "consent": "договор",
        "updates": True,
    }  # fmt: skip
    imports.check(row=row, by=owner, **(order | options))
    work()
    row.refresh_from_db()
    return row


def imported(owner, content: bytes, **options) -> Import:
    row = checked(owner, content, **options)
    imports.start(row=row, by=owner)
    work()
    row.refresh_from_db()
    return row


def kinds(row: Import) -> dict[int, str]:
    return {number: kind for number, kind, _address, _detail in outcome.report(row)}


MIXED = files.csv(
    HEAD,
    ("new@example.org", "Новый", "Тверь"),
    ("known@example.org", "Известный Теперь", "Псков"),
    ("same@example.org", "Тот же", ""),
    ("gone@example.org", "Отписался", ""),
    ("new@example.org", "Ещё раз", ""),
    ("79001234567", "Телефон", ""),
)
EXPECTED = {
    2: "new", 3: "updated", 4: "unchanged", 5: "suppressed", 6: "repeated", 7: "invalid",
}  # fmt: skip


@pytest.fixture
def known(owner) -> Client:
    factories.make_client(owner, email="same@example.org", full_name="Тот же")
    stop_list.suppress("gone@example.org", reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    return factories.make_client(
        owner, email="known@example.org", full_name="Известный", attributes={"card": "7"}
    )


@pytest.mark.django_db
def test_the_check_says_what_happens_and_changes_nothing(owner, known):
    before = list(Client.objects.order_by("pk").values())
    row = checked(owner, MIXED, mapping=["email", "full_name", "attr:city"])
    assert row.status == "checked"
    assert row.counts == dict.fromkeys(EXPECTED.values(), 1)
    assert row.examples["invalid"] == [[7, "79001234567", "no_at"]]
    assert row.examples["repeated"] == [[6, "new@example.org", "2"]]
    assert list(Client.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_the_import_does_what_the_check_said(owner, known):
    row = imported(owner, MIXED, mapping=["email", "full_name", "attr:city"], new_list="Осень")
    assert row.status == "done"
    assert row.counts == dict.fromkeys(EXPECTED.values(), 1)
    assert kinds(row) == EXPECTED
    new = Client.objects.get(email="new@example.org")
    assert (new.full_name, new.attributes, new.consent_source) == (
        "Новый", {"city": "Тверь"}, "договор",
    )  # fmt: skip
    known.refresh_from_db()
    assert (known.full_name, known.attributes) == (
        "Известный Теперь", {"card": "7", "city": "Псков"},
    )  # fmt: skip
    assert known.consent_source == ""
    assert not Client.objects.filter(email="gone@example.org").exists()
    on_list = row.target.clients.values_list("email", flat=True)
    assert set(on_list) == {"new@example.org", "known@example.org", "same@example.org"}


@pytest.mark.django_db
def test_a_second_import_of_the_same_file_changes_nothing(owner):
    imported(owner, files.csv(HEAD, ANNA, OLEG))
    before = list(Client.objects.order_by("pk").values())
    row = imported(owner, files.csv(HEAD, ANNA, OLEG))
    assert row.counts == {"unchanged": 2}
    assert list(Client.objects.order_by("pk").values()) == before


@pytest.mark.django_db
def test_another_owners_clients_are_not_touched(owner, stranger):
    theirs = factories.make_client(stranger, email=ANNA[0], full_name="Чужая")
    stop_list.suppress(OLEG[0], reason=SuppressionReason.UNSUBSCRIBED, owner_id=stranger.pk)
    assert imported(owner, files.csv(HEAD, ANNA, OLEG)).counts == {"new": 2}
    theirs.refresh_from_db()
    assert theirs.full_name == "Чужая"


@pytest.mark.django_db
def test_a_global_suppression_and_an_erased_address_bind_too(owner):
    stop_list.suppress(ANNA[0], reason=SuppressionReason.COMPLAINED, owner_id=None)
    stop_list.suppress(OLEG[0], reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    stop_list.entries(owner.pk).update(address="")
    row = imported(owner, files.csv(HEAD, ANNA, OLEG), new_list="Все")
    assert row.counts == {"suppressed": 2}
    assert row.target.clients.count() == 0


@pytest.mark.django_db
def test_file_and_report_go_their_way(owner):
    row = imported(owner, files.csv(HEAD, ANNA))
    assert not ImportFile.objects.filter(pk=row.pk).exists()
    assert ImportPart.objects.filter(of=row).count() == 1
    imports.delete(row=row, by=owner)
    assert not ImportPart.objects.exists()
    assert Client.objects.count() == 1


@pytest.mark.django_db
def test_what_nobody_went_on_with_is_forgotten(owner):
    left = factories.make_import(owner)
    done = imported(owner, files.csv(HEAD, ANNA))
    running.forget_unused(now() + running.KEPT_UNUSED + timedelta(hours=1))
    assert list(Import.objects.all()) == [done]
    assert left.pk not in ImportFile.objects.values_list("pk", flat=True)
    assert done.parts.exists()
    running.forget_unused(now() + running.KEPT_REPORT + timedelta(hours=1))
    assert not done.parts.exists()


@pytest.mark.django_db
def test_an_import_is_in_the_log_without_addresses(owner):
    row = imported(owner, files.csv(HEAD, ANNA))
    entry = ModelLogEntry.objects.for_instance(row).get()
    assert (entry.action, entry.user) == ("mailings.import", owner)
    assert ANNA[0] not in f"{entry.label}{entry.data}"
    assert "1" in entry.data["reason"]


BIG = CHUNK * 2 + 100


@pytest.mark.django_db
def test_statements_grow_with_the_chunks_not_with_the_rows(owner):
    row = checked(owner, files.many(BIG))
    imports.start(row=row, by=owner)
    with CaptureQueriesContext(connection) as captured:
        work()
    row.refresh_from_db()
    assert row.counts == {"new": BIG}
    assert len(captured) < 3 * 12 + 15


class Killed(BaseException):
    """The worker is gone: nothing of its own runs any more."""


@pytest.mark.django_db(transaction=True)
def test_a_file_of_many_pieces_is_read_as_it_came(owner):
    noise = random.Random(1).randbytes(PIECE)  # not to be packed
    content = files.csv(HEAD, ANNA) + noise.hex().encode() + b"@example.org;" + noise.hex().encode()
    row = factories.make_import(owner, content)
    with ImportFile.unpacked(row) as file:
        assert file.tell() == len(content)
        file.seek(0)
        assert file.read() == content
    assert len(ImportFile.objects.get(pk=row.pk).packed) > 2 * PIECE


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's planner does not guess")
def test_clients_are_found_by_the_index_before_there_are_statistics(owner):
    """An owner's first file: the planner believes that they have a handful of clients."""
    imported(owner, files.many(5_000), new_list="Все")
    with CaptureQueriesContext(connection) as asked:
        imported(owner, files.many(5_000), new_list="Все")
    looks = [q["sql"] for q in asked if "jsonb_array_elements_text" in q["sql"]]
    assert len(looks) == 3 * 5_000 // CHUNK  # by the check, by the import, by its list
    for sql in looks:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {sql}")
            plan = "\n".join(line for (line,) in cursor.fetchall())
        assert "Index Scan using client_" in plan, plan
        assert "Seq Scan on mailings_client" not in plan, plan


def test_rows_with_one_number_are_not_one_client_twice(owner):
    row = '<row r="2"><c t="inlineStr"><is><t>anna@example.org</t></is></c></row>'
    head = '<row r="1"><c t="inlineStr"><is><t>E-mail</t></is></c></row>'
    done = imported(owner, files.sheet_of(head + row + row))
    assert (done.status, done.counts) == ("done", {"new": 1, "repeated": 1})


def test_a_killed_worker_loses_and_repeats_nothing(owner, monkeypatch):
    row = checked(owner, files.many(BIG))
    imports.start(row=row, by=owner)
    store, calls = writing.store, []

    def dies_at_the_second(*args):
        store(*args)
        calls.append(1)
        if len(calls) == 2:
            raise Killed

    monkeypatch.setattr(writing, "store", dies_at_the_second)
    monkeypatch.setattr(running, "LEASE", timedelta(hours=1))  # however busy the machine is
    with pytest.raises(Killed):
        work()
    row.refresh_from_db()
    assert (row.status, row.position) == ("importing", CHUNK)
    assert Client.objects.count() == CHUNK

    work()  # the lease still holds: nobody may touch it
    row.refresh_from_db()
    assert row.position == CHUNK

    Import.objects.update(lease_until=now() - timedelta(seconds=1))
    work()
    row.refresh_from_db()
    assert (row.status, row.counts) == ("done", {"new": BIG})
    assert Client.objects.count() == BIG
    assert len(kinds(row)) == BIG


@pytest.mark.django_db(transaction=True)
def test_repeated_rows_are_known_after_a_restart(owner):
    content = files.many(CHUNK) + files.csv(("client0@example0.org", "Снова", ""))
    row = checked(owner, content)
    imports.start(row=row, by=owner)
    pauses = iter([False, False])
    work(stopping=lambda: next(pauses, True))  # told to stop after the first chunk
    row.refresh_from_db()
    assert (row.status, row.position, row.lease_owner) == ("importing", CHUNK, None)
    work()
    row.refresh_from_db()
    assert row.counts == {"new": CHUNK, "repeated": 1}
    assert Client.objects.get(email="client0@example0.org").full_name == "Клиент 0"


@pytest.mark.django_db(transaction=True)
def test_a_cancelled_import_stops_before_the_next_chunk(owner, monkeypatch):
    row = checked(owner, files.many(BIG))
    imports.start(row=row, by=owner)
    settle = running.settle

    def cancelled_after_the_first(held, lines, at):
        settle(held, lines, at)
        imports.cancel(row=Import.objects.get(pk=row.pk), by=owner)

    monkeypatch.setattr(running, "settle", cancelled_after_the_first)
    work()
    row.refresh_from_db()
    assert (row.status, row.position) == ("cancelled", CHUNK)
    assert Client.objects.count() == len(kinds(row)) == CHUNK
    assert not ImportFile.objects.exists()
    assert not [t for t in threading.enumerate() if t.name.startswith("read-ahead")]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_for_a_moment_delays_only(owner, monkeypatch):
    row = checked(owner, files.csv(HEAD, ANNA))
    imports.start(row=row, by=owner)
    store = writing.store
    failures = iter([DatabaseError("the server went away")])

    def fails_once(*args):
        if error := next(failures, None):
            raise error
        store(*args)

    monkeypatch.setattr(writing, "store", fails_once)
    work()
    assert Client.objects.count() == 0
    Import.objects.update(lease_until=now() - timedelta(seconds=1))
    work()
    row.refresh_from_db()
    assert row.counts == {"new": 1}


@pytest.mark.django_db
def test_a_file_that_kills_its_workers_waits_for_its_owner(owner):
    row = checked(owner, files.csv(HEAD, ANNA))
    imports.start(row=row, by=owner)
    expired = {"lease_owner": uuid.uuid4(), "lease_until": now() - timedelta(seconds=1)}
    Import.objects.update(lease_losses=running.MAX_LOSSES, **expired)
    work()
    row.refresh_from_db()
    assert row.status == "failed"
    assert row.problem
    imports.start(row=row, by=owner)
    work()
    row.refresh_from_db()
    assert (row.status, row.counts) == ("done", {"new": 1})


@pytest.mark.django_db(transaction=True)
def test_two_workers_share_the_imports_and_do_each_once(owner, stranger):
    rows = []
    for user in (owner, stranger):
        row = checked(user, files.many(CHUNK + 10))
        imports.start(row=row, by=user)
        rows.append(row)

    def worker():
        try:
            work()
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for row in rows:
        row.refresh_from_db()
        assert (row.status, row.counts) == ("done", {"new": CHUNK + 10})
        assert Client.objects.filter(owner=row.owner).count() == CHUNK + 10


@pytest.mark.django_db
def test_a_client_who_appears_meanwhile_keeps_what_the_file_does_not_say(owner, monkeypatch):
    row = checked(owner, files.csv(("E-mail", "Комментарий"), (ANNA[0], "из файла")))
    imports.start(row=row, by=owner)
    look = writing.known_clients

    def appears_after_the_look(*args):
        found = look(*args)
        factories.make_client(owner, email=ANNA[0], full_name="Анна", attributes={"a": "1"})
        return found

    monkeypatch.setattr(writing, "known_clients", appears_after_the_look)
    work()
    anna = Client.objects.get()
    assert (anna.full_name, anna.comment, anna.attributes) == ("Анна", "из файла", {"a": "1"})


@pytest.mark.django_db
def test_a_deleted_list_or_import_stops_nothing_else(owner):
    gone = checked(owner, files.csv(HEAD, ANNA), new_list="Исчезнет")
    imports.start(row=gone, by=owner)
    client_services.delete_list(client_list=ClientList.objects.get(), by=owner)
    deleted = checked(owner, files.csv(HEAD, ANNA))
    work()
    gone.refresh_from_db()
    assert (gone.status, gone.target) == ("done", None)
    imports.delete(row=deleted, by=owner)
    work()
    assert list(Import.objects.all()) == [gone]


@pytest.mark.django_db
def test_a_file_that_breaks_off_goes_back_to_its_owner(owner):
    content = files.rezipped(
        files.xlsx([HEAD]),
        sheet1=files.SHEET.encode()
        + b'<row><c t="str"><v>a@b.org</v></c></row>' * 9
        + b" " * 70_000
        + b"<row><broken",
    )
    row = checked(owner, content)
    assert row.status == "new"
    assert "XLSX" in row.problem


@pytest.mark.django_db
def test_unfinished_files_are_limited(owner):
    for _ in range(imports.MAX_OPEN):
        factories.make_import(owner)
    with pytest.raises(Refused):
        factories.make_import(owner)


MAPPINGS = {
    "no address": ["full_name", "comment"],
    "two addresses": ["email", "email"],
    "no such name": ["email", "attr:1st"],
    "too short": ["email"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("mapping", MAPPINGS.values(), ids=MAPPINGS)
def test_columns_that_make_no_sense_are_refused(owner, mapping):
    with pytest.raises(Refused):
        checked(owner, files.csv(("a", "b"), (ANNA[0], "x")), mapping=mapping)
    assert Import.objects.get().status == "new"


@pytest.mark.django_db
def test_without_a_basis_of_consent_nothing_is_imported(owner):
    with pytest.raises(Refused):
        checked(owner, files.csv(HEAD, ANNA), consent=" ")
    with pytest.raises(DatabaseError), transaction.atomic():
        Import.objects.filter(owner=owner).update(status="importing")


@pytest.mark.django_db
def test_columns_chosen_once_are_remembered(owner, stranger):
    heads = ("E-mail", "Прозвище", "Разное")
    checked(owner, files.csv(heads, ANNA), mapping=["email", "full_name", "attr:misc"])
    assert factories.make_import(owner, files.csv(heads, OLEG)).mapping[1:] == [
        "full_name", "attr:misc",
    ]  # fmt: skip
    assert factories.make_import(stranger, files.csv(heads, OLEG)).mapping[1:] == ["", ""]


@pytest.mark.django_db
@pytest.mark.parametrize("by", ["file", "hand"])
def test_a_name_of_a_variable_is_found_however_it_came(owner, by):
    if by == "hand":
        factories.make_client(owner, attributes={"город": "Тверь"})
    else:
        record = Record("a@example.org", "a@example.org", attributes={"город": "Тверь"})
        writing.store(owner.pk, [record], timezone.now())
    assert attributes.among(owner, ["город", "улица", 'a"b', "го"]) == ["город"]
