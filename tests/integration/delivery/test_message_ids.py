"""Message-IDs are one for all tries of a delivery, and no other's, whatever happens to numbers."""

from datetime import timedelta

import pytest
from django.utils import timezone

from mailings.campaigns import services
from mailings.delivery.runs import composing, planning
from mailings.models import Run
from tests import factories

pytestmark = pytest.mark.django_db


def a_run(owner) -> Run:
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    return mailing.runs.get()


def message_ids(run: Run) -> list[bytes]:
    """Of two tries, by workers that read the run anew."""
    delivery = run.deliveries.get()
    mails = [
        composing.render(composing.compile_run(Run.objects.get(pk=run.pk)), delivery, at)
        for at in (timezone.now(), timezone.now() + timedelta(hours=3))
    ]
    lines = [line for mail in mails for line in mail.split(b"\r\n")]
    return [line for line in lines if line.startswith(b"Message-ID:")]


def test_tries_of_a_delivery_have_one(owner):
    first, second = message_ids(a_run(owner))
    assert first == second


def test_the_same_numbers_in_a_database_built_anew_make_another(owner):
    run = a_run(owner)
    before = message_ids(run)[0]
    # The same numbers of run and delivery; only the moment is another one.
    Run.objects.update(created_at=run.created_at + timedelta(microseconds=1))
    assert message_ids(run)[0] != before
