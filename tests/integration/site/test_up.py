"""`manage.py up`, as `make run` starts it: real processes, a real port, a real mail."""

import os
import re
import shutil
import signal
import smtplib
import socket
from contextlib import closing
from email.message import EmailMessage

import psycopg2
import pytest

from tests import services
from tests.servers import free_port
from tests.site import Site, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with a migrated database: migrating once is enough."""
    site = Site(tmp_path_factory.mktemp("prepared"), email_url=f"smtp://localhost:{free_port()}")
    site.start()
    assert site.stop() == 0
    return site.data


@pytest.fixture
def site(tmp_path, prepared):
    shutil.copytree(prepared, tmp_path / "data")
    site = Site(tmp_path / "data", email_url=f"smtp://localhost:{free_port()}")
    site.log.unlink()
    yield site
    if hasattr(site, "process"):
        site.stop(signal.SIGKILL)


def send_a_mail(site: Site) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Привет", "a@example.org", "b@example.org"
    mail.set_content("Текст письма")
    port = int(site.environment["EMAIL_URL"].rpartition(":")[2])
    with smtplib.SMTP("localhost", port) as client:
        client.send_message(mail)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_catches_mail_and_stops_without_a_trace(site, number):
    site.start()
    assert site.status("/healthz") == 200
    assert site.status("/readyz") == 200
    assert site.status("/accounts/login/") == 200
    send_a_mail(site)
    assert len(list((site.data / "mailbox").glob("*.eml"))) == 1
    assert site.status("/dev/mail/") == 200
    assert len(site.processes()) >= 3  # up, web, worker

    assert site.stop(number) == 0
    assert site.processes() == []
    assert site.output().endswith("Stopping …\nStopped.\n")
    assert "Traceback" not in site.output()


def test_it_keeps_the_data_between_two_starts(site):
    site.start()
    send_a_mail(site)
    site.stop()
    site.start()
    assert len(list((site.data / "mailbox").glob("*.eml"))) == 1
    assert site.stop() == 0


def test_when_one_process_dies_the_others_are_stopped(site):
    site.start()
    [worker] = [pid for pid in site.processes() if "run_huey" in command_line(pid)]
    os.kill(worker, signal.SIGKILL)
    assert site.process.wait(30) == 1
    assert "worker ended with code -9." in site.output()
    assert site.processes() == []


def test_nothing_is_left_when_up_itself_is_killed(site):
    site.start()
    os.kill(site.process.pid, signal.SIGKILL)
    site.process.wait()
    wait_for(lambda: not site.processes(), timeout=20, message="children still run")


def test_it_can_be_broken_off_while_it_prepares(tmp_path):
    site = Site(tmp_path, email_url=f"smtp://localhost:{free_port()}")
    site.launch()
    wait_for(lambda: "Preparing" in site.output(), timeout=30, message="no preparation")
    assert site.stop() == 0
    # Python may say in between that it was broken off inside an import.
    assert site.output().endswith("Stopped.\n")
    assert "Ctrl-C stops it." not in site.output()


@pytest.mark.parametrize("which", ["web", "mail"])
def test_a_taken_port_is_said_in_one_line(site, which):
    mail_port = int(site.environment["EMAIL_URL"].rpartition(":")[2])
    port = site.port if which == "web" else mail_port
    with socket.create_server(("127.0.0.1", port)):
        site.launch()
        assert site.process.wait(30) == 1
    [line] = site.output().splitlines()
    assert re.match(rf"CommandError: Port {port} cannot be used: Address already in use\. ", line)


@pytest.mark.parametrize(
    ("setting", "url", "line"),
    [
        ("DATABASE_URL", "postgres://x@127.0.0.1:{}/x", "The database (DATABASE_URL) does not "),
        ("REDIS_URL", "redis://127.0.0.1:{}/0", "Redis (REDIS_URL) does not answer: "),
    ],
)
def test_a_server_that_is_away_is_said_in_one_line(site, setting, url, line):
    site.environment[setting] = url.format(free_port())
    site.launch()
    assert site.process.wait(30) == 1
    lines = [said for said in site.output().splitlines() if not said.startswith("Preparing")]
    assert len(lines) == 1
    assert lines[0].startswith(line)


@pytest.mark.skipif(services.EMBEDDED, reason="--embedded has no servers")
def test_it_runs_on_postgresql_and_redis(site):
    server = os.environ["DATABASE_URL"].rpartition("/")[0]
    name = f"up_{os.getpid()}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"CREATE DATABASE {name}")
        try:
            site.environment["DATABASE_URL"] = f"{server}/{name}"
            site.environment["REDIS_URL"] = os.environ["REDIS_URL"]
            site.start()
            assert site.status("/readyz") == 200
            assert site.status("/accounts/login/") == 200
            assert site.stop() == 0
        finally:
            connection.cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")
    assert "ERROR" not in site.output()


def command_line(pid: int) -> str:
    with open(f"/proc/{pid}/cmdline") as file:  # noqa: PTH123 - not a file of a disk
        return file.read().replace("\0", " ")
