"""What may be done with many clients at once: the ticked ones, or all that were found."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from mailings import permissions
from mailings.clients import bulk
from mailings.models import Client, ClientList
from mailings.web.words import figure

ADD, REMOVE, DELETE = "add", "remove", "delete"
EXPORTS = {"export_csv": "csv", "export_xlsx": "xlsx"}

_GONE = gettext_lazy("One of the clients is not there any more. Tick them again.")


class BulkForm(forms.Form):
    action = forms.ChoiceField(choices=[(name, name) for name in (ADD, REMOVE, DELETE, *EXPORTS)])
    everything = forms.BooleanField(required=False)
    clients = forms.ModelMultipleChoiceField(
        Client.objects.none(),
        required=False,
        error_messages={"invalid_choice": _GONE, "invalid_pk_value": _GONE},
    )
    target = forms.ModelChoiceField(
        ClientList.objects.none(),
        required=False,
        label=gettext_lazy("List"),
        empty_label=gettext_lazy("Choose a list"),
        error_messages={
            "invalid_choice": gettext_lazy("This list is not there any more. Choose another."),
        },
    )

    def __init__(self, *args: Any, owner: User, found: QuerySet[Client], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.owner, self.found = owner, found
        self.fields["clients"].queryset = permissions.owned(Client, owner)  # type: ignore[attr-defined]
        self.fields["target"].queryset = permissions.owned(ClientList, owner)  # type: ignore[attr-defined]
        self.fields["target"].widget.attrs |= {
            "class": "form-select form-select-sm",
            "form": "bulk",
        }

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if not self.errors and not data["everything"] and not data["clients"]:
            raise ValidationError(_("Tick the clients first."), "required")
        if not self.errors and data["action"] in (ADD, REMOVE) and not data["target"]:
            raise ValidationError(_("Choose a list."), "required")
        return data

    def problems(self) -> list[str]:
        return [str(error) for errors in self.errors.values() for error in errors]

    @property
    def action_name(self) -> str:
        return str(self.cleaned_data["action"])

    def chosen(self) -> QuerySet[Client]:
        found: QuerySet[Client] = (
            self.found if self.cleaned_data["everything"] else self.cleaned_data["clients"]
        )
        return found

    def act(self) -> str:
        """Put them on the list, or take them off it; return what to tell."""
        target: ClientList = self.cleaned_data["target"]
        if self.action_name == ADD:
            count = bulk.put_on_list(chosen=self.chosen(), target=target, by=self.owner)
            said = ngettext(
                "%(count)s client is on the list “%(list)s”.",
                "%(count)s clients are on the list “%(list)s”.",
                count,
            )
        else:
            count = bulk.take_off_list(chosen=self.chosen(), target=target, by=self.owner)
            said = ngettext(
                "%(count)s client is taken off the list “%(list)s”.",
                "%(count)s clients are taken off the list “%(list)s”.",
                count,
            )
        return said % {"count": figure(count), "list": target.name}
