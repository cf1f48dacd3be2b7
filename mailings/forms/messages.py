"""Messages: subject, preheader, and the body in a rich editor that is a textarea without
JavaScript."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy

from mailings import attributes, content
from mailings.forms.letter_editor import LetterEditor
from mailings.forms.owned import OwnedForm, one_line
from mailings.models import Message


class MessageForm(OwnedForm[Message]):
    ALSO_WRITTEN = ("updated_at",)

    class Meta:
        model = Message
        fields = ("subject", "preheader", "body")
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "body": LetterEditor(),
        }
        labels: ClassVar[dict[str, Any]] = {"body": gettext_lazy("Text")}

    def clean_subject(self) -> str:
        return one_line(self.cleaned_data["subject"])

    def clean_preheader(self) -> str:
        return one_line(self.cleaned_data["preheader"])

    def clean(self) -> dict[str, Any]:
        """Refuse what would arrive broken: unknown variables, unclosed braces, lost links."""
        data = super().clean() or {}
        subject, preheader, body = (data.get(name, "") for name in self.Meta.fields)
        known = attributes.names_of(self.owner)
        found = content.problems(subject, preheader, body, known)
        for problem in found:
            if problem.blocking and not self.has_error(problem.field, "required"):
                self.add_error(problem.field, problem.message)
        if "body" in data:
            data["body"] = content.sanitise(data["body"])
        return data
