"""A user's fields in the admin: one name, the address that allauth knows too, no on/off switch.

Blocking has its own page with a reason (`accounts.cms.blocking`), so `is_active` is no field.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from wagtail.users.forms import UserCreationForm, UserEditForm

from accounts import services, zones
from accounts.models import User

FIELDS = {"email", "full_name", "phone", "language", "time_zone", "is_superuser", "groups"}


class PersonMixin(forms.ModelForm):
    """What adding and editing share."""

    email = forms.EmailField(label=_("E-mail"))
    time_zone = forms.ChoiceField(label=_("Time zone"))
    first_name = None
    last_name = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones.offer(self.fields["time_zone"], self.instance.time_zone)

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"]).lower()
        if User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise ValidationError(_("Another user has this address."), code="duplicate_username")
        return email

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=commit)
        if commit:
            services.confirm_address(user=user)
        return user


class AddUserForm(PersonMixin, UserCreationForm):
    class Meta(UserCreationForm.Meta):
        fields = FIELDS


class EditUserForm(PersonMixin, UserEditForm):
    class Meta(UserEditForm.Meta):
        fields = FIELDS

    @property
    def password_enabled(self) -> bool:
        return not self.editing_self and bool(super().password_enabled)

    def __init__(self, *args: Any, editing_self: bool = False, **kwargs: Any) -> None:
        self.editing_self = editing_self
        # Wagtail would take `is_active` away from those who edit themselves; it is not here.
        super().__init__(*args, **kwargs)
        if editing_self:
            # Address and password have pages of their own, which ask for proof.
            del self.fields["is_superuser"]
            del self.fields["email"]
