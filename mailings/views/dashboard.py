"""The overview: what sends now, what comes next, what became of the last runs."""

from django.views.generic import TemplateView

from mailings.views.owned import Cabinet


class Dashboard(Cabinet, TemplateView):
    section = "dashboard"
    template_name = "mailings/dashboard.html"
