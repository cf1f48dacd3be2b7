"""Say whether mail can leave this installation and arrive: a line for each check, and what to mend.

Exit code 1 when something fails. Nothing is sent.
"""

import ipaddress
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from mailings import setup_checks
from mailings.setup_checks import Level


class Command(BaseCommand):
    help = (
        "Check the site's address, DNS records, mail services, database, Redis and clock; exit 1"
        " when something keeps mail from leaving or arriving. Nothing is sent."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--ip",
            action="append",
            default=[],
            metavar="ADDRESS",
            help="An IP address that mail leaves from: is its reverse name right? May be repeated.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        for address in options["ip"]:
            try:
                ipaddress.ip_address(address)
            except ValueError as error:
                raise CommandError(str(error)) from error
        styles = {
            Level.OK: self.style.SUCCESS, Level.WARN: self.style.WARNING,
            Level.FAIL: self.style.ERROR,
        }  # fmt: skip
        failed = False
        for answer in setup_checks.all_of(options["ip"]):
            failed |= answer.level is Level.FAIL
            line = f"{styles[answer.level](f'{answer.level:4}')} {answer.subject}: {answer.found}"
            self.stdout.write(f"{line.rstrip('.')}. {answer.mend}".rstrip())
        if failed:
            sys.exit(1)
