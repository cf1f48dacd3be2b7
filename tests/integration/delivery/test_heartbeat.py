"""Whether anybody sends: told to owners in the cabinet and to managers at their desk."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings import tasks
from mailings.delivery import heartbeat
from mailings.delivery.queue import lease
from mailings.models import WorkerLease
from tests.integration.cabinet import in_language, speak

PAGES = {"cabinet": reverse("mailings:dashboard"), "desk": "/cms/"}


def beat(minutes_ago: float) -> None:
    """A worker showed itself then; its lease would last longer than its heartbeat counts."""
    now = timezone.now()
    WorkerLease.objects.create(
        host="a", pid=1, started_at=now - timedelta(hours=1),
        heartbeat_at=now - timedelta(minutes=minutes_ago), expires_at=now + timedelta(minutes=25),
    )  # fmt: skip


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("beats", "runs"),
    [([], False), ([4], False), ([60, 4], False), ([2], True), ([60, 1], True)],
    ids=str,
)
def test_a_silence_of_three_minutes_is_told(client, manager, page, language, beats, runs):
    speak(manager, language)
    client.force_login(manager)
    for minutes_ago in beats:
        beat(minutes_ago)
    said = in_language(language, "Sending does not run: start the worker")
    assert (said in client.get(PAGES[page]).content.decode()) is not runs


def test_an_owner_is_told_without_the_workers_being_shown(client, owner):
    beat(4)
    client.force_login(owner)
    response = client.get(PAGES["cabinet"])
    assert response.context["nobody_sends"] is True
    assert "cms_workerlease" not in response.content.decode()


@pytest.mark.django_db
def test_the_sign_of_life_of_a_process_counts():
    now = timezone.now()
    assert not heartbeat.is_alive(now)
    lease.beat(tasks.PROCESS, now)
    assert heartbeat.is_alive(now)
    assert heartbeat.is_alive(now + heartbeat.SILENT_AFTER)
    assert not heartbeat.is_alive(now + heartbeat.SILENT_AFTER + timedelta(seconds=1))


def test_a_consumer_shows_itself_as_soon_as_it_starts(monkeypatch):
    monkeypatch.setattr(tasks, "_consumers", [])
    tasks.HUEY.storage.flush_all()
    try:
        tasks.create_consumer(workers=1, periodic=False)
        waiting = [type(task).__name__ for task in tasks.HUEY.pending()]
    finally:
        tasks.HUEY.storage.flush_all()
    assert waiting == ["heartbeat"]
