"""What people do with one client or one list: every door (site, import, API, commands) calls these.

They refuse with `Refused` (what to mend, in the reader's language) or with Django's
`PermissionDenied` (it is not theirs to do). Many at once: `bulk`.
"""

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import audit, permissions
from mailings.audit import Action
from mailings.errors import Refused
from mailings.models import Client, ClientList, Mailing
from mailings.signals import figures_changed
from mailings.states import FINAL, MailingStatus
from mailings.web import words


@transaction.atomic
def delete_client(*, client: Client, by: User) -> None:
    """Delete a client; what waits for them is skipped, what was sent stays in the log."""
    permissions.require_owner(client, by)
    audit.record(Action.DELETE, client, by)
    client.delete()
    transaction.on_commit(lambda: figures_changed.send_robust(Client))


@transaction.atomic
def delete_list(*, client_list: ClientList, by: User) -> None:
    """Delete a list, not its clients; refused while a mailing that goes on relies on it."""
    permissions.require_owner(client_list, by)
    # Also a list that is left out: without it a mailing would go to more people than agreed.
    named = Q(lists=client_list) | Q(excluded_lists=client_list)
    users = Mailing.objects.filter(named).exclude(status__in=FINAL[MailingStatus])
    users = users.distinct().order_by("-created_at")
    if users.exists():
        raise Refused(
            _("The list is used by %(mailings)s. Take it out of them or cancel them first.")
            % {"mailings": words.named_in_short(users)}
        )
    audit.record(Action.DELETE, client_list, by)
    client_list.delete()
