"""Take in mail that came back, handed over by a mail server of one's own over LMTP or SMTP: one
process for all of it, where `take_bounce` is started for each. docs/feedback.md has a recipe.
"""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections, connections

from mailings.feedback import listener, services
from mailings.models.feedback import EventSource

log = logging.getLogger(__name__)

AT_ONCE = 4
"""Mails that are recorded at the same time; the others wait for their answer."""


class Command(BaseCommand):
    help = "Listen for returned mail over LMTP (or SMTP) and record it, until it is stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--listen",
            default="127.0.0.1:2400",
            metavar="ADDRESS:PORT",
            help="A local address; default: 127.0.0.1:2400.",
        )
        parser.add_argument("--smtp", action="store_true", help="Speak SMTP instead of LMTP.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            address = listener.Address.read(options["listen"])
        except ValueError as fault:
            raise CommandError(f"--listen {options['listen']}: {fault}.") from fault
        try:
            asyncio.run(self._serve(address, is_lmtp=not options["smtp"]))
        except OSError as fault:
            raise CommandError(f"Cannot listen on {options['listen']}: {fault}") from fault

    async def _serve(self, address: listener.Address, *, is_lmtp: bool) -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        with ThreadPoolExecutor(AT_ONCE) as threads:

            async def take(raw: bytes, to: str) -> bool:
                return await loop.run_in_executor(threads, _take, raw, to)

            await listener.serve(
                address,
                take=take,
                domain=settings.BOUNCE_DOMAIN,
                is_lmtp=is_lmtp,
                ready=self._tell,
                stopped=stopped,
            )

    def _tell(self, port: int) -> None:
        self.stdout.write(f"Returned mail is taken in on port {port}.")
        self.stdout.flush()


def _take(raw: bytes, to: str) -> bool:
    """Record a mail; False: the database is away, or something else that may pass."""
    close_old_connections()
    try:
        services.take(raw, source=EventSource.PIPE, envelope_to=to)
    except Exception as error:  # noqa: BLE001 - whatever it is, the mail must not be lost
        log.error("report_not_taken", extra={"error": type(error).__name__})  # noqa: TRY400
        connections.close_all()
        return False
    return True
