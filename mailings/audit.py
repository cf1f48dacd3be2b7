"""Who did what to a mailing, a client, a list …, when and why: entries in Wagtail's log.

Services write them in the transaction that makes the change; the admin shows them in the row's
history and in the site history. No addresses here: an entry outlives the client it speaks of.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.log_actions import LogActionRegistry, LogFormatter, get_active_log_context
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
    UNSUBSCRIBE_AGAIN = "mailings.unsubscribe_again", pgettext_lazy("log", "Unsubscribed once more")
    TAKE_OFF_STOP_LIST = (
        "mailings.take_off_stop_list",
        pgettext_lazy("log", "Taken off the suppression list"),
    )
    ADD_DOMAIN = "mailings.add_domain", pgettext_lazy("log", "Sender domain added")
    PROVE_DOMAIN = "mailings.prove_domain", pgettext_lazy("log", "Sender domain confirmed")
    LOSE_DOMAIN = "mailings.lose_domain", pgettext_lazy("log", "Sender domain no longer confirmed")
    RENEW_KEYS = "mailings.renew_keys", pgettext_lazy("log", "New signing keys made")
    REMOVE_DOMAIN = "mailings.remove_domain", pgettext_lazy("log", "Sender domain removed")
    ERASE = "mailings.erase", pgettext_lazy("log", "Erased with all personal data")


_DELETING = (Action.DELETE, Action.ERASE, Action.REMOVE_DOMAIN)

NAMELESS = (Client, Delivery, Suppression, User)
"""Rows whose `str()` is somebody's address: the log calls them by number."""


def record(
    action: Action, instance: models.Model, user: User | None, reason: str = ""
) -> ModelLogEntry:
    """Write one entry; `user` is None when the service itself acted. Call it before a deletion."""
    entry = _entry(action, instance, user, reason, timezone.now())
    # Not by the registry, nor by `save`: both look first for what else may stand in the log, for
    # which every page of the admin is loaded. A worker shows none.
    ModelLogEntry.objects.bulk_create([entry])
    return entry


def record_each(
    action: Action, instances: Sequence[models.Model], user: User, reason: str = ""
) -> None:
    """Write an entry for each of many nameless rows of one kind, by a few statements."""
    if not instances:
        return
    now = timezone.now()
    entries = [_entry(action, instance, user, reason, now) for instance in instances]
    ModelLogEntry.objects.bulk_create(entries, batch_size=500)


def _entry(
    action: Action, instance: models.Model, user: User | None, reason: str, at: datetime
) -> ModelLogEntry:
    if instance.pk is None:
        raise ValueError(f"{instance!r} is in no table yet")
    # Whose request it is, and what is done in one go: the admin says so.
    context = get_active_log_context()
    return ModelLogEntry(
        content_type=ContentType.objects.get_for_model(instance, for_concrete_model=False),
        object_id=str(instance.pk),
        label=_title_of(instance) if isinstance(instance, NAMELESS) else str(instance),
        action=action.value,
        timestamp=at,
        user=user or context.user,
        uuid=context.uuid,
        data={"reason": reason} if reason else {},
        deleted=action in _DELETING,
    )


def record_again(action: Action, instance: models.Model) -> None:
    """Write that the service itself saw it once more: one entry, with the last time, however
    often a stranger has it happen."""
    known = ModelLogEntry.objects.for_instance(instance).filter(action=action.value)
    if not known.update(timestamp=timezone.now()):
        record(action, instance, None)


def times_of(action: Action, instances: Sequence[models.Model]) -> dict[Any, datetime]:
    """Return by primary key when it last happened to rows of one kind; one query."""
    if not instances:
        return {}
    kind = ContentType.objects.get_for_model(instances[0], for_concrete_model=False)
    by_text = {str(instance.pk): instance.pk for instance in instances}
    found = ModelLogEntry.objects.filter(
        content_type=kind, object_id__in=by_text, action=action.value
    ).order_by("timestamp")
    return {by_text[pk]: at for pk, at in found.values_list("object_id", "timestamp")}


def entries_of(instance: models.Model, *actions: Action) -> QuerySet[ModelLogEntry]:
    """Return what was done to the row, the newest first; with actions, only those."""
    found = ModelLogEntry.objects.for_instance(instance).order_by("-timestamp", "-pk")
    return found.filter(action__in=[action.value for action in actions]) if actions else found


def _title_of(instance: models.Model) -> str:
    return f"{capfirst(str(instance._meta.verbose_name))} {instance.pk}"


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
