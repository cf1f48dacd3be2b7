"""Messages: subject, preheader, layout, and the body in a rich editor that is a textarea without
JavaScript."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings.clients import attributes
from mailings.messages import content, proofreading
from mailings.messages.letter_editor import LetterEditor
from mailings.models import Message
from mailings.web.forms import OwnedForm, one_line


class MessageForm(OwnedForm[Message]):
    ALSO_WRITTEN = ("updated_at",)

    class Meta:
        model = Message
        fields = ("subject", "preheader", "layout", "body", "text")
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "body": LetterEditor(),
            "text": forms.Textarea(attrs={"rows": 8}),
        }
        labels: ClassVar[dict[str, Any]] = {"body": gettext_lazy("Text")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["layout"].required = False  # a message written through an older door

    def clean_subject(self) -> str:
        return one_line(self.cleaned_data["subject"])

    def clean_preheader(self) -> str:
        return one_line(self.cleaned_data["preheader"])

    def clean_layout(self) -> str:
        return self.cleaned_data["layout"] or self.instance.layout

    def clean(self) -> dict[str, Any]:
        """Refuse what would arrive broken: unknown variables, unclosed braces, lost links."""
        data = super().clean() or {}
        subject, preheader, body, text = (
            data.get(name, "") for name in ("subject", "preheader", "body", "text")
        )
        known = attributes.names_of(self.owner)
        for problem in content.problems(subject, preheader, body, known, text=text):
            if problem.blocking and not self.has_error(problem.field, "required"):
                self.add_error(problem.field, problem.message)
        if "body" in data:
            data["body"] = content.sanitise(data["body"])
            if proofreading.foreign_pictures(self.owner, data["body"]):
                self.add_error("body", _("A picture is no longer in your library. Choose another."))
        return data


KINDS = ("image/jpeg", "image/png", "image/webp", "image/gif")
"""What the file dialog offers; the content decides."""


class PictureForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("Picture file"),
        help_text=gettext_lazy("JPEG, PNG, WebP or GIF, up to 10 MB."),
        widget=forms.ClearableFileInput(
            attrs={"accept": "image/jpeg,image/png,image/webp,image/gif"}
        ),
    )
