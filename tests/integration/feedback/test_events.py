"""Events: once each, gone with their mailing whose sums they leave, and checked in the ledger."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from accounts.services import delete_user
from mailings.campaigns import services
from mailings.delivery.runs import invariants
from mailings.models import Delivery, Event, Mailing, PastRun
from mailings.states import EventKind, MailingStatus, Outcome
from tests import factories


def sent_delivery(owner: User, **fields) -> Delivery:
    """Return a delivery of a completed mailing that was accepted, as the engine leaves it."""
    now = timezone.now()
    mailing = factories.make_mailing(owner)
    Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.COMPLETED)
    run = factories.make_run(mailing, status="done", targeted=1, sent_count=1, started_at=now)
    settled = {"status": "sent", "attempt_count": 1, "finished_at": now}
    delivery = factories.make_delivery(run, **(settled | fields))
    factories.make_attempt(delivery, started_at=now)
    return delivery


def broken() -> list[str]:
    return [line.partition(":")[0] for line in invariants.broken(timezone.now())]


def test_a_report_that_comes_twice_is_one_event(owner):
    event = factories.make_event(sent_delivery(owner), source_id="same")
    with pytest.raises(IntegrityError), transaction.atomic():
        factories.make_event(sent_delivery(owner), source_id="same")
    with pytest.raises(IntegrityError), transaction.atomic():  # a letter comes back once
        factories.make_event(event.delivery)
    factories.make_event(event.delivery, kind=EventKind.COMPLAINED)
    assert Event.objects.count() == 2


@pytest.mark.parametrize("door", ["service", "instance", "queryset", "user"])
def test_events_go_with_their_mailing_and_their_sums_stay(owner, stranger, superuser, door):
    delivery, other = sent_delivery(owner), sent_delivery(stranger)
    factories.make_event(delivery)
    factories.make_event(delivery, kind=EventKind.COMPLAINED)
    kept = factories.make_event(other)
    mailing = Mailing.objects.get(pk=delivery.run.mailing_id)
    if door == "service":
        services.delete_mailing(mailing=mailing, by=owner)
    elif door == "instance":
        mailing.delete()
    elif door == "queryset":
        Mailing.objects.filter(pk=mailing.pk).delete()
    else:
        delete_user(user=owner, by=superuser)
    assert list(Event.objects.all()) == [kept]
    assert PastRun.objects.values_list("returned", "complained").get() == (1, 1)
    assert broken() == []


def test_a_client_who_goes_leaves_events_in_the_log(owner):
    event = factories.make_event(sent_delivery(owner))
    event.delivery.client.delete()
    assert Event.objects.get() == event
    assert broken() == []


def test_the_ledger_names_events_that_cannot_be(owner):
    sound = sent_delivery(owner)
    factories.make_event(sound)
    assert broken() == []

    unsent = sent_delivery(owner)
    unsent.attempts.update(outcome=Outcome.PERMANENT, code=550)
    factories.make_event(unsent)
    assert "An event of a delivery that was never handed over" in broken()
    unsent.events.all().delete()

    early = factories.make_event(
        sent_delivery(owner), happened_at=timezone.now() - timedelta(hours=1)
    )
    assert "An event happened before its delivery was tried" in broken()
    early.delete()

    factories.make_event(sound, run_id=unsent.run_id, kind=EventKind.COMPLAINED)
    assert "An event of no delivery" in broken()
