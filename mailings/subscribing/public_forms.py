"""What a visitor fills in."""

from collections.abc import Mapping
from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.addressing import addresses, unseen
from mailings.models import ClientList, SubscribeForm
from mailings.models.client import MAX_NAME
from mailings.models.subscribing import NameAsked
from mailings.subscribing import questions
from mailings.subscribing.signing_up import Answers

TRAP = "website"
"""A field that no person sees: what fills it in reads the page as a program does."""
BEGAN = "began"
"""When the page was opened, signed."""
TEXT = "text"
"""The digest of the consent text that the page showed."""
MOST_FIELDS = 100
"""Of a post; a form has at most two dozen."""
SHOWN_AGAIN = 1_000
"""Characters of a value that is put back into the page."""


class VisitorForm(forms.Form):
    """The fields of one owner's form."""

    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        max_length=addresses.MAX_LENGTH,
        widget=forms.EmailInput(attrs={"autocomplete": "email", "spellcheck": "false"}),
    )
    agreed = forms.BooleanField(
        error_messages={"required": gettext_lazy("Without your consent nobody may write to you.")},
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: Any, form: SubscribeForm, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.form = form
        self.offered: list[ClientList] = list(form.lists.all())
        self.questions = questions.read(form.questions)
        if form.name_asked != NameAsked.NO:
            self.fields["full_name"] = forms.CharField(
                label=_("Your name"),
                max_length=MAX_NAME,
                required=form.name_asked == NameAsked.REQUIRED,
                widget=forms.TextInput(attrs={"autocomplete": "name"}),
            )
        for asked in self.questions:
            self.fields[asked.name] = asked.field()
        self.lets_choose = form.lets_choose and bool(self.offered)  # all may be deleted since
        if self.lets_choose:
            self.fields["lists"] = forms.MultipleChoiceField(
                label=_("What would you like to get?"),
                choices=[(str(row.pk), row.name) for row in self.offered],
                widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
                error_messages={
                    "required": _("Choose at least one."),
                    "invalid_choice": _("One of them is not offered any more. Choose again."),
                },
            )
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"

    def clean_email(self) -> str:
        return addresses.read(self.cleaned_data["email"]).typed

    def asked(self) -> list[forms.BoundField]:
        """Return the fields that stand one below the other: all but lists and consent."""
        names = ["email", "full_name", *(one.name for one in self.questions)]
        return [self[name] for name in names if name in self.fields]

    def answers(self) -> Answers:
        """Return what was written; the form is valid."""
        given = self.cleaned_data
        chosen = set(given.get("lists", ()))
        return Answers(
            email=given["email"],
            full_name=unseen.tidy(given.get("full_name", "")).strip(),
            attributes={one.name: one.answer(given[one.name]) for one in self.questions},
            lists=[row for row in self.offered if not self.lets_choose or str(row.pk) in chosen],
        )


def as_written(posted: QueryDict, form: SubscribeForm) -> Mapping[str, Any]:
    """Return what a page that asks once more has in its fields."""
    names = ["email", "full_name", *(one.name for one in questions.read(form.questions))]
    kept: dict[str, Any] = {name: posted.get(name, "")[:SHOWN_AGAIN] for name in names}
    return kept | {"lists": posted.getlist("lists")[:MOST_FIELDS]}
