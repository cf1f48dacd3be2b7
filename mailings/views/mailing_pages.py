"""The page of a mailing and that of one of its runs."""

from django.views.generic import DetailView

from mailings.models import Mailing, Run
from mailings.views.owned import Owned


class MailingDetail(Owned, DetailView[Mailing]):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_detail.html"


class RunDetail(Owned, DetailView[Run]):
    model = Run
    section = "mailings"
    template_name = "mailings/run_detail.html"
