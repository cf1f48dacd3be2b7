"""What the migration makes of clients who were several and are one mailbox."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import User
from mailings.delivery.runs import invariants
from mailings.models import Client, Delivery, Mailing, Run
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from mailings.suppression.fingerprints import address_hash
from mailings.timing import clock
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)

BEFORE = [("mailings", "0017_spellings_of_a_mailbox")]

Old = Callable[..., Any]


@pytest.fixture
def old(owner) -> Iterator[Old]:
    """Make rows as they were before; the migration is undone meanwhile."""
    executor = MigrationExecutor(connection)
    apps = executor.migrate(BEFORE).apps
    model = apps.get_model("mailings", "Client")

    def make(email: str, normalised: str = "", user: User = owner, **fields: Any) -> Any:
        local, _at, domain = email.rpartition("@")
        normalised = normalised or f"{local}@{domain.lower()}"
        return model.objects.create(
            owner_id=user.pk, email=email, email_normalised=normalised, **fields
        )

    try:
        yield make
    finally:
        forward()


def forward() -> None:
    executor = MigrationExecutor(connection)
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes())


def in_run(mailing: Mailing, *clients: Any, **fields: Any) -> list[Delivery]:
    run = factories.make_run(mailing)
    rows = []
    for row in clients:
        values = {"address": row.email_normalised} | fields
        rows.append(Delivery.objects.create(run=run, client_id=row.pk, **values))
    Run.objects.filter(pk=run.pk).update(targeted=len(rows))
    return rows


def test_three_spellings_become_the_oldest_with_all_that_they_had(owner, old):
    first = old(
        "Dublin.Case@mail.example", full_name="Анна", comment="Постоянная",
        attributes={"city": "Тверь"}, consent_source="форма", consent_at=date(2024, 1, 2),
    )  # fmt: skip
    second = old(
        "dublin.case@mail.example", full_name="Анна Орлова", comment="Постоянная",
        attributes={"city": "Псков", "card": "7"}, consent_source="касса",
        consent_at=date(2025, 3, 4),
    )  # fmt: skip
    third = old("DUBLIN.CASE@mail.example")
    other = old("other@mail.example", full_name="Борис")
    lists = [factories.make_list(owner) for _ in range(3)]
    for on, rows in zip(lists, ([first, second], [third], [second, other]), strict=True):
        on.clients.through.objects.bulk_create(
            on.clients.through(clientlist_id=on.pk, client_id=row.pk) for row in rows
        )
    mailing = factories.make_mailing(owner)
    mailing.clients.through.objects.create(mailing_id=mailing.pk, client_id=second.pk)
    mailing.excluded_clients.through.objects.create(mailing_id=mailing.pk, client_id=third.pk)
    forward()

    kept = Client.objects.get(owner=owner, email_normalised="dublin.case@mail.example")
    assert (kept.pk, kept.email) == (first.pk, "Dublin.Case@mail.example")
    assert set(Client.objects.values_list("pk", flat=True)) == {first.pk, other.pk}
    assert kept.full_name == "Анна"
    assert kept.attributes == {"city": "Тверь", "card": "7"}
    assert (kept.consent_source, kept.consent_at) == ("касса", date(2025, 3, 4))
    assert kept.comment.splitlines() == [
        "Постоянная",
        "Анна Орлова",
        "city = Псков",
        "форма, 2024-01-02",
    ]
    assert [on.clients.filter(pk=kept.pk).count() for on in lists] == [1, 1, 1]
    assert lists[2].clients.count() == 2
    assert list(mailing.clients.all()) == [kept]
    assert list(mailing.excluded_clients.all()) == [kept]


@pytest.mark.parametrize("refusal", ["нет", "No", "FALSE", "отказ"])
def test_of_several_consents_a_refusal_is_the_strictest(owner, old, refusal):
    old("Anna@mail.example", consent_source="форма", consent_at=date(2025, 1, 1))
    old("anna@mail.example", consent_source=refusal)
    forward()
    kept = Client.objects.get()
    assert (kept.consent_source, kept.consent_at) == (refusal, None)
    assert kept.comment == "форма, 2025-01-01"


def test_log_keeps_every_delivery_and_the_one_that_went_furthest_keeps_its_client(owner, old):
    one, two, three = old("Anna@mail.example"), old("anna@mail.example"), old("ANNA@mail.example")
    mailing = factories.make_mailing(owner)
    now = timezone.now()
    pending, sent, failed = in_run(mailing, one, two, three, finished_at=now)
    Delivery.objects.filter(pk=pending.pk).update(finished_at=None)
    Delivery.objects.filter(pk=sent.pk).update(status="sent", tries=1, attempt_count=1)
    Delivery.objects.filter(pk=failed.pk).update(status="failed", tries=1, attempt_count=1)
    for row in (sent, failed):
        factories.make_attempt(row, outcome="accepted" if row == sent else "permanent")
    (alone,) = in_run(mailing, three, status="sent", finished_at=now)
    forward()

    links = dict(Delivery.objects.values_list("pk", "client"))
    assert links == {pending.pk: None, sent.pk: one.pk, failed.pk: None, alone.pk: one.pk}
    assert sorted(Delivery.objects.filter(run=sent.run).values_list("address", flat=True)) == [
        "ANNA@mail.example", "Anna@mail.example", "anna@mail.example",
    ]  # fmt: skip
    assert sent.attempts.count() == failed.attempts.count() == 1
    assert "A delivery of no run" not in "".join(invariants.broken(clock.now()))


def test_spellings_of_two_owners_stay_apart(owner, stranger, old):
    old("Anna@mail.example")
    old("anna@mail.example", user=stranger)
    forward()
    assert sorted(Client.objects.values_list("owner", "email_normalised")) == sorted(
        (user.pk, "anna@mail.example") for user in (owner, stranger)
    )


def test_sharp_s_is_a_mailbox_of_its_own_and_stays_suppressed(owner, old):
    """The two were one; the place of the one is taken by the other in the same statement."""
    sharp = old("X@faß.example", "X@fass.example", full_name="ß")
    double = old("x@fass.example", full_name="ss")
    old_entry(owner, "x@fass.example")
    forward()
    found = dict(Client.objects.values_list("pk", "email_normalised"))
    assert found == {sharp.pk: "x@xn--fa-hia.example", double.pk: "x@fass.example"}
    assert stop_list.suppressed_among(owner.pk, found.values()) == set(found.values())


def old_entry(owner: User, address: str) -> None:
    owner.suppressions.create(
        address_hash=address_hash(address), reason=SuppressionReason.UNSUBSCRIBED,
        is_by_idna_2003=True,
    )  # fmt: skip


def test_what_nobody_sees_goes_from_what_was_typed(owner, old):
    old("anna@exam\u200bple.org", "anna@example.org")
    old("boris@\u00adexample.org ", "boris@example.org")
    old("ivan@localhost", "ivan@localhost", full_name="stays")
    forward()
    assert sorted(Client.objects.values_list("email", "email_normalised")) == [
        ("anna@example.org", "anna@example.org"),
        ("boris@example.org", "boris@example.org"),
        ("ivan@localhost", "ivan@localhost"),
    ]


def test_deliveries_to_clients_who_are_gone_are_mended(owner, old):
    there = old("there@mail.example")
    mailing = factories.make_mailing(owner)
    gone, kept = in_run(mailing, old("gone@mail.example"), there)
    Delivery.objects.filter(pk=gone.pk).update(client_id=there.pk + 1_000_000)
    assert any("to no client" in line for line in invariants.broken(clock.now()))
    forward()
    gone.refresh_from_db()
    kept.refresh_from_db()
    assert (gone.client_id, kept.client_id is None) == (None, False)
    assert not any("to no client" in line for line in invariants.broken(clock.now()))


def test_thousands_of_doubles_take_few_statements(owner, old, django_assert_max_num_queries):
    model = type(old("first@mail.example"))
    count = 3_000
    model.objects.bulk_create(
        model(owner_id=owner.pk, email=address, email_normalised=address)
        for n in range(count)
        for address in (f"Client{n}@mail.example", f"client{n}@mail.example")
    )
    with django_assert_max_num_queries(150):
        forward()
    assert Client.objects.count() == count + 1
    assert not Client.objects.filter(email_normalised__regex="[A-Z]").exists()


def test_database_itself_takes_no_mailbox_that_is_not_in_lower_case(owner):
    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.bulk_create(
            [Client(owner=owner, email="A@x.example", email_normalised="A@x.example")]
        )
