"""The list of mailings, and the form that makes or changes one."""

from typing import Any

from django.views.generic import DetailView, TemplateView

from mailings import keyset
from mailings.models import Mailing
from mailings.views.owned import Cabinet, Owned


class MailingIndex(Owned, TemplateView):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        page = keyset.page(self.get_queryset(), ("-created_at", "-id"), self.request.GET)
        return super().get_context_data(page=page, **kwargs)


class MailingCreate(Cabinet, TemplateView):
    section = "mailings"
    template_name = "mailings/mailing_form.html"


class MailingUpdate(Owned, DetailView[Mailing]):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_form.html"
