"""The report: the owner's mailings and runs with sums by status."""

from django.views.generic import TemplateView

from mailings.views.owned import Cabinet


class Report(Cabinet, TemplateView):
    section = "report"
    template_name = "mailings/report.html"
