"""What the migration makes of clients who were several and are one mailbox."""

import itertools
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from accounts.models import User
from mailings.delivery.runs import invariants
from mailings.models import Attempt, Client, ClientList, Delivery, Mailing
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from mailings.suppression.fingerprints import address_hash
from mailings.timing import clock

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

BEFORE = [("mailings", "0017_spellings_of_a_mailbox")]

_numbers = itertools.count(1)


class Past:
    """Makes rows as they were before the migration, by the models of that day: columns that came
    later do not exist meanwhile."""

    def __init__(self, owner: User, apps: Any) -> None:
        self.owner = owner
        self.apps = apps

    def model(self, name: str) -> Any:
        return self.apps.get_model("mailings", name)

    def __call__(
        self, email: str, normalised: str = "", user: User | None = None, **fields: Any
    ) -> Any:
        """Return a client."""
        local, _at, domain = email.rpartition("@")
        return self.model("Client").objects.create(
            owner_id=(user or self.owner).pk,
            email=email,
            email_normalised=normalised or f"{local}@{domain.lower()}",
            **fields,
        )

    def list_of(self, *clients: Any) -> Any:
        row = self.model("ClientList").objects.create(
            owner_id=self.owner.pk, name=f"List {next(_numbers)}"
        )
        row.clients.add(*clients)
        return row

    def mailing(self) -> Any:
        message = self.model("Message").objects.create(
            owner_id=self.owner.pk, subject="Новости", body="<p>Здравствуйте!</p>"
        )
        return self.model("Mailing").objects.create(
            owner_id=self.owner.pk,
            name=f"Mailing {next(_numbers)}",
            message=message,
            start_at=timezone.now(),
        )

    def in_run(self, mailing: Any, *clients: Any, **fields: Any) -> list[Any]:
        """Return the deliveries of a new run to these clients."""
        run = self.model("Run").objects.create(
            mailing=mailing,
            scheduled_for=timezone.now(),
            subject="Новости",
            sender_email="shop@example.org",
            status="sending",
            targeted=len(clients),
        )
        return [
            self.model("Delivery").objects.create(
                run=run, client_id=row.pk, **{"address": row.email_normalised} | fields
            )
            for row in clients
        ]

    def attempt(self, delivery: Any, outcome: str) -> None:
        self.model("Attempt").objects.create(
            delivery=delivery, number=1, started_at=timezone.now(), outcome=outcome
        )


@pytest.fixture
def old(owner) -> Iterator[Past]:
    """The migration is undone until `forward`."""
    executor = MigrationExecutor(connection)
    apps = executor.migrate(BEFORE).apps
    try:
        yield Past(owner, apps)
    finally:
        forward()


def forward() -> None:
    executor = MigrationExecutor(connection)
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes())


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
    lists = [old.list_of(first, second), old.list_of(third), old.list_of(second, other)]
    mailing = old.mailing()
    mailing.clients.add(second)
    mailing.excluded_clients.add(third)
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
    now = [ClientList.objects.get(pk=row.pk) for row in lists]
    assert [on.clients.filter(pk=kept.pk).count() for on in now] == [1, 1, 1]
    assert now[2].clients.count() == 2
    there = Mailing.objects.get(pk=mailing.pk)
    assert list(there.clients.all()) == [kept]
    assert list(there.excluded_clients.all()) == [kept]


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
    mailing = old.mailing()
    now = timezone.now()
    pending, sent, failed = old.in_run(mailing, one, two, three, finished_at=now)
    rows = old.model("Delivery").objects
    rows.filter(pk=pending.pk).update(finished_at=None)
    rows.filter(pk=sent.pk).update(status="sent", tries=1, attempt_count=1)
    rows.filter(pk=failed.pk).update(status="failed", tries=1, attempt_count=1)
    old.attempt(sent, "accepted")
    old.attempt(failed, "permanent")
    (alone,) = old.in_run(mailing, three, status="sent", finished_at=now)
    forward()

    links = dict(Delivery.objects.values_list("pk", "client"))
    assert links == {pending.pk: None, sent.pk: one.pk, failed.pk: None, alone.pk: one.pk}
    of_run = Delivery.objects.filter(run_id=sent.run_id)
    assert sorted(of_run.values_list("address", flat=True)) == [
        "ANNA@mail.example", "Anna@mail.example", "anna@mail.example",
    ]  # fmt: skip
    for row in (sent, failed):
        assert Attempt.objects.filter(delivery_id=row.pk).count() == 1
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
    old.model("Suppression").objects.create(
        owner_id=owner.pk, address_hash=address_hash("x@fass.example"),
        reason=SuppressionReason.UNSUBSCRIBED, is_by_idna_2003=True,
    )  # fmt: skip
    forward()
    found = dict(Client.objects.values_list("pk", "email_normalised"))
    assert found == {sharp.pk: "x@xn--fa-hia.example", double.pk: "x@fass.example"}
    assert stop_list.suppressed_among(owner.pk, found.values()) == set(found.values())


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
    gone, kept = old.in_run(old.mailing(), old("gone@mail.example"), there)
    rows = old.model("Delivery").objects
    rows.filter(pk=gone.pk).update(client_id=there.pk + 1_000_000)
    forward()
    now = dict(Delivery.objects.values_list("pk", "client"))
    assert (now[gone.pk], now[kept.pk]) == (None, there.pk)
    assert not any("to no client" in line for line in invariants.broken(clock.now()))


def test_thousands_of_doubles_take_few_statements(owner, old, django_assert_max_num_queries):
    old("first@mail.example")
    model = old.model("Client")
    count = 3_000
    model.objects.bulk_create(
        model(owner_id=owner.pk, email=address, email_normalised=address)
        for n in range(count)
        for address in (f"Client{n}@mail.example", f"client{n}@mail.example")
    )
    executor = MigrationExecutor(connection)
    with django_assert_max_num_queries(150):
        executor.migrate([("mailings", "0018_one_client_a_mailbox")])
    forward()
    assert Client.objects.count() == count + 1
    assert not Client.objects.filter(email_normalised__regex="[A-Z]").exists()


def test_database_itself_takes_no_mailbox_that_is_not_in_lower_case(owner):
    with pytest.raises(IntegrityError), transaction.atomic():
        Client.objects.bulk_create(
            [Client(owner=owner, email="A@x.example", email_normalised="A@x.example")]
        )
