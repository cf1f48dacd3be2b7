"""What the cabinet's forms share."""

import unicodedata
from typing import Any, ClassVar, TypeVar

from crispy_forms.helper import FormHelper
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import User
from mailings.models import Client, ClientList, Mailing, Message

Row = TypeVar("Row", Client, ClientList, Message, Mailing)


class OwnedForm(forms.ModelForm[Row]):
    """A form over a row of `owner`: a new row becomes theirs, an old one keeps its other fields."""

    ALSO_WRITTEN: ClassVar[tuple[str, ...]] = ()
    """Columns that follow from the form's fields."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner = owner
        if self.instance.pk is None:
            self.instance.owner = owner
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"

    def save(self, commit: bool = True) -> Row:
        """Write what the form shows, and nothing that others may have changed meanwhile."""
        row = self.instance
        if row.pk is None:
            row.save()
        else:
            columns = {field.name for field in row._meta.concrete_fields}
            shown = {name for name in self.fields if name in columns}
            row.save(update_fields=shown.union(self.ALSO_WRITTEN))
        self._save_m2m()  # type: ignore[attr-defined]
        return row


def one_line(text: str) -> str:
    """Refuse line breaks and other control characters: the text becomes a mail header."""
    if any(unicodedata.category(letter) in _BREAKING for letter in text):
        raise ValidationError(_("Write it in one line, without special characters."), "one_line")
    return text.strip()


_BREAKING = {"Cc", "Zl", "Zp"}
