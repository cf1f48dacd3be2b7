"""What the cabinet's forms share."""

from collections.abc import Mapping
from typing import Any, TypeVar

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError

from accounts.models import User
from mailings.models import Client, ClientList, Mailing, Message, Segment, SubscribeForm

Row = TypeVar("Row", Client, ClientList, Segment, Message, Mailing, SubscribeForm)


class OwnedForm(forms.ModelForm[Row]):
    """A form over a row of `owner`. It parses what was sent; the rules, and the writing, are a
    service's: `save` calls it."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        if self.instance.pk is None:
            self.instance.owner = owner
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"

    def _post_clean(self) -> None:
        """Leave the row as it is: services look at it and change it."""

    def save(self, commit: bool = True) -> Row:
        raise NotImplementedError

    def add_faults(self, faults: Mapping[str, list[ValidationError]]) -> None:
        """Show each fault at its field; a field that could not be read has said so already."""
        unread = set(self.errors)
        for name, errors in faults.items():
            if name not in unread:
                self.add_error(name if name in self.fields else NON_FIELD_ERRORS, errors)
