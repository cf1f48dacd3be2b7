"""Say whether the log is in itself consistent: one line for each broken invariant, exit code 1."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mailings.delivery.runs import invariants
from mailings.models import Attempt, Delivery, Run
from mailings.timing import clock


class Command(BaseCommand):
    help = "Check the invariants of runs, deliveries and attempts; exit 1 when one is broken."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--mend",
            action="store_true",
            help="First let go of clients who are gone: what waits for them is skipped.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["mend"]:
            self.stdout.write(f"Deliveries to clients who are gone, mended: {invariants.mend()}.")
        found = list(invariants.broken(clock.now()))
        for line in found:
            self.stdout.write(line)
        if found:
            sys.exit(1)
        counts = ((Run, "runs"), (Delivery, "deliveries"), (Attempt, "attempts"))
        words = ", ".join(f"{model._default_manager.count()} {name}" for model, name in counts)
        self.stdout.write(f"The ledger is sound: {words}.")
