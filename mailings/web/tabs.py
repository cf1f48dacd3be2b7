"""The tabs above clients, lists, imports and the suppression list: pages of several rooms."""

from typing import Any

from accounts.models import User
from mailings import permissions
from mailings.models import ClientList, Import


def tab_counts(user: User) -> dict[str, Any]:
    """Return what the tabs above clients, lists and imports say."""
    return {
        "list_count": permissions.owned(ClientList, user).count(),
        "import_count": permissions.owned(Import, user).count(),
    }
