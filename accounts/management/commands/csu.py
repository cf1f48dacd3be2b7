"""Make a superuser who can sign in, or give an existing user that rank and a new password."""

from accounts.management.account_command import AccountCommand
from accounts.models import User


class Command(AccountCommand):
    help = "Create (or update) a superuser with a confirmed address. Also lifts a block."
    prefix = "CSU"
    noun = "Superuser"

    def grant(self, user: User) -> list[str]:
        changed = []
        if not user.is_superuser:
            user.is_superuser = user.is_staff = True
            changed.append("rank")
        if user.is_blocked:
            # The last way in when everybody who could unblock is blocked.
            user.is_active = True
            user.blocked_at = user.blocked_by = None
            user.blocked_reason = ""
            changed.append("block")
        return changed
