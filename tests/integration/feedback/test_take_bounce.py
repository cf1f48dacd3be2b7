"""`manage.py take_bounce` as a mail server's pipe calls it: what it takes, and its exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from mailings.delivery import bounce_addresses
from mailings.models import Event, Suppression, UnmatchedNotice
from tests import reports
from tests.integration.feedback.test_events import sent_delivery

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent.parent.parent


class Stdin:
    def __init__(self, path: Path) -> None:
        self.buffer = path.open("rb")


@pytest.fixture
def pipe(tmp_path, monkeypatch):
    """Return a function that hands a mail to the command in this process."""

    def hand_in(raw: bytes, *arguments: str) -> None:
        path = tmp_path / "mail"
        path.write_bytes(raw)
        stdin = Stdin(path)
        monkeypatch.setattr(sys, "stdin", stdin)
        with stdin.buffer:
            call_command("take_bounce", *arguments)

    return hand_in


def test_a_mail_with_its_address_is_recorded(owner, pipe, settings):
    settings.BOUNCE_DOMAIN = "returns.example.org"
    delivery = sent_delivery(owner)
    to = bounce_addresses.sender("", delivery.pk, delivery.address)
    pipe(reports.bounce(delivery.address), "--to", to)
    assert Event.objects.get().source == "pipe"
    assert Suppression.objects.get().address == delivery.address


def test_without_the_address_its_own_headers_say_it(owner, pipe, settings):
    settings.BOUNCE_DOMAIN = "returns.example.org"
    delivery = sent_delivery(owner)
    to = bounce_addresses.sender("", delivery.pk, delivery.address)
    pipe(reports.bounce(delivery.address, to=to))
    assert Event.objects.get().delivery == delivery


def test_a_mail_of_any_length_is_taken_and_read_to_its_end(db, pipe, monkeypatch):
    monkeypatch.setattr("mailings.management.commands.take_bounce.MOST", 1000)
    pipe(b"x" * 5000)
    assert len(UnmatchedNotice.objects.get().raw) == 1000


def run_by_itself(raw: bytes, **environment: str) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "manage.py", "take_bounce", "--to", "nobody@returns.example.org"],
        input=raw,
        cwd=ROOT,
        env=inherited
        | {"DJANGO_SETTINGS_MODULE": "site_config.settings.development"}
        | environment,
        capture_output=True,
        timeout=120,
        check=False,
    )


def test_exit_code_is_0_when_it_is_taken(migrated_folder):
    done = run_by_itself(b"Subject: Hello\n\nHello.", DATA_DIR=str(migrated_folder))
    assert (done.returncode, done.stdout) == (0, b"")


@pytest.mark.parametrize(
    "url", ["postgres://nobody:nothing@127.0.0.1:9/nowhere", "sqlite:////dev/null/nowhere.sqlite3"]
)
def test_exit_code_says_try_later_when_the_database_is_away(tmp_path, url):
    done = run_by_itself(b"Subject: Hello\n\nHello.", DATA_DIR=str(tmp_path), DATABASE_URL=url)
    assert done.returncode == 75
    assert b"Traceback" not in done.stderr
    assert b"try again later" in done.stderr


def test_exit_code_says_try_later_when_there_are_no_tables_yet(tmp_path):
    done = run_by_itself(b"Subject: Hello\n\nHello.", DATA_DIR=str(tmp_path))
    assert done.returncode == 75
    assert b"Traceback" not in done.stderr
