"""The volume command: sound rows, as many as asked for, and nothing that would be sent."""

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from mailings.delivery.queue import claiming
from mailings.delivery.runs import invariants, planning
from mailings.models import Attempt, Client, Delivery, Run

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def create(**options):
    call_command("create_volume", clients=1000, deliveries=5000, force=True, verbosity=0, **options)


def test_the_rows_are_sound_and_as_many_as_asked_for():
    create()
    assert Client.objects.count() == 1000
    assert 4_500 <= Delivery.objects.count() <= 5_500
    assert 4_000 <= Attempt.objects.count() <= 5_500
    assert list(invariants.broken(timezone.now())) == []
    assert Run.objects.filter(status="sending").count() == 1


def test_nothing_of_it_is_sent():
    create()
    now = timezone.now()
    assert planning.plan(now) == 0
    assert not claiming.has_due(now)


def test_an_account_with_clients_is_left_alone(owner):
    create(email=owner.email)
    with pytest.raises(CommandError, match="has clients already"):
        create(email=owner.email)
    assert User.objects.count() == 1


def test_outside_development_it_has_to_be_meant(settings):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="--force"):
        call_command("create_volume")
