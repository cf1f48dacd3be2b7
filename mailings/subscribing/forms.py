"""The form by which an owner makes a subscribe form."""

from typing import Any, ClassVar

from crispy_forms.helper import FormHelper
from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import permissions
from mailings.clients.forms import GONE
from mailings.errors import Invalid
from mailings.models import ClientList, SubscribeForm
from mailings.subscribing import questions, services
from mailings.subscribing.questions import Kind, Question
from mailings.subscribing.services import FormInput
from mailings.web.forms import OwnedForm

EMPTY_ROWS = 2
"""Rows for more questions; saving gives new ones."""


class QuestionRow(forms.Form):
    """One question; a row without words is none."""

    label = forms.CharField(
        label=gettext_lazy("Question"), max_length=questions.MAX_LABEL, required=False
    )
    kind = forms.ChoiceField(label=gettext_lazy("Answer"), choices=Kind.choices, required=False)
    choices = forms.CharField(
        label=gettext_lazy("Answers to choose from"),
        required=False,
        max_length=questions.MOST_CHOICES * (questions.MAX_CHOICE + 2),
        help_text=gettext_lazy("With commas between them; only for a choice."),
    )
    name = forms.CharField(
        label=gettext_lazy("Name of the variable"),
        required=False,
        max_length=questions.MAX_NAME,
        help_text=gettext_lazy("Empty: made of the question. In a message: {{ city }}."),
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )
    required = forms.BooleanField(label=gettext_lazy("must be answered"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"

    def question(self, taken: list[str]) -> Question | None:
        """Return what was written; None for an empty row."""
        given = self.cleaned_data
        label = given.get("label", "").strip()
        if not label:
            return None
        choices = [part.strip() for part in given.get("choices", "").split(",")]
        kind = Kind(given.get("kind") or Kind.TEXT)
        return Question(
            label=label,
            name=given.get("name", "").strip() or questions.name_for(label, taken),
            kind=kind,
            required=bool(given.get("required")),
            choices=tuple(dict.fromkeys(filter(None, choices))) if kind == Kind.CHOICE else (),
        )


QuestionRows = forms.formset_factory(
    QuestionRow, extra=EMPTY_ROWS, max_num=questions.MOST, absolute_max=questions.MOST + EMPTY_ROWS
)


class SubscribeFormForm(OwnedForm[SubscribeForm]):
    """What the form is called, asks, says, and where people come who fill it in."""

    consent = forms.CharField(
        label=gettext_lazy("What people agree to"),
        max_length=services.MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy(
            "They must tick it. Other words are a new version; who agreed before, agreed to the old"
            " ones, and both are kept."
        ),
    )
    policy_url = forms.CharField(
        label=gettext_lazy("Address of your privacy policy"),
        required=False,
        max_length=services.MAX_URL,
        widget=forms.URLInput(attrs={"placeholder": "https://"}),
    )
    lists = forms.ModelMultipleChoiceField(
        ClientList.objects.none(),
        required=False,
        label=gettext_lazy("Lists"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages=GONE,
    )

    class Meta:
        model = SubscribeForm
        fields = (
            "name", "slug", "language", "title", "intro", "button", "colour", "name_asked",
            "lets_choose", "is_double", "thanks_text", "thanks_url", "is_open",
        )  # fmt: skip
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "slug": forms.TextInput(attrs={"spellcheck": "false", "autocapitalize": "none"}),
            "intro": forms.Textarea(attrs={"rows": 3}),
            "colour": forms.TextInput(attrs={"type": "color", "class": "form-control-color"}),
            "thanks_text": forms.Textarea(attrs={"rows": 2}),
            "thanks_url": forms.URLInput(attrs={"placeholder": "https://"}),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": gettext_lazy("Only you see it, and the history of your clients."),
            "slug": gettext_lazy("What stands behind /s/. Empty: one that nobody guesses."),
            "language": gettext_lazy("Of the page and of the letter that asks to confirm."),
            "colour": gettext_lazy("The words on it stay readable, in the dark theme, too."),
            "lets_choose": gettext_lazy("They see the names of the lists."),
            "thanks_text": gettext_lazy("Shown when they have confirmed."),
            "thanks_url": gettext_lazy("Or an address of yours that they come to instead."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["slug"].required = False
        self.fields["lists"].queryset = permissions.owned(ClientList, self.owner)  # type: ignore[attr-defined]
        if not settings.SINGLE_OPT_IN:
            del self.fields["is_double"]
        if self.instance.pk:
            self._show_what_is_there()
        else:
            self._propose()
        kept = [
            one.kept() | {"choices": ", ".join(one.choices)}
            for one in questions.read(self.instance.questions)
        ]
        self.rows = QuestionRows(self.data if self.is_bound else None, prefix="q", initial=kept)

    def _show_what_is_there(self) -> None:
        text = self.instance.consent_text
        self.initial["lists"] = list(self.instance.lists.values_list("pk", flat=True))
        self.initial["consent"] = text.text if text else ""
        self.initial["policy_url"] = text.policy_url if text else ""

    def _propose(self) -> None:
        said = _(
            "I agree to get letters with news and offers from %(sender)s, and that my address and"
            " what I write here are stored for that. I can unsubscribe in every letter."
        )
        proposed: dict[str, Any] = {
            "language": self.owner.language,
            "title": _("Subscribe to our letters"),
            "button": _("Subscribe"),
            "consent": said % {"sender": self.owner.full_name or self.owner.email},
        }
        self.initial = proposed | dict(self.initial)

    def clean(self) -> dict[str, Any]:
        super().clean()
        if not self.rows.is_valid():
            self.add_error(None, _("Look at the questions once more."))
        try:
            services.check_form(self.instance, self.input())
        except Invalid as refusal:
            self.add_faults(refusal.faults.error_dict)
        return self.cleaned_data

    def input(self) -> FormInput:
        asked: list[Question] = []
        for row in self.rows:
            one = row.question([other.name for other in asked]) if row.is_valid() else None
            if one is not None:
                asked.append(one)
        return FormInput(**self.cleaned_data, questions=asked)

    def save(self, commit: bool = True) -> SubscribeForm:
        data = self.input()
        if self.instance.pk is None:
            return services.create_form(data=data, owner=self.owner, by=self.owner)
        return services.change_form(form=self.instance, data=data, by=self.owner)
