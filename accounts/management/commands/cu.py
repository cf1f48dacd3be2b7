"""Make an ordinary user whose address is confirmed, or give an existing one a new password."""

from django.core.management.base import CommandError

from accounts.management.account_command import AccountCommand
from accounts.models import User


class Command(AccountCommand):
    help = "Create (or update) an ordinary user with a confirmed address."
    prefix = "CU"
    noun = "User"

    def grant(self, user: User) -> list[str]:
        if user.is_superuser:
            raise CommandError(f"{user.email} is a superuser: use csu.")
        if user.is_blocked:
            raise CommandError(f"{user.email} is blocked: unblock the user in the admin.")
        return []
