"""Fills a database with one owner's clients, deliveries and attempts, to measure pages with."""

import time
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from home.volume import Volume
from mailings.models import Client

EMAIL = "volume@volume.example"


class Command(BaseCommand):
    help = (
        "Makes clients, deliveries and attempts by the hundred thousand for one account, to "
        "measure pages and exports with. Nothing of it is sent."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--email", default=EMAIL, help=f"the owner's account ({EMAIL})")
        parser.add_argument("--clients", type=int, default=100_000)
        parser.add_argument("--deliveries", type=int, default=1_000_000)
        parser.add_argument(
            "--force", action="store_true", help="also outside development (DEBUG is off)"
        )

    def handle(
        self,
        *,
        email: str,
        clients: int,
        deliveries: int,
        force: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if not settings.DEBUG and not force:
            raise CommandError("This is not development. Say --force if you mean it.")
        if clients < 1 or deliveries < 1:
            raise CommandError("There must be at least one client and one delivery.")
        owner = User.objects.filter(email=email).first() or User.objects.create_user(
            email, full_name="Объём Больших"
        )
        if Client.objects.filter(owner=owner).exists():
            raise CommandError(f"{email} has clients already. Name another account by --email.")
        began = time.monotonic()
        with transaction.atomic():
            Volume(owner, clients, deliveries, timezone.now()).create()
        self._analyse()
        if verbosity:
            self.stdout.write(
                f"{clients} clients and about {deliveries} deliveries of {email}"
                f" in {time.monotonic() - began:.1f} s."
            )

    def _analyse(self) -> None:
        """Let the planner know what there is now: its own look comes minutes later."""
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
