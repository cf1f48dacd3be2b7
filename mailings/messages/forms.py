"""Messages: subject, preheader, layout, and the body in a rich editor that is a textarea without
JavaScript."""

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext_lazy

from mailings.errors import Invalid
from mailings.messages import drafts, services
from mailings.messages.letter_editor import LetterEditor
from mailings.messages.services import MessageInput
from mailings.models import Message
from mailings.web.forms import OwnedForm


class MessageForm(OwnedForm[Message]):
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

    def clean(self) -> dict[str, Any]:
        super().clean()
        try:
            services.check_message(self.instance, self.input())
        except Invalid as refusal:
            self.add_faults(refusal.faults.error_dict)
        return self.cleaned_data

    def input(self) -> MessageInput:
        data = dict(self.cleaned_data)
        if not data.get("layout"):
            data.pop("layout", None)
        return MessageInput(**data)

    def save(
        self,
        commit: bool = True,
        *,
        seen: int | None = None,
        draft: drafts.Written | None = None,
    ) -> Message:
        """Save the message; `seen` and `draft` as in `services.change_message`."""
        data, by = self.input(), self.owner
        if self.instance.pk is None:
            return services.create_message(data=data, owner=by, by=by, draft=draft)
        return services.change_message(
            message=self.instance, data=data, by=by, seen=seen, draft=draft
        )


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
