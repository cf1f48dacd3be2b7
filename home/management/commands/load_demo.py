"""Fills a development database with demo content: people, clients, mailings, articles."""

import logging
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError
from django.db import transaction

from home.demo import DEMO_ACCOUNTS
from home.demo.accounts import BOOKSHOP, STUDIO, load_accounts
from home.demo.blog import load_articles
from home.demo.clients import (
    READERS,
    READERS_LISTS,
    STUDENTS,
    STUDENTS_LISTS,
    load_clients,
    load_segments,
)
from home.demo.forms import load_form
from home.demo.imports import load_imports
from home.demo.mailings import load_domains, load_mailings, load_messages


class Command(BaseCommand):
    help = (
        "Loads demo accounts (their passwords are public), clients, mailings and articles. "
        "It may be repeated: what exists is left alone."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--force", action="store_true", help="also outside development (DEBUG is off)"
        )

    def handle(self, *, force: bool, verbosity: int, **options: Any) -> None:
        if not settings.DEBUG and not force:
            raise CommandError(
                "The demo accounts have public passwords, and this is not development. "
                "Say --force if you mean it."
            )
        logging.getLogger("wagtail").setLevel(logging.WARNING)  # two lines for each page
        with transaction.atomic():  # all or nothing: half a demo would not be completed later
            users = load_accounts()
            load_clients(users[BOOKSHOP], READERS, READERS_LISTS)
            load_segments(users[BOOKSHOP])
            load_clients(users[STUDIO], STUDENTS, STUDENTS_LISTS)
            load_form(users[BOOKSHOP])
            load_imports(users[BOOKSHOP])
            load_messages(users)
            load_articles()
            load_mailings(users)
            load_domains(users)
        if verbosity:
            self.tell_logins()

    def tell_logins(self) -> None:
        width = max(len(account.email) for account in DEMO_ACCOUNTS)
        self.stdout.write("The demo is loaded. Sign in as:")
        for account in DEMO_ACCOUNTS:
            self.stdout.write(f"  {account.email:{width}}  {account.password:18} {account.role}")
