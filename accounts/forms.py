"""Forms of sign-up, sign-in and password in our own words, and the profile."""

import unicodedata
from collections.abc import Mapping
from typing import Any

from allauth.account import forms as allauth
from allauth.mfa.base import forms as mfa
from allauth.mfa.totp import forms as totp
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from wagtail.users.models import UserProfile

from accounts import avatars, zones
from accounts.models import User

Wording = Mapping[str, tuple[Any, Any]]

NEW_PASSWORD = (
    _("New password"),
    _("At least 8 characters. Three or four random words are easy to remember and hard to guess."),
)


class Worded(forms.BaseForm):
    """Labels above, help below, no placeholder that repeats the label."""

    wording: Wording = {}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.pop("placeholder", None)
        for name, (label, help_text) in self.wording.items():
            if name in self.fields:
                self.fields[name].label = label
                self.fields[name].help_text = help_text


class OnePassword(Worded):
    """A new password is typed once: whoever mistypes it sets another by mail."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.pop("password2", None)


def one_line(value: str) -> None:
    """Refuse line breaks and other control characters: a name goes into mail headers."""
    if any(unicodedata.category(sign) in {"Cc", "Zl", "Zp"} for sign in value):
        raise ValidationError(_("Write it in one line, without control characters."))


class SignupForm(Worded, allauth.SignupForm):
    field_order = ["email", "full_name", "password1", "promise"]
    full_name = forms.CharField(
        label=_("First and last name"),
        required=False,
        max_length=150,
        validators=[one_line],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    promise = forms.BooleanField(
        label=_("I shall write only to people who agreed"),
        error_messages={
            "required": _(
                "Without this promise we open no account: it keeps everybody's mail out of spam."
            )
        },
    )
    wording = {
        "email": (_("E-mail"), _("The link comes there; it is also your name for signing in.")),
        "password1": (_("Password"), NEW_PASSWORD[1]),
    }

    def try_save(self, request: HttpRequest) -> tuple[User | None, HttpResponse | None]:
        if self.account_already_exists:
            # The same work as for a new account: the time must not tell that it exists.
            make_password(self.cleaned_data["password1"])
        return super().try_save(request)


class LoginForm(Worded, allauth.LoginForm):
    wording = {
        "login": (_("E-mail"), ""),
        "password": (_("Password"), ""),
        "remember": (_("Stay signed in on this device"), ""),
    }


class ResetPasswordForm(Worded, allauth.ResetPasswordForm):
    wording = {"email": (_("E-mail"), "")}


class ResetPasswordKeyForm(OnePassword, allauth.ResetPasswordKeyForm):
    wording = {"password1": NEW_PASSWORD}


class SetPasswordForm(OnePassword, allauth.SetPasswordForm):
    wording = {"password1": NEW_PASSWORD}


class ChangePasswordForm(OnePassword, allauth.ChangePasswordForm):
    wording = {"oldpassword": (_("Present password"), ""), "password1": NEW_PASSWORD}


class ChangeEmailForm(Worded, allauth.AddEmailForm):
    wording = {
        "email": (
            _("New e-mail"),
            _("We send a link there. Until you follow it the present address stays in force."),
        )
    }


class ReauthenticateForm(Worded, allauth.ReauthenticateForm):
    wording = {"password": (_("Password"), "")}


class CodeForm(Worded, mfa.AuthenticateForm):
    wording = {"code": (_("Code"), _("Six digits from the app, or one of your recovery codes."))}


class CodeAgainForm(Worded, mfa.ReauthenticateForm):
    wording = CodeForm.wording


class ActivateAppForm(Worded, totp.ActivateTOTPForm):
    wording = {"code": (_("Code"), _("Six digits that the app shows now."))}


class AddKeyForm(Worded, webauthn.AddWebAuthnForm):
    wording = {"name": (_("Name of the key"), _("To tell it from others: “Blue key”, “Laptop”."))}


class RenameKeyForm(Worded, webauthn.EditWebAuthnForm):
    wording = AddKeyForm.wording


class ProfileForm(forms.ModelForm):
    """What a user says about themselves; e-mail and password have pages of their own."""

    full_name = forms.CharField(
        label=_("First and last name"),
        required=False,
        max_length=150,
        validators=[one_line],
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        required=False,
        max_length=32,
        validators=[
            RegexValidator(
                r"^\+?[0-9 ()\-]{5,32}$",
                _("Write it with digits, like +7 912 345-67-89."),
            )
        ],
        widget=forms.TextInput(attrs={"type": "tel", "autocomplete": "tel"}),
    )
    avatar = forms.FileField(
        label=_("Picture"),
        required=False,
        help_text=_("JPEG, PNG, WebP or GIF, up to 10 MB. We cut it to a square."),
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"}),
    )
    remove_avatar = forms.BooleanField(label=_("Remove the picture"), required=False)
    language = forms.ChoiceField(label=_("Language"), choices=settings.LANGUAGES)
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        help_text=_("All times on the site and the starts of new mailings are in this zone."),
    )

    class Meta:
        model = User
        fields = ["full_name", "phone", "language", "time_zone"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance.avatar:
            del self.fields["remove_avatar"]
        zones.offer(self.fields["time_zone"], self.instance.time_zone)

    def clean_avatar(self) -> avatars.Avatar | None:
        upload: UploadedFile | None = self.cleaned_data.get("avatar")
        return avatars.read(upload) if upload else None

    def save(self, commit: bool = True) -> User:
        user: User = self.instance
        old = user.avatar.name
        new = self.cleaned_data.get("avatar")
        fields = list(self.Meta.fields)
        if new or self.cleaned_data.get("remove_avatar"):
            user.avatar = new.as_file(user) if new else ""
            fields.append("avatar")
        user.save(update_fields=fields)
        if "avatar" in fields and old and old != user.avatar.name:
            user.avatar.storage.delete(old)
        # Wagtail's admin keeps a zone of its own.
        UserProfile.objects.filter(user=user).update(current_time_zone=user.time_zone)
        return user
