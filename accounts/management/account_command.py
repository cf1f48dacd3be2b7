"""What `csu` and `cu` share: where e-mail and password come from, and making the account.

An option wins over the environment, the environment over a prompt; there is no default password.
A second run with the same password changes nothing, so the commands may run at every start.
"""

import getpass
import sys
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    no_translations,
)
from django.core.validators import validate_email
from django.db import transaction

from accounts import services
from accounts.models import User


class AccountCommand(BaseCommand):
    prefix = ""  # of the settings: CSU_EMAIL, CSU_PASSWORD, …
    noun = ""
    requires_migrations_checks = True

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", help=f"address to sign in with (or {self.prefix}_EMAIL)")
        parser.add_argument(
            "--password",
            help=f"better {self.prefix}_PASSWORD or the prompt: an option shows in `ps`",
        )
        parser.add_argument("--full-name", default="")

    @no_translations  # a shell speaks one language; Django's own messages are translated
    def handle(self, *args: Any, **options: Any) -> None:
        email = self.ask_email(options["email"])
        user = User.objects.filter(email__iexact=email).first() or User(email=email)
        if options["full_name"]:
            user.full_name = options["full_name"]
        password = self.ask_password(options["password"], user)
        done = self.store(user, password)
        self.stdout.write(self.style.SUCCESS(f"{self.noun} {user.email}: {done}."))

    def ask_email(self, option: str | None) -> str:
        email = option or getattr(settings, f"{self.prefix}_EMAIL")
        if not email:
            self.require_terminal("--email", f"{self.prefix}_EMAIL")
            email = input("E-mail: ")
        email = email.strip().lower()
        try:
            validate_email(email)
        except ValidationError as error:
            raise CommandError(f"{email!r} is not an e-mail address.") from error
        return email

    def ask_password(self, option: str | None, user: User) -> str:
        password = option or getattr(settings, f"{self.prefix}_PASSWORD")
        if not password:
            self.require_terminal("--password", f"{self.prefix}_PASSWORD")
            password = getpass.getpass("Password: ")
            if password != getpass.getpass("Once more: "):
                raise CommandError("The two passwords differ.")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from error
        return password

    def require_terminal(self, option: str, variable: str) -> None:
        if not sys.stdin.isatty():
            raise CommandError(f"Nobody to ask: give {option} or set {variable}.")

    @transaction.atomic
    def store(self, user: User, password: str) -> str:
        """Save the user and say what was done: created, updated, unchanged."""
        created = user.pk is None
        changes = [] if created else self.grant(user)
        if created:
            self.grant(user)
        # A new hash ends every session, so one that fits is left alone.
        if created or not user.check_password(password):
            user.set_password(password)
            changes.append("password")
        user.save()
        services.confirm_address(user=user)
        if created:
            return "created, the address is confirmed"
        return f"exists, updated {' and '.join(changes)}" if changes else "exists, unchanged"

    def grant(self, user: User) -> list[str]:
        """Set the flags of this kind of account; return the names of those that changed."""
        return []
