"""How allauth behaves here: wording of its errors, new users, letters, blocked users."""

from typing import Any, cast

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context as allauth_context
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _

from accounts import mails, second_factor
from accounts.models import User

PASSWORD_ERRORS = {
    "password_too_short": _("Too short. Take at least 8 characters."),
    "password_too_common": _(
        "Such a password is guessed first. Take three or four words that have nothing in common."
    ),
    "password_entirely_numeric": _("Digits alone are guessed fast. Add some words."),
    "password_too_similar": _("The password is much like your address or name. Take another."),
}
"""Django's validators, in words that say how to mend."""

AWAITED = {
    "email_confirmation", "email_confirmation_signup", "password_reset_key", "unknown_account",
    "account_already_exists",
}  # fmt: skip
"""Letters somebody waits for at the screen: there we say when one could not be sent."""


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("This account is blocked."),
        "duplicate_email": _("This is your address already."),
        "email_password_mismatch": _(
            "Address and password do not fit together. Check both, or set a new password."
        ),
        "email_taken": _("This address cannot be used."),
        "enter_current_password": _("This is not your present password."),
        "incorrect_code": _("This code does not fit. Take the newest one from the app."),
        "incorrect_password": _("This is not your password."),
        "invalid_password_reset": _("The link is used up or too old."),
        "rate_limited": _("Too many tries. Wait a few minutes."),
        "too_many_login_attempts": _(
            "Too many tries. Wait five minutes, or set a new password now."
        ),
    }

    def clean_password(self, password: str, user: User | None = None) -> str:
        try:
            return str(super().clean_password(password, user))
        except ValidationError as error:
            first = error.error_list[0]  # one advice at a time
            message = PASSWORD_ERRORS.get(first.code or "", first.messages[0])
            raise ValidationError(message, code=first.code) from error

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        ways = super().get_reauthentication_methods(user)
        return second_factor.ways_to_prove(user, ways) if isinstance(user, User) else ways

    def save_user(self, request: HttpRequest, user: User, form: Form, commit: bool = True) -> User:
        user.full_name = form.cleaned_data.get("full_name", "")
        language = get_language() or settings.LANGUAGE_CODE
        if language in dict(settings.LANGUAGES):
            user.language = language
        return cast("User", super().save_user(request, user, form, commit))

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        name = template_prefix.rpartition("/")[2]
        request = allauth_context.request
        user = context.get("user")
        if user is None and request.user.is_authenticated:
            user = request.user
        letter = mails.render(name, email, user, context)
        if not mails.send(letter, name) and name in AWAITED:
            messages.error(
                request, _("The mail service did not take our letter. Try again in a few minutes.")
            )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        # A password is reset by somebody who is not signed in; the letter still is the user's.
        super().send_notification_mail(
            template_prefix, user, {"user": user} | (context or {}), email
        )

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        """Say why, to the person who has just given the right password (and to nobody else)."""
        return render(
            request, "account/account_inactive.html", {"reason": user.blocked_reason}, status=403
        )
