"""The tabs above clients, lists, forms, imports and the suppression list: of several rooms."""

from typing import Any

from accounts.models import User
from mailings import permissions
from mailings.models import ClientList, Import, SubscribeForm


def tab_counts(user: User) -> dict[str, Any]:
    """Return what the tabs above clients, lists, forms and imports say."""
    return {
        "list_count": permissions.owned(ClientList, user).count(),
        "form_count": permissions.owned(SubscribeForm, user).count(),
        "import_count": permissions.owned(Import, user).count(),
    }
