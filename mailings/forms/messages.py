"""Messages: subject, preheader, body."""

from typing import ClassVar

import nh3
from django import forms
from django.utils.translation import gettext_lazy

from mailings.forms.owned import OwnedForm
from mailings.models import Message


class MessageForm(OwnedForm[Message]):
    ALSO_WRITTEN = ("updated_at",)

    class Meta:
        model = Message
        fields = ("subject", "preheader", "body")
        widgets: ClassVar[dict[str, forms.Widget]] = {"body": forms.Textarea(attrs={"rows": 14})}
        labels: ClassVar[dict[str, object]] = {"body": gettext_lazy("Text")}

    def clean_body(self) -> str:
        return nh3.clean(self.cleaned_data["body"])
