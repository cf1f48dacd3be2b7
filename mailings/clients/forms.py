"""Clients and lists."""

from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailings import permissions
from mailings.addressing import unseen
from mailings.clients import services
from mailings.clients.attributes import MAX_VALUE
from mailings.clients.services import ClientInput, ListInput
from mailings.errors import Invalid
from mailings.models import Client, ClientList
from mailings.rendering.variables import is_name
from mailings.web.forms import OwnedForm

GONE = {
    "invalid_choice": gettext_lazy("One of the lists is not there any more. Choose again."),
    "invalid_pk_value": gettext_lazy("One of the lists is not there any more. Choose again."),
}


class AttributesField(forms.CharField):
    """A client's attributes as the owner writes them: one `name = value` a line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return "\n".join(f"{name} = {text}" for name, text in value.items())
        return value

    def to_python(self, value: Any) -> dict[str, str]:  # type: ignore[override]
        """Return what the lines say; which of them says nothing, only here is known."""
        attributes: dict[str, str] = {}
        lines = unseen.tidy(super().to_python(value) or "").splitlines()
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            name, equals, text = (part.strip() for part in line.partition("="))
            if not equals or not is_name(name):
                raise ValidationError(
                    _(
                        "Line %(number)d: write “name = value”;"
                        " a name is letters, digits and underscores."
                    )
                    % {"number": number}
                )
            if len(text) > MAX_VALUE:
                raise ValidationError(_("Line %(number)d is too long.") % {"number": number})
            attributes[name] = text
        return attributes

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool((initial or {}) != self.to_python(data))
        except ValidationError:
            return True

    def validate(self, value: Any) -> None:
        return None

    def run_validators(self, value: Any) -> None:
        return None


class ClientForm(OwnedForm[Client]):
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

    def clean(self) -> dict[str, Any]:
        super().clean()
        try:
            services.check_client(self.instance, self.input())
        except Invalid as refusal:
            self.add_faults(refusal.faults.error_dict)
        return self.cleaned_data

    def input(self) -> ClientInput:
        return ClientInput(**self.cleaned_data)

    def save(self, commit: bool = True) -> Client:
        data = self.input()
        if self.instance.pk is None:
            return services.create_client(data=data, owner=self.owner, by=self.owner)
        return services.change_client(client=self.instance, data=data, by=self.owner)


class ListForm(OwnedForm[ClientList]):
    class Meta:
        model = ClientList
        fields = ("name",)

    def clean(self) -> dict[str, Any]:
        super().clean()
        try:
            services.check_list(self.instance, self.input())
        except Invalid as refusal:
            self.add_faults(refusal.faults.error_dict)
        return self.cleaned_data

    def input(self) -> ListInput:
        return ListInput(**self.cleaned_data)

    def save(self, commit: bool = True) -> ClientList:
        data = self.input()
        if self.instance.pk is None:
            return services.create_list(data=data, owner=self.owner, by=self.owner)
        return services.change_list(client_list=self.instance, data=data, by=self.owner)
