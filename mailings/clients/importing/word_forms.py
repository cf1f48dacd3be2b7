"""The words of a file that nobody but its owner knows the meaning of."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from mailings.clients.importing import outcome
from mailings.clients.importing.mail_states import Says, state_word
from mailings.clients.importing.meaning import answer_for
from mailings.models import Import

SEND, STOP, OUT = "send", "stop", "out"
CHOICES = [
    (SEND, gettext_lazy("May get mail")),
    (STOP, gettext_lazy("To the suppression list")),
    (OUT, gettext_lazy("Leave out")),
]


class WordsForm(forms.Form):
    """One choice a word; nobody is sendable unless the owner says so."""

    def __init__(self, *args: Any, row: Import, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.row = row
        self.questions = outcome.questions(row)
        for number, question in enumerate(self.questions):
            self.fields[f"w{number}"] = forms.ChoiceField(
                label=question.shown or "–",
                choices=CHOICES,
                initial=self.suggested(question),
                widget=forms.Select(attrs={"class": "form-select form-select-sm"}),
            )

    @staticmethod
    def suggested(question: outcome.Question) -> str:
        """Return the milder of what keeps mail away, unless the word itself is a clear one."""
        says = state_word(question.shown)
        return STOP if says and says.bars else OUT

    def reason(self, question: outcome.Question) -> Says:
        target = self.row.mapping[int(question.column)]
        return answer_for(target, question.head, question.shown)

    def rows(self) -> list[tuple[outcome.Question, forms.BoundField]]:
        return [(question, self[f"w{n}"]) for n, question in enumerate(self.questions)]

    def answers(self) -> dict[str, dict[str, Says]]:
        """Return column → word → what it means, as `imports.answer` takes it."""
        found: dict[str, dict[str, Says]] = {}
        for number, question in enumerate(self.questions):
            meant = {SEND: Says.OK, OUT: Says.OUT, STOP: self.reason(question)}
            says = meant[self.cleaned_data[f"w{number}"]]
            found.setdefault(question.column, {})[question.word] = says
        return found
