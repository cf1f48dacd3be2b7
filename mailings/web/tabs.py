"""The tabs above clients, lists, segments, imports and the stop-list: pages of several rooms."""

from typing import Any

from accounts.models import User
from mailings import permissions
from mailings.models import ClientList, Import, Segment


def tab_counts(user: User) -> dict[str, Any]:
    """Return what the tabs above clients, lists, segments and imports say."""
    return {
        "list_count": permissions.owned(ClientList, user).count(),
        "segment_count": permissions.owned(Segment, user).count(),
        "import_count": permissions.owned(Import, user).count(),
    }
