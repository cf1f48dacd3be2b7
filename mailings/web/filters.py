"""Lists that can be narrowed: forms in the address, and how rows that hold a text are found."""

import re
from typing import Any

from django import forms
from django.db import connection
from django.db.models import Q

from mailings.addressing import addresses


def holds(field: str, text: str) -> Q:
    """Rows whose `field` holds `text`, whatever its case – for Cyrillic as well.

    SQLite's LIKE folds ASCII only; its REGEXP is Python's, which folds everything.
    """
    if connection.vendor == "sqlite":
        return Q(**{f"{field}__iregex": re.escape(text)})
    return Q(**{f"{field}__icontains": text})


def holds_address(text: str, mailbox: str, typed: str = "") -> Q:
    """Rows with an address that holds `text`, in whatever spelling it is looked for."""
    found = holds(typed or mailbox, text)
    sought = addresses.sought(text)
    is_mailbox_too = sought != text.lower() or (typed and "@" in text)
    return found | holds(mailbox, sought) if is_mailbox_too else found


class Filter(forms.Form):
    """Fields of the address; one with nonsense in it is as good as empty."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_valid()
        for field in self.fields.values():
            kind = "form-select" if isinstance(field.widget, forms.Select) else "form-control"
            field.widget.attrs["class"] = kind

    def value(self, name: str) -> Any:
        return self.cleaned_data.get(name)

    @property
    def is_narrowed(self) -> bool:
        return any(self.cleaned_data.values())


def search_field(label: Any) -> forms.CharField:
    widget = forms.TextInput(attrs={"type": "search", "placeholder": label})
    return forms.CharField(label=label, required=False, max_length=200, widget=widget)


def day_field(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label, required=False, widget=forms.DateInput({"type": "date"}, "%Y-%m-%d")
    )
