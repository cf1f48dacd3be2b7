"""The plain way in an empty folder: pip, .env, migrate, csu, runserver – and `manage.py up`."""

import http.cookiejar
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest

from tests import needs
from tests.servers import free_port
from tests.site import ROOT, wait_for

pytestmark = pytest.mark.slow

EMAIL, PASSWORD = "root@example.org", "vier-Fluesse-7"
OURS = ("DATA_DIR", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "DJANGO_SETTINGS_MODULE",
        "SECRET_KEY", "PYTHONPATH", "VIRTUAL_ENV")  # fmt: skip


def environment(**more: str) -> dict[str, str]:
    """The environment of whoever has just opened a terminal."""
    return {k: v for k, v in os.environ.items() if k not in OURS} | more


class Clone:
    """A fresh copy of the project with a virtual environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, capture_output=True, text=True, check=True,
        )  # fmt: skip
        for name in filter(None, listed.stdout.split("\0")):
            if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/")):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)

    def install(self) -> None:
        subprocess.run([sys.executable, "-m", "venv", ".venv"], cwd=self.folder, check=True)
        options = ["--quiet", "--no-compile", "--disable-pip-version-check", "--retries", "1"]
        pip = [self.python, "-m", "pip", "install", *options, "-r", "requirements.txt"]
        done = subprocess.run(
            pip, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode and "No matching distribution" not in done.stderr:
            pytest.fail(done.stderr)
        if done.returncode:
            needs.missing(f"pip reaches no packages: {done.stderr.strip().splitlines()[-1]}")

    @property
    def python(self) -> str:
        return str(self.folder / ".venv/bin/python")

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.python, "manage.py", *arguments], cwd=self.folder, env=environment(),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, *arguments: str, **more: str) -> "subprocess.Popen[bytes]":
        with (self.folder / "said.log").open("ab") as log:
            return subprocess.Popen(
                [self.python, "manage.py", *arguments], cwd=self.folder, env=environment(**more),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def said(self) -> str:
        return (self.folder / "said.log").read_text()


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    made = Clone(tmp_path_factory.mktemp("clone"))
    made.install()
    shutil.copy(made.folder / ".env.example", made.folder / ".env")
    return made


@pytest.fixture(scope="module")
def migrated(clone) -> None:
    clone.manage("migrate", "--verbosity", "0")


@pytest.fixture
def opened() -> OpenerDirector:
    return build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))


@pytest.fixture
def running(clone, migrated, request) -> Iterator[str]:
    """Run the command; yield the address of the site."""
    port = str(free_port())
    command = [part.replace("PORT", port) for part in request.param]
    process = clone.start(*command, EMAIL_URL=f"smtp://localhost:{free_port()}")
    try:
        url = f"http://localhost:{port}"
        wait_for(lambda: answers(f"{url}/healthz"), timeout=90, message="No answer")
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)


def answers(url: str) -> bool:
    try:
        with build_opener().open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def sign_in(opened: OpenerDirector, url: str) -> str:
    page = opened.open(f"{url}/accounts/login/").read().decode()
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    fields = {"csrfmiddlewaretoken": token, "login": EMAIL, "password": PASSWORD}
    with opened.open(f"{url}/accounts/login/", urlencode(fields).encode()) as answer:
        return str(answer.url)


PAGES = ("/", "/blog/", "/app/", "/app/clients/", "/app/mailings/new/", "/app/report/", "/cms/",
         "/cms/users/", "/accounts/profile/", "/readyz")  # fmt: skip

RUNSERVER = ("runserver", "--noreload", "PORT")
UP = ("up", "--port", "PORT")


@pytest.mark.parametrize("running", [RUNSERVER, UP], indirect=True, ids=["runserver", "up"])
def test_the_plain_way_leads_to_a_working_service(clone, opened, running):
    assert "superuser" in clone.manage("csu", "--email", EMAIL, "--password", PASSWORD).lower()
    assert "/accounts/login/" not in sign_in(opened, running)
    broken = {}
    for page in PAGES:
        try:
            opened.open(f"{running}{page}").read()
        except HTTPError as error:
            broken[page] = error.code
    assert {page: code for page, code in broken.items() if code >= 500} == {}
    assert not broken, broken
    assert "Traceback" not in clone.said()
