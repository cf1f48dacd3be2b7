"""Settings → Sites in the admin: the address that all links begin with."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.http.request import validate_host
from django.utils.translation import gettext as _
from wagtail.models import Site
from wagtail.sites.forms import SiteForm
from wagtail.sites.views import CreateView, EditView
from wagtail.sites.views import SiteViewSet as WagtailSiteViewSet

from accounts import site_address


class HostForm(SiteForm):
    def clean_hostname(self) -> str:
        host = site_address.host_of(self.cleaned_data["hostname"])
        if host is None:
            raise ValidationError(
                _("Write the name alone, like mail.example.org: no https://, no slash, no port.")
            )
        return host


def is_answered(hostname: str) -> bool:
    """Does this service answer requests to the host? If not, no link to it works."""
    return validate_host(hostname, settings.ALLOWED_HOSTS)


class TellingMixin:
    """Tells, after saving, where links lead now, and what is missing for them to work."""

    request: HttpRequest

    def form_valid(self, form: ModelForm) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)  # type: ignore[misc]
        site: Site = form.instance
        if site.is_default_site:
            address = site_address.of_site(site.hostname, site.port)
            told = _("Links in letters and on pages begin with %(address)s now.")
            messages.info(self.request, told % {"address": address})
        if not is_answered(site.hostname):
            warned = _(
                "This service does not answer requests to %(host)s yet. Add it to ALLOWED_HOSTS "
                "and restart the service, or no link will work."
            )
            messages.warning(self.request, warned % {"host": site.hostname})
        return response


class SiteCreateView(TellingMixin, CreateView):
    pass


class SiteEditView(TellingMixin, EditView):
    pass


class SiteViewSet(WagtailSiteViewSet):
    add_view_class = SiteCreateView
    edit_view_class = SiteEditView

    def get_form_class(self, for_update: bool = False) -> Any:
        return HostForm
