"""Who unsubscribes by a letter is an event of it: it stays when they are off the list again."""

from threading import Barrier, Thread

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from mailings.campaigns import services as campaigns
from mailings.delivery.runs import invariants
from mailings.models import Delivery, Event, Mailing, PastRun, Suppression
from mailings.models.suppression import SuppressionReason, SuppressionSource
from mailings.reports import sums
from mailings.reports.periods import Period
from mailings.states import EventKind, MailingStatus
from mailings.suppression import services, stop_list, unsubscribe_links
from mailings.suppression.unsubscribing import Reader
from mailings.web import words
from tests.integration.feedback.test_events import broken, sent_delivery

pytestmark = pytest.mark.django_db

BEFORE = [("mailings", "0019_events")]


def reader(delivery: Delivery) -> Reader:
    owner_id = delivery.run.mailing.owner_id
    found = Reader.of(unsubscribe_links.token(owner_id, delivery.pk, delivery.address))
    assert found is not None
    return found


def leave(delivery: Delivery, source=SuppressionSource.LINK) -> Suppression | None:
    return reader(delivery).unsubscribe(source)


def take_off(owner) -> None:
    rows = list(Suppression.objects.filter(owner=owner))
    seen = [services.Seen(pk, stamp) for pk, stamp in services.stamps(rows).items()]
    services.take_out(seen=seen, owner=owner, by=owner, reason="asked for it", confirmed=True)
    assert not Suppression.objects.filter(owner=owner).exists()


def told(owner, mailing=None) -> int:
    """Return what the report says of today."""
    period = Period.of_days(1, timezone.now(), owner.zone)
    runs = sums.runs_in(owner, period)
    return sum(part.unsubscribed for part in sums.parts(owner, period, runs, None, mailing))


@pytest.mark.parametrize("source", SuppressionSource)
def test_it_stays_in_every_figure_when_the_owner_takes_the_entry_off(client, owner, source):
    delivery = sent_delivery(owner)
    leave(delivery, source)
    event = Event.objects.get()
    assert (event.kind, event.source, event.delivery) == ("unsubscribed", source.value, delivery)
    take_off(owner)
    assert told(owner) == told(owner, delivery.run.mailing) == 1
    assert sums.with_leavers(sums.runs_in(owner, Period.of_days(1, timezone.now(), owner.zone)))[
        0
    ].unsubscribed == 1  # fmt: skip
    client.force_login(owner)
    assert client.get(reverse("mailings:dashboard")).context["clients"]["left"].number == 1
    page = client.get(delivery.run.get_absolute_url())
    assert page.context["run"].unsubscribed == 1
    for url in (
        f"{delivery.run.get_absolute_url()}?tab=deliveries",
        delivery.client.get_absolute_url(),
    ):
        with translation.override(owner.language):
            said = words.event(EventKind.UNSUBSCRIBED, None, "", "")
        assert said in client.get(url).content.decode()
    assert broken() == []


def test_once_more_changes_no_figure(owner):
    delivery = sent_delivery(owner)
    assert leave(delivery) is not None
    assert leave(delivery, SuppressionSource.ONE_CLICK) is None
    take_off(owner)
    assert leave(delivery) is not None  # gets mail again, and leaves by the old letter again
    assert Event.objects.count() == 1


def test_who_is_off_already_leaves_by_no_other_letter(owner):
    first = sent_delivery(owner)
    second = sent_delivery(owner, client=first.client, address=first.address)
    leave(first)
    leave(second)
    assert Event.objects.get().delivery == first


def test_a_milder_entry_becomes_their_wish_and_an_event(owner):
    delivery = sent_delivery(owner)
    stop_list.suppress(delivery.address, reason=SuppressionReason.MANUAL, owner_id=owner.pk)
    assert leave(delivery) is None
    assert Event.objects.get().kind == EventKind.UNSUBSCRIBED
    assert told(owner) == 1


def test_taken_back_at_once_it_never_was(owner):
    delivery = sent_delivery(owner)
    entry = leave(delivery)
    assert reader(delivery).take_back(reader(delivery).regret_code(entry))
    assert not Event.objects.exists()
    assert told(owner) == 0


def test_taken_back_later_only_what_that_press_made_goes(owner):
    delivery = sent_delivery(owner)
    leave(delivery)
    take_off(owner)
    entry = leave(delivery)
    assert reader(delivery).take_back(reader(delivery).regret_code(entry))
    assert Event.objects.count() == told(owner) == 1


