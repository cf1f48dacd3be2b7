"""What managers do to users, and why: entries in Wagtail's log."""

from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy
from wagtail.log_actions import LogActionRegistry, LogFormatter, registry
from wagtail.models import ModelLogEntry

from accounts.models import User


class Action(models.TextChoices):
    """What may stand in the log; the label is what a manager reads there."""

    BLOCK = "accounts.block", pgettext_lazy("log", "User blocked")
    UNBLOCK = "accounts.unblock", pgettext_lazy("log", "User unblocked")


def record(action: Action, user: User, by: User, reason: str) -> ModelLogEntry:
    return registry.log(user, action.value, user=by, data={"reason": reason})


def record_deletion(user: User, by: User) -> ModelLogEntry:
    """Write it down by number: the entry outlives the person it speaks of."""
    title = f"{capfirst(str(user._meta.verbose_name))} {user.pk}"
    return registry.log(user, "wagtail.delete", user=by, title=title, deleted=True)


def register(actions: LogActionRegistry) -> None:
    """Make both actions known to Wagtail; called from its `register_log_actions` hook."""
    for action in Action:
        actions.register_action(action.value)(_formatter(action))


def _formatter(action: Action) -> type[LogFormatter]:
    class Formatter(LogFormatter):
        label = action.label

        def format_message(self, log_entry: ModelLogEntry) -> str:
            # The site history has no column for comments, so the reason stands in the message.
            return str(
                _("%(action)s: %(reason)s")
                % {"action": action.label, "reason": log_entry.data.get("reason", "")}
            )

    return Formatter
