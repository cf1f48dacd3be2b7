"""The tabs above clients, lists, segments, forms, imports and the stop-list: of several rooms."""

from typing import Any

from accounts.models import User
from mailings import permissions
from mailings.models import ClientList, Import, Segment, SubscribeForm


def tab_counts(user: User) -> dict[str, Any]:
    """Return what the tabs above clients, lists, segments, forms and imports say."""
    return {
        "list_count": permissions.owned(ClientList, user).count(),
        "segment_count": permissions.owned(Segment, user).count(),
        "form_count": permissions.owned(SubscribeForm, user).count(),
        "import_count": permissions.owned(Import, user).count(),
    }
