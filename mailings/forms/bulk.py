"""What may be done with many clients at once: put them on a list, take them off it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from mailings import permissions
from mailings.models import Client, ClientList

ADD, REMOVE = "add", "remove"


class BulkForm(forms.Form):
    action = forms.ChoiceField(choices=[(ADD, ADD), (REMOVE, REMOVE)])
    clients = forms.ModelMultipleChoiceField(
        Client.objects.none(),
        error_messages={
            "required": gettext_lazy("Tick the clients first."),
            "invalid_choice": gettext_lazy(
                "One of the clients is not there any more. Tick them again."
            ),
            "invalid_pk_value": gettext_lazy(
                "One of the clients is not there any more. Tick them again."
            ),
        },
    )
    target = forms.ModelChoiceField(
        ClientList.objects.none(),
        label=gettext_lazy("List"),
        empty_label=gettext_lazy("Choose a list"),
        error_messages={
            "required": gettext_lazy("Choose a list."),
            "invalid_choice": gettext_lazy("This list is not there any more. Choose another."),
        },
    )

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["clients"].queryset = permissions.owned(Client, owner)  # type: ignore[attr-defined]
        self.fields["target"].queryset = permissions.owned(ClientList, owner)  # type: ignore[attr-defined]
        self.fields["target"].widget.attrs |= {
            "class": "form-select form-select-sm",
            "form": "bulk",
        }

    def problems(self) -> list[str]:
        return [str(error) for errors in self.errors.values() for error in errors]

    def act(self) -> str:
        """Do it, and return what to tell."""
        target: ClientList = self.cleaned_data["target"]
        clients = self.cleaned_data["clients"]
        values = {"count": len(clients), "list": target.name}
        if self.cleaned_data["action"] == ADD:
            target.clients.add(*clients)
            said = ngettext(
                "%(count)d client is on the list “%(list)s”.",
                "%(count)d clients are on the list “%(list)s”.",
                len(clients),
            )
        else:
            target.clients.remove(*clients)
            said = ngettext(
                "%(count)d client is taken off the list “%(list)s”.",
                "%(count)d clients are taken off the list “%(list)s”.",
                len(clients),
            )
        return said % values
