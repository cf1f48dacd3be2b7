"""What the accounts add to Wagtail's admin (log actions, a link) and what they take away."""

from wagtail import hooks
from wagtail.log_actions import LogActionRegistry
from wagtail.users.views.bulk_actions import SetActiveStateBulkAction

from accounts import audit
from accounts.cms.account import profile_menu_item
from accounts.cms.deleting import DeleteUsers
from accounts.models import User


@hooks.register("register_log_actions")
def register_log_actions(actions: LogActionRegistry) -> None:
    audit.register(actions)


hooks.register("register_account_menu_item", profile_menu_item)
hooks.register("register_bulk_action", DeleteUsers, order=100)  # after Wagtail's own


@hooks.register("register_bulk_action", order=100)  # after Wagtail's own of the same name
class RetiredSwitch(SetActiveStateBulkAction):
    """Takes the place of Wagtail's “set active state”, which asks no reason and leaves no trace.

    It may touch nobody: blocking goes through `accounts.services` alone.
    """

    def check_perm(self, obj: User) -> bool:
        return False