def test_it_costs_one_statement(owner):
    deliveries = [sent_delivery(owner) for _ in range(2)]
    readers = [reader(delivery) for delivery in deliveries]
    with CaptureQueriesContext(connection) as queries:
        readers[0].unsubscribe(SuppressionSource.ONE_CLICK)
    events = [q["sql"] for q in queries if "mailings_event" in q["sql"]]
    assert len(events) == 1


def test_it_goes_with_its_mailing_and_its_sum_stays(owner):
    delivery = sent_delivery(owner)
    leave(delivery)
    mailing = Mailing.objects.get(pk=delivery.run.mailing_id)
    campaigns.delete_mailing(mailing=mailing, by=owner)
    assert not Event.objects.exists()
    assert PastRun.objects.get().unsubscribed == 1
    assert told(owner) == 1


def test_nothing_is_said_to_have_come_back(owner):
    delivery = sent_delivery(owner)
    leave(delivery)
    assert not sums.has_heard(owner)
    period = Period.of_days(1, timezone.now(), owner.zone)
    runs = sums.with_leavers(sums.runs_in(owner, period))
    assert not sums.knows_returns(runs)
    assert sums.known_later(period, runs, None) == {}


def test_the_ledger_is_asked_for_the_event(owner):
    leave(sent_delivery(owner))
    assert broken() == []
    Event.objects.all().delete()
    assert broken() == ["Somebody unsubscribed by a letter and no event says so"]


def test_a_letter_that_was_refused_and_came_all_the_same_breaks_no_ledger(owner):
    delivery = sent_delivery(owner)
    delivery.attempts.update(outcome="permanent")
    Delivery.objects.filter(pk=delivery.pk).update(status="failed")
    leave(delivery)
    assert "An event of a delivery that was never handed over" not in broken()


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_the_same_moment_are_one_event(owner):
    delivery = sent_delivery(owner)
    barrier = Barrier(2)

    def press(source: SuppressionSource) -> None:
        barrier.wait()
        try:
            leave(delivery, source)
        finally:
            connection.close()

    threads = [Thread(target=press, args=[source]) for source in SuppressionSource]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Event.objects.count() == Suppression.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_migration_makes_events_of_the_past(owner):
    executor = MigrationExecutor(connection)
    apps = executor.migrate(BEFORE).apps
    try:
        message = apps.get_model("mailings", "Message").objects.create(
            owner_id=owner.pk, subject="Новости", body="<p>…</p>"
        )
        mailing = apps.get_model("mailings", "Mailing").objects.create(
            owner_id=owner.pk, name="M", message=message, start_at=timezone.now(),
            status=MailingStatus.COMPLETED,
        )  # fmt: skip
        run = apps.get_model("mailings", "Run").objects.create(
            mailing=mailing, scheduled_for=timezone.now(), subject="Новости",
            sender_email="shop@example.org", status="done", finished_at=timezone.now(),
        )  # fmt: skip
        rows = {
            name: apps.get_model("mailings", "Delivery").objects.create(
                run=run, address=f"{name}@mail.example", status="sent"
            )
            for name in ("anna", "BORIS", "vera", "gleb")
        }
        entries = [
            ("anna", "unsubscribed", "one-click", run),
            ("boris", "unsubscribed", "link", run),
            ("vera", "bounced", "550", run),
            ("gleb", "unsubscribed", "file", None),
        ]
        for name, reason, source, through in entries:
            apps.get_model("mailings", "Suppression").objects.create(
                owner_id=owner.pk, address_hash=name, address=f"{name}@mail.example",
                reason=reason, source=source, run=through,
            )  # fmt: skip
    finally:
        executor = MigrationExecutor(connection)
        executor.loader.build_graph()
        executor.migrate(executor.loader.graph.leaf_nodes())
    found = Event.objects.order_by("pk").values_list("delivery", "run", "kind", "source")
    assert sorted(found) == sorted([
        (rows["anna"].pk, run.pk, "unsubscribed", "one-click"),
        (rows["BORIS"].pk, run.pk, "unsubscribed", "link"),
    ])  # fmt: skip
    anna = Suppression.objects.get(address="anna@mail.example")
    assert Event.objects.get(delivery=rows["anna"].pk).happened_at == anna.created_at
    assert not any("unsubscribed" in line for line in invariants.broken(timezone.now()))
    MigrationExecutor(connection).migrate(BEFORE)
    executor = MigrationExecutor(connection)
    executor.loader.build_graph()
    executor.migrate(executor.loader.graph.leaf_nodes())
    assert Event.objects.count() == 2
