from datetime import timedelta

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisConnectionError

from mailings.models import WorkerLease


@pytest.mark.django_db
def test_healthz_asks_nobody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


@pytest.mark.django_db
def test_readyz_tells_what_answers(client):
    now = timezone.now()
    WorkerLease.objects.create(
        host="a", pid=1, started_at=now, expires_at=now, heartbeat_at=now - timedelta(seconds=40)
    )
    response = client.get("/readyz")
    assert response.status_code == 200
    content = response.json()
    assert content.pop("worker_heartbeat_age") == pytest.approx(40, abs=5)
    assert content == {"ready": True, "database": True, "cache": True, "worker_alive": True}
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db
def test_readyz_before_the_first_worker(client):
    content = client.get("/readyz").json()
    assert content["worker_heartbeat_age"] is None
    assert content["worker_alive"] is False


@pytest.mark.django_db
def test_readyz_tells_of_a_silent_worker_and_is_ready_all_the_same(client):
    now = timezone.now()
    WorkerLease.objects.create(
        host="a", pid=1, started_at=now, expires_at=now + timedelta(minutes=20),
        heartbeat_at=now - timedelta(minutes=4),
    )  # fmt: skip
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["worker_alive"] is False


def test_readyz_is_503_without_the_database(client, monkeypatch):
    def away():
        raise OperationalError("secret.host does not answer")

    monkeypatch.setattr(connection, "cursor", away)
    monkeypatch.setattr(cache, "set", lambda *a, **o: None)
    monkeypatch.setattr(cache, "get", lambda *a, **o: "there")
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {
        "ready": False,
        "database": False,
        "cache": True,
        "worker_heartbeat_age": None,
        "worker_alive": None,
    }


@pytest.mark.django_db
def test_readyz_is_503_without_the_cache(client, monkeypatch):
    def away(*arguments, **options):
        raise RedisConnectionError("secret.host does not answer")

    monkeypatch.setattr(cache, "set", away)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert b"secret" not in response.content
