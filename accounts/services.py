"""What others than the user do to an account: block, unblock, delete, vouch for its address.

Every door calls these. Blocking checks who asks, changes the row by one conditional UPDATE and
writes the log; it refuses with `Refused` (what to mend, in the reader's language) or with Django's
`PermissionDenied`.
"""

from typing import cast

from allauth.account.models import EmailAddress
from allauth.usersessions.models import UserSession
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import audit, signals
from accounts.models import User


class Refused(Exception):  # noqa: N818 - it reads as a sentence: the service refused
    """It cannot be done; the message is for the person who asked."""


@transaction.atomic
def block_user(*, user: User, by: User, reason: str) -> None:
    """End the user's sessions and forbid new ones; the mailing engine stops their mailings.

    The engine asks `is_active` at every claim, so nothing more leaves within seconds.
    """
    reason = _require_right_and_reason(user, by, reason)
    changed = User.objects.filter(pk=user.pk, is_active=True).update(
        is_active=False, blocked_at=timezone.now(), blocked_by=by, blocked_reason=reason
    )
    if not changed:
        raise Refused(_("This user is blocked already."))
    _end_sessions(user)
    user.refresh_from_db()
    audit.record(audit.Action.BLOCK, user, by, reason)


@transaction.atomic
def unblock_user(*, user: User, by: User, reason: str) -> None:
    """Let the user sign in again. What became of their mailings meanwhile is not undone."""
    reason = _require_right_and_reason(user, by, reason)
    changed = User.objects.filter(pk=user.pk, is_active=False).update(
        is_active=True, blocked_at=None, blocked_by=None, blocked_reason=""
    )
    if not changed:
        raise Refused(_("This user is not blocked."))
    user.refresh_from_db()
    audit.record(audit.Action.UNBLOCK, user, by, reason)


def may_block(*, user: User, by: User) -> bool:
    """Say whether `by` may block or unblock `user` at all."""
    return (
        by.is_active
        and by.has_perm("accounts.block_user")
        and by.pk != user.pk
        and (by.is_superuser or not user.is_superuser)
    )


def may_delete(*, user: User, by: User) -> bool:
    """Say whether `by` may delete `user` at all; nobody deletes themselves here."""
    return (
        by.is_active
        and by.has_perm("accounts.delete_user")
        and by.pk != user.pk
        and (by.is_superuser or not user.is_superuser)
    )


def what_goes_with(user: User) -> list[str]:
    """Return what is deleted with the user, in words with numbers."""
    answers = signals.what_goes.send(User, user=user)
    return [line for _receiver, said in answers for line in cast("list[str]", said)]


def delete_user(*, user: User, by: User) -> None:
    """Delete the user with all that is theirs. `Refused` while a letter of theirs is under way:
    they are blocked and stopped by then, so that trying again helps."""
    if not may_delete(user=user, by=by):
        raise PermissionDenied
    with transaction.atomic():
        User.objects.filter(pk=user.pk, is_active=True).update(
            is_active=False,
            blocked_at=timezone.now(),
            blocked_by=by,
            blocked_reason=_("The account is being deleted."),
        )
        _end_sessions(user)
        signals.user_stops.send(User, user=user, by=by)
    with transaction.atomic():
        # Whoever makes a row for this user waits for this lock, and then finds nobody.
        if User.objects.select_for_update().filter(pk=user.pk).first() is None:
            raise Refused(_("This user is deleted already."))
        signals.user_leaves.send(User, user=user)
        audit.record_deletion(user, by)
        if user.avatar:
            storage, path = user.avatar.storage, str(user.avatar.name)
            transaction.on_commit(lambda: storage.delete(path))
        user.delete()


def _require_right_and_reason(user: User, by: User, reason: str) -> str:
    if not may_block(user=user, by=by):
        raise PermissionDenied
    reason = reason.strip()
    if not reason:
        raise Refused(_("Write why: the user reads it when they try to sign in."))
    return reason


def _end_sessions(user: User) -> None:
    """Delete the user's sessions. `is_active` alone would end them at the next request; but a
    session that exists could come back to life when the user is unblocked."""
    for session in UserSession.objects.filter(user=user):
        session.end()


@transaction.atomic
def confirm_address(*, user: User) -> None:
    """Make `user.email` the user's one address, confirmed: somebody trusted vouches for it.

    Without this row allauth lets nobody sign in; a row for a former address would let its owner
    reset the password.
    """
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    EmailAddress.objects.update_or_create(
        user=user, email=user.email, defaults={"verified": True, "primary": True}
    )
