"""A superuser's page of a mail service: name, limits, in use; its address goes in, never out."""

from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy
from wagtail.admin.views import generic

from mailings.cms.access import VisibleRows
from mailings.models import Transport

SCHEMES = ("smtp", "smtp+tls", "smtps")
MOST_CONNECTIONS = 100
"""To one mail service; Postfix accepts about this many from one client by default."""


class TransportForm(forms.ModelForm[Transport]):
    new_url = forms.CharField(
        label=_("New address"),
        required=False,
        max_length=500,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
        help_text=_(
            "Like smtp+tls://user:password@mail.example.org:587. It is never shown again;"
            " leave it empty to keep the present one."
        ),
    )
    use_setting = forms.BooleanField(
        label=_("Forget the address: use the EMAIL_URL setting"), required=False
    )

    class Meta:
        model = Transport
        fields = ("name", "is_active", "max_connections")
        labels = {"name": pgettext_lazy("thing", "Name")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        connections = self.fields["max_connections"]
        connections.validators += [MinValueValidator(1), MaxValueValidator(MOST_CONNECTIONS)]
        connections.widget.attrs |= {"min": 1, "max": MOST_CONNECTIONS}

    def clean_new_url(self) -> str:
        url: str = self.cleaned_data["new_url"].strip()
        if not url:
            return ""
        try:
            parts = urlsplit(url)
            known = parts.scheme in SCHEMES and parts.hostname and (parts.port or True)
        except ValueError:
            known = None
        if not known:
            raise ValidationError(
                _("This is not an address of a mail service. Begin it with %(schemes)s."),
                params={"schemes": ", ".join(f"{scheme}://" for scheme in SCHEMES)},
            )
        return url

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("new_url") and data.get("use_setting"):
            raise ValidationError(
                _("Either write a new address or use the setting, not both at once.")
            )
        return data

    def save(self, commit: bool = True) -> Transport:
        if self.cleaned_data["use_setting"]:
            self.instance.url = ""
        elif self.cleaned_data["new_url"]:
            self.instance.url = self.cleaned_data["new_url"]
        if commit:
            self.instance.save(update_fields=["name", "is_active", "max_connections", "url"])
        return self.instance


class TransportEditView(VisibleRows, generic.EditView):
    form_class = TransportForm
    permission_required = "change"
    inspect_url_name = ""
    fields: None = None

    def get_success_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])

    def get_queryset(self) -> Any:
        return Transport.objects.all()
