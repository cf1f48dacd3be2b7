"""`load_demo`: never by accident in production, right at any hour, with pictures of its own."""

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import User
from home.demo import DEMO_ACCOUNTS
from home.demo.blog import tied
from home.demo.drawings import DRAWINGS, draw
from mailings.delivery.runs import invariants
from mailings.models import Attempt, Mailing, Run
from mailings.states import RunStatus
from tests.integration.demo import load

pytestmark = pytest.mark.django_db


def test_outside_development_it_refuses_and_loads_nothing(blog):
    with pytest.raises(CommandError, match="--force"):
        call_command("load_demo")
    assert not User.objects.exists()


def test_in_development_it_needs_no_force(blog, settings):
    settings.DEBUG = True
    call_command("load_demo", verbosity=0)
    assert User.objects.count() == len(DEMO_ACCOUNTS)


@pytest.mark.slow
@pytest.mark.parametrize("hour", [1, 8, 9, 15, 23], ids=lambda hour: f"loaded at {hour}:30")
def test_the_thirty_days_before_add_up(blog, hour):
    moment = timezone.localtime().replace(hour=hour, minute=30, second=0)
    with time_machine.travel(moment, tick=False):
        load()
        assert list(invariants.broken(timezone.now())) == []
        daily = Mailing.objects.get(name="Утренний отрывок").runs
        assert daily.filter(status=RunStatus.DONE).count() in {29, 30}
        assert daily.filter(status=RunStatus.MISSED).count() == 1
        assert not Run.objects.filter(scheduled_for__gt=timezone.now()).exists()
        assert not Attempt.objects.filter(started_at__gt=timezone.now()).exists()


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawings_are_png_files(name):
    assert draw(name).startswith(b"\x89PNG")


def test_short_words_are_tied_to_the_next():
    assert tied("Не в том <a href='x'>и</a> дело") == "Не\xa0в\xa0том <a href='x'>и</a> дело"
