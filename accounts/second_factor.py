"""Whoever signs in with a second factor is asked for it again before anything that concerns the
account's safety; the password alone proves as little then as it does at sign-in.

allauth asks for either. `AccountAdapter.get_reauthentication_methods` leaves the password out, and
its pages follow that list; what allauth does not guard is guarded here.
"""

from typing import Any

from allauth.account.decorators import reauthentication_required
from allauth.account.views import password_change as allauth_password_change
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.http import HttpRequest

from accounts.models import User

BY_PASSWORD = "reauthenticate"  # noqa: S105 - allauth's names of ways to prove who one is
BY_CODE = "mfa_reauthenticate"


def ways_to_prove(user: User, ways: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return which of allauth's ways count for this user, the usual one first."""
    if not is_mfa_enabled(user):
        return ways
    left = [way for way in ways if way["id"] != BY_PASSWORD]
    if not is_mfa_enabled(user, [Authenticator.Type.TOTP]):
        # Without an app a code is a recovery code: those are for when the key is lost.
        left.sort(key=lambda way: way["id"] == BY_CODE)
    return left


def has_one(request: HttpRequest) -> bool:
    return request.user.is_authenticated and is_mfa_enabled(request.user)


password_change = reauthentication_required(enabled=has_one)(allauth_password_change)
"""The form asks for the present password; here for the second factor as well."""


def end_other_sessions(sender: object, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """A session that was opened, or has proved itself, without the new factor ends."""
    for session in UserSession.objects.filter(user=user).exclude(
        session_key=request.session.session_key
    ):
        session.end()


def watch() -> None:
    authenticator_added.connect(end_other_sessions, dispatch_uid="accounts.second_factor")
