import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError
from django.test import Client, RequestFactory
from redis.exceptions import ConnectionError as RedisConnectionError

from site_config import failures

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ImproperlyConfigured("SECRET_KEY is not set."), "Settings: SECRET_KEY is not set."),
        (
            OperationalError("connection refused\n\tIs the server running?"),
            "The database (DATABASE_URL) does not answer: connection refused",
        ),
        (
            OperationalError("no such table: accounts_user"),
            (
                "The database is not prepared (no such table: accounts_user). "
                "Run: python manage.py migrate"
            ),
        ),
        (
            RedisConnectionError("Error 111 connecting to cache:6379."),
            "Redis (REDIS_URL) does not answer: Error 111 connecting to cache:6379.",
        ),
        (KeyError("ours"), None),  # keeps its traceback
    ],
)
def test_what_the_operator_mends_is_one_line(error, line):
    assert failures.in_one_line(error) == line


@pytest.mark.parametrize(
    ("settings", "environment", "line"),
    [
        (
            "production",
            {"SECRET_KEY": ""},
            "Settings: SECRET_KEY is not set. Set it in the environment or in .env.",
        ),
        (
            "production",
            {"SECRET_KEY": "s" * 60, "ALLOWED_HOSTS": ""},
            "Settings: ALLOWED_HOSTS is not set. Set it in the environment or in .env.",
        ),
        (
            "development",
            {"SECRET_KEY": "s", "DEBUG": "perhaps"},
            "Settings: DEBUG must be true or false, not 'perhaps'.",
        ),
        (
            "development",
            {"SECRET_KEY": "s", "DATABASE_URL": "postgres://x@127.0.0.1:1/x"},
            (
                "The database (DATABASE_URL) does not answer: connection to server at "
                '"127.0.0.1", port 1 failed: Connection refused'
            ),
        ),
    ],
)
def test_a_command_stops_with_one_line(tmp_path, settings, environment, line):
    command = [
        sys.executable,
        "manage.py",
        "migrate",
        f"--settings=site_config.settings.{settings}",
    ]
    clean = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        command, cwd=ROOT, env=clean | environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"{line}\n")


def error_page_for(error: Exception):
    try:
        raise error  # noqa: TRY301 - the page must see it as the error in hand
    except Exception:  # noqa: BLE001
        return failures.error_page(RequestFactory().get("/"))


def test_a_database_that_is_away_is_a_503_that_asks_to_come_back():
    response = error_page_for(OperationalError("could not connect"))
    assert response.status_code == 503
    assert response["Retry-After"] == "30"
    assert "could not connect" not in response.content.decode()
    assert "<h1" in response.content.decode()


def test_our_own_fault_is_a_500():
    assert error_page_for(ZeroDivisionError()).status_code == 500


@pytest.mark.django_db
def test_the_503_page_comes_when_a_middleware_meets_the_absence(monkeypatch, settings):
    def away(*arguments, **options):
        raise OperationalError("could not connect")

    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", away)
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "a" * 32
    response = client.get("/app/")
    assert response.status_code == 503
