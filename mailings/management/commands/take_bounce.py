"""Take in one mail that came back, from standard input, as a mail server's pipe hands it over.

The exit code is all that the mail server hears (sysexits.h): 0, it is taken and may be forgotten;
75, it is to be kept and handed over again later. Never anything else, and never a traceback: the
server would send that to somebody. docs/feedback.md has recipes for Postfix and Exim.
"""

import logging
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailings.feedback import services
from mailings.models.feedback import EventSource

log = logging.getLogger(__name__)

TEMPFAIL = 75  # EX_TEMPFAIL
MOST = 8 * 1024 * 1024
"""Bytes of a mail that are looked at: what says why it came back stands at its beginning."""


class Command(BaseCommand):
    help = (
        "Record a bounce or complaint that is read from standard input (a pipe of Postfix, Exim)."
    )
    # Each mail starts a process: nothing is looked at that the mail does not need.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--to",
            default="",
            metavar="ADDRESS",
            help="The address the mail came to; without it, what the mail's own headers say.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            raw = _read()
            taken = services.take(raw, source=EventSource.PIPE, envelope_to=options["to"])
        except Exception as error:  # noqa: BLE001 - whatever it is, the mail must not be lost
            log.error("report_not_taken", extra={"error": type(error).__name__})  # noqa: TRY400
            self.stderr.write(f"Not taken, try again later: {_first_line(error)}")
            sys.exit(TEMPFAIL)
        if options["verbosity"] > 1:
            self.stdout.write(", ".join(taken))


def _read() -> bytes:
    """Return the mail, and read on to its end: a pipe that nobody reads is an error for some."""
    raw = sys.stdin.buffer.read(MOST)
    while sys.stdin.buffer.read(MOST):
        pass
    return raw


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
