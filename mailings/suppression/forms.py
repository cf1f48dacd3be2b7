"""What an owner types on the pages of the stop-list; the rules are those of `services`."""

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings.models.suppression import SuppressionReason
from mailings.suppression.services import (
    MOST_TYPED,
    NOTE_LENGTH,
    REASON_LENGTH,
    EntriesInput,
    seen_in,
)

LONGEST = 300_000
"""Characters: as many addresses as may be added at once, each with a name beside it."""

REASONS = [
    (SuppressionReason.MANUAL.value, _("My own decision, or they asked not to be written to")),
    (SuppressionReason.COMPLAINED.value, _("They said that it is spam")),
]


class _Plain(forms.Form):
    """A form that crispy lays out without a `<form>` of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"


class AddForm(_Plain):
    """Addresses to put on the list by hand."""

    addresses = forms.CharField(
        label=_("Addresses"),
        max_length=LONGEST,
        widget=forms.Textarea({"rows": 8, "spellcheck": "false", "autocapitalize": "off"}),
        help_text=format_lazy(
            _("One a line, or with commas between; up to {most}."), most=MOST_TYPED
        ),
        error_messages={"required": _("Write at least one address.")},
    )
    reason = forms.ChoiceField(
        label=_("Why"),
        choices=REASONS,
        initial=SuppressionReason.MANUAL.value,
        widget=forms.RadioSelect({"class": "form-check-input"}),
    )
    note = forms.CharField(
        label=pgettext_lazy("suppression", "Note"),
        required=False,
        max_length=NOTE_LENGTH,
        help_text=_("Only you see it: “asked by phone”, “a competitor”."),
    )

    def input(self) -> EntriesInput:
        """Return what the service is given."""
        data = self.cleaned_data
        return EntriesInput(
            addresses=data["addresses"],
            reason=SuppressionReason(data["reason"]),
            note=data["note"],
        )


class TakeOutForm(_Plain):
    """Why entries are taken off, and that somebody knows what it means."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=REASON_LENGTH,
        widget=forms.Textarea({"rows": 3}),
        help_text=_("It stays in the log and in the client's history."),
        error_messages={"required": _("Write why: it stays in the log.")},
    )
    confirmed = forms.BooleanField(
        label=_("They themselves asked me to get mail again, and I can show it."),
        required=False,
    )

    def order(self) -> dict[str, Any]:
        """Return what the service is given beside whose list it is and who asks."""
        values = self.data.getlist("seen") if hasattr(self.data, "getlist") else []
        return {"seen": seen_in(values), **self.cleaned_data}
