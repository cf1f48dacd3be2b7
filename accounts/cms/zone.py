"""Wagtail keeps a time zone of its own for each user of the admin; here it is the user's one."""

from typing import Any

from django.db.models.signals import pre_save


def start_in_own_zone() -> None:
    """Let the admin begin in the user's time zone; saving the profile keeps both the same."""
    pre_save.connect(_copy_zone, sender="wagtailusers.UserProfile", dispatch_uid="accounts.zone")


def _copy_zone(instance: Any, **kwargs: Any) -> None:
    if instance._state.adding and not instance.current_time_zone:
        instance.current_time_zone = instance.user.time_zone
