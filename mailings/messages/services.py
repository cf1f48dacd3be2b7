"""What people do with a message: every door (site, API, commands) calls these.

They refuse with `Refused` (what to mend, in the reader's language) or with Django's
`PermissionDenied` (it is not theirs to do). Test sends: `proofs`.
"""

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.errors import Refused
from mailings.models import Message
from mailings.web import words


@transaction.atomic
def delete_message(*, message: Message, by: User) -> None:
    """Delete a message that no mailing uses; `Refused` otherwise."""
    permissions.require_owner(message, by)
    users = message.mailings.order_by("-created_at")
    if users.exists():
        raise Refused(
            _(
                "The message is used by %(mailings)s."
                " Delete those first or give them another message."
            )
            % {"mailings": words.named_in_short(users)}
        )
    audit.record(Action.DELETE, message, by)
    message.delete()
