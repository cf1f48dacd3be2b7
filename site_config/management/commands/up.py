"""`make run`: prepares the database, then runs web, worker and mail catcher until Ctrl-C."""

import contextlib
import errno
import http.client
import importlib.util
import itertools
import signal
import socket
import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.cache import cache
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connection

from accounts.models import User
from home import site_seed
from home.demo.accounts import existing_accounts
from site_config import env
from site_config.mailbox import Catcher, Mailbox
from site_config.processes import ProcessGroup

WEB_HOST = "127.0.0.1"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
START_TIMEOUT = 60  # seconds until the web server must answer
STATIC_MANIFEST = "staticfiles.json"


def require_free(host: str, port: int, advice: str) -> str:
    """Return the address of `host` to listen on; a taken port is refused in one line."""
    usable = []
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _name, address in addresses:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind(address)
                except OSError as error:
                    # A container's `localhost` is often ::1 too, without any IPv6.
                    if error.errno != errno.EADDRNOTAVAIL:
                        raise
                else:
                    usable.append(str(address[0]))
    except OSError as error:
        raise CommandError(f"Port {port} cannot be used: {error.strerror}. {advice}") from error
    if not usable:
        raise CommandError(f"{host} is no address of this machine. {advice}")
    return WEB_HOST if WEB_HOST in usable else usable[0]


def answers(port: int) -> bool:
    web = http.client.HTTPConnection(WEB_HOST, port, timeout=5)
    try:
        web.request("GET", "/healthz", headers={"Host": "localhost"})
        return web.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        web.close()


def newest(files: Iterable[Path]) -> float:
    return max((file.stat().st_mtime for file in files), default=0.0)


class Command(BaseCommand):
    help = (
        "Prepares the database and runs the web server, the worker and (in development) the mail "
        "catcher in one terminal. Ctrl-C stops all; if one of them ends, the others are stopped."
    )
    requires_system_checks = ()  # the children check; the database may not be there yet

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="the web port (8000)")
        parser.add_argument(
            "--demo", action="store_true", help="load the demo content into an empty database"
        )

        parser.add_argument(
            "--no-mail", action="store_true", help="no mail catcher: EMAIL_URL is served elsewhere"
        )

    def handle(self, *, port: int, demo: bool, no_mail: bool, **options: Any) -> None:
        self.signals: list[int] = []
        self.is_preparing = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.on_signal)
        require_free(WEB_HOST, port, f"Choose another: make run PORT={port + 1}")
        catcher = None if no_mail else self.mail_catcher()
        with contextlib.suppress(KeyboardInterrupt):
            self.prepare(port, demo=demo)
        self.is_preparing = False
        if not self.signals:
            self.run(port, catcher)
        self.line("Stopped.")

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """Note the wish to stop; what prepares is broken off, what runs is stopped in order."""
        self.signals.append(number)
        if self.is_preparing:
            raise KeyboardInterrupt

    def line(self, text: str = "") -> None:
        self.stdout.write(text)
        self.stdout.flush()

    # ------------------------------------------------------------ before the start
    def mail_catcher(self) -> Catcher | None:
        """Return the mail catcher if EMAIL_URL points to this machine in development."""
        address = urlsplit(settings.EMAIL_URL)
        host, port = address.hostname or "localhost", address.port or 25
        if not settings.DEBUG or address.scheme != "smtp" or host not in LOCAL_HOSTS:
            return None
        if importlib.util.find_spec("aiosmtpd") is None:
            raise CommandError(
                "The mail catcher needs aiosmtpd: install requirements.txt, "
                "or name a mail server in EMAIL_URL."
            )
        advice = f"Name another for mail in .env: EMAIL_URL=smtp://localhost:{port + 1}"
        listen_on = require_free(host, port, advice)
        return Catcher(Mailbox(settings.MAILBOX_DIR), listen_on, port)

    def prepare(self, port: int, *, demo: bool) -> None:
        connection.ensure_connection()  # a server that is away ends the command in one line
        self.line("Preparing the database …")
        call_command("migrate", verbosity=0, interactive=False)
        site_seed.seed(self.site_url(port))
        cache.get("up")
        if not settings.DEBUG and self.static_files_are_old():
            self.line("Collecting static files …")
            call_command("collectstatic", verbosity=0, interactive=False)
        if demo and settings.DEBUG and self.is_empty():
            self.line("Loading the demo content …")
            call_command("load_demo", verbosity=0)
        connection.close()

    def static_files_are_old(self) -> bool:
        manifest = settings.STATIC_ROOT / STATIC_MANIFEST
        listed = itertools.chain.from_iterable(finder.list([]) for finder in get_finders())
        sources = (Path(storage.path(name)) for name, storage in listed)
        return not manifest.exists() or manifest.stat().st_mtime < newest(sources)

    def is_empty(self) -> bool:
        return not User.objects.exists()

    # ------------------------------------------------------------ while it runs
    def run(self, port: int, catcher: Catcher | None) -> None:
        processes = ProcessGroup(self.line)
        environment = env.for_child(PYTHONUNBUFFERED="1", SITE_URL=self.site_url(port))
        for name, command in self.commands(port).items():
            processes.start(name, command, environment)
        if catcher:
            catcher.start()
        try:
            self.watch(processes, port, catcher)
        finally:
            self.line("Stopping …")
            asked = len(self.signals)
            processes.stop(hurry=lambda: len(self.signals) > max(asked, 1))
            if catcher:
                catcher.stop()

    def commands(self, port: int) -> dict[str, list[str]]:
        web = "gunicorn site_config.wsgi:application --worker-class gthread --workers 1 --threads 8"
        web += f" --bind {WEB_HOST}:{port} --log-level warning --no-control-socket"
        return {
            "web": [sys.executable, "-m", *web.split()],
            "worker": [sys.executable, sys.argv[0], "run_huey"],
        }

    def site_url(self, port: int) -> str:
        """Return SITE_URL for links in mails: another web port of this machine counts."""
        url = urlsplit(settings.SITE_URL)
        if url.hostname not in LOCAL_HOSTS:
            return str(settings.SITE_URL)
        return url._replace(netloc=f"{url.hostname}:{port}").geturl()

    def watch(self, processes: ProcessGroup, port: int, catcher: Catcher | None) -> None:
        """Return when a signal came; CommandError when a child ended or nothing answers."""
        deadline = time.monotonic() + START_TIMEOUT
        greeted = False
        while not self.signals:
            if child := processes.ended():
                code = child.process.returncode
                raise CommandError(f"{child.name} ended with code {code}.")
            if not greeted and answers(port):
                self.greet(port, catcher)
                greeted = True
            if not greeted and time.monotonic() > deadline:
                raise CommandError(f"The web server did not answer in {START_TIMEOUT} seconds.")
            time.sleep(0.1)

    def greet(self, port: int, catcher: Catcher | None) -> None:
        address = f"http://localhost:{port}"
        self.line(f"\nVestnik    {address}/")
        self.line(f"Admin      {address}/cms/")
        if catcher:
            self.line(f"Mail       {address}/dev/mail/  (caught here, sent nowhere)")
        else:
            self.line("Mail       leaves through EMAIL_URL")
        for account in existing_accounts() if settings.DEBUG else []:
            self.line(f"  {account.email:<28}  {account.password:<18}  {account.role}")
        self.line("Ctrl-C stops it.\n")
