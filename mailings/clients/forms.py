"""Clients and lists."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import permissions
from mailings.addressing import addresses
from mailings.clients.attributes import AttributesField
from mailings.models import Client, ClientList
from mailings.web.forms import OwnedForm

GONE = {
    "invalid_choice": gettext_lazy("One of the lists is not there any more. Choose again."),
    "invalid_pk_value": gettext_lazy("One of the lists is not there any more. Choose again."),
}


class ClientForm(OwnedForm[Client]):
    ALSO_WRITTEN = ("email_normalised", "updated_at")

    attributes = AttributesField(
        label=gettext_lazy("Details for messages"),
        required=False,
        help_text=gettext_lazy("One a line, like “city = Tver”. In a message: {{ city }}."),
    )

    class Meta:
        model = Client
        fields = ("email", "full_name", "comment", "attributes", "consent_source", "consent_at")
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "email": forms.EmailInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            "full_name": forms.TextInput(attrs={"autocomplete": "off"}),
            "comment": forms.Textarea(attrs={"rows": 3}),
            "consent_at": forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "full_name": gettext_lazy("As it should stand in messages."),
            "comment": gettext_lazy("Only you see it."),
            "consent_source": gettext_lazy("For example: a form on the site, a contract."),
        }

    lists = forms.ModelMultipleChoiceField(
        ClientList.objects.none(),
        required=False,
        label=gettext_lazy("Lists"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages=GONE,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["lists"].queryset = permissions.owned(ClientList, self.owner)  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["lists"] = list(self.instance.lists.values_list("pk", flat=True))

    def clean_email(self) -> str:
        email, normalised = addresses.read(self.cleaned_data["email"])
        others = permissions.owned(Client, self.owner).exclude(pk=self.instance.pk)
        if others.filter(email_normalised=normalised).exists():
            raise ValidationError(_("You already have a client with this address."), "duplicate")
        return email

    def save(self, commit: bool = True) -> Client:
        client = super().save(commit)
        client.lists.set(self.cleaned_data["lists"])
        return client


class ListForm(OwnedForm[ClientList]):
    class Meta:
        model = ClientList
        fields = ("name",)

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        others = permissions.owned(ClientList, self.owner).exclude(pk=self.instance.pk)
        if others.filter(name=name).exists():
            raise ValidationError(_("You already have a list with this name."), "duplicate")
        return name
