"""Who did what to a mailing, a client, a list …, when and why: entries in Wagtail's log.

Services write them in the transaction that makes the change; the admin shows them in the row's
history and in the site history. No addresses here: an entry outlives the client it speaks of.
"""

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.log_actions import LogActionRegistry, LogFormatter, registry
from wagtail.models import ModelLogEntry

from accounts.models import User
from mailings.models import Client, Delivery, Suppression


class Action(models.TextChoices):
    """What may stand in the log; the label is what a manager reads there."""

    SCHEDULE = "mailings.schedule", pgettext_lazy("log", "Scheduled")
    UNSCHEDULE = "mailings.unschedule", pgettext_lazy("log", "Taken back to draft")
    RESCHEDULE = "mailings.reschedule", pgettext_lazy("log", "Times changed")
    PAUSE = "mailings.pause", pgettext_lazy("log", "Paused")
    RESUME = "mailings.resume", pgettext_lazy("log", "Resumed")
    CANCEL = "mailings.cancel", pgettext_lazy("log", "Cancelled")
    STOP = "mailings.stop", pgettext_lazy("log", "Stopped by a manager")
    ALLOW = "mailings.allow", pgettext_lazy("log", "Allowed again by a manager")
    COMPLETE = "mailings.complete", pgettext_lazy("log", "Completed")
    RETRY = "mailings.retry", pgettext_lazy("log", "Failed deliveries tried again")
    TEST_SEND = "mailings.test_send", pgettext_lazy("log", "Test sent")
    IMPORT = "mailings.import", pgettext_lazy("log", "Imported")
    EXPORT = "mailings.export", pgettext_lazy("log", "Exported")
    CREATE = "mailings.create", pgettext_lazy("log", "Created")
    CHANGE = "mailings.change", pgettext_lazy("log", "Changed")
    DELETE = "mailings.delete", pgettext_lazy("log", "Deleted")
    DELETE_CLIENTS = "mailings.delete_clients", pgettext_lazy("log", "Clients deleted")
    ERASE = "mailings.erase", pgettext_lazy("log", "Erased with all personal data")


NAMELESS = (Client, Delivery, Suppression, User)
"""Rows whose `str()` is somebody's address: the log calls them by number."""


def record(
    action: Action, instance: models.Model, user: User | None, reason: str = ""
) -> ModelLogEntry:
    """Write one entry; `user` is None when the service itself acted. Call it before a deletion."""
    title = (
        f"{capfirst(str(instance._meta.verbose_name))} {instance.pk}"
        if isinstance(instance, NAMELESS)
        else ""
    )
    return registry.log(
        instance,
        action.value,
        user=user,
        title=title,
        data={"reason": reason} if reason else {},
        deleted=action in (Action.DELETE, Action.ERASE),
    )


def reason_of(entry: ModelLogEntry) -> str:
    return str(entry.data.get("reason", ""))


def register(actions: LogActionRegistry) -> None:
    """Make every action known to Wagtail; called from its `register_log_actions` hook."""
    for action in Action:
        actions.register_action(action.value)(_formatter(action))


def _formatter(action: Action) -> type[LogFormatter]:
    class Formatter(LogFormatter):
        label = action.label

        def format_message(self, log_entry: ModelLogEntry) -> str:
            # The site history has no column for comments, so the reason stands in the message.
            reason = reason_of(log_entry)
            if not reason:
                return str(action.label)
            return str(_("%(action)s: %(reason)s") % {"action": action.label, "reason": reason})

    return Formatter
