"""What an owner types to add a domain; the rules are those of `services`."""

from typing import Any

from crispy_forms.helper import FormHelper
from django import forms
from django.utils.translation import gettext_lazy as _

from mailings.sender_domains.services import DomainInput


class DomainForm(forms.Form):
    """The name of a domain."""

    domain = forms.CharField(
        label=_("Domain"),
        max_length=300,
        help_text=_("What stands behind the @ of your shop’s address."),
        widget=forms.TextInput(
            {
                "placeholder": "shop.example.org", "spellcheck": "false", "autocapitalize": "off",
                "inputmode": "url",
            }
        ),
        error_messages={"required": _("Write the domain.")},
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.field_template = "mailings/field.html"

    def input(self) -> DomainInput:
        """Return what the service is given."""
        return DomainInput(domain=self.cleaned_data["domain"])
