"""Tests to oneself: ordered with a button, and what the mail server answered."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.generic import DetailView

from mailings.errors import Refused
from mailings.messages import proofs
from mailings.messages.views.reading import chosen_client
from mailings.models import Client, Message
from mailings.web.views import Owned

SHOWN = 3
ANSWER_EXPECTED = timedelta(minutes=2)
"""A worker that has not answered by then is not at work."""


def proofs_of(message: Message) -> dict[str, Any]:
    """Return what the template shows of a message's newest tests."""
    found = list(message.proofs.order_by("-requested_at", "-pk")[:SHOWN])
    since = timezone.now() - ANSWER_EXPECTED
    waiting = [p for p in found if p.finished_at is None and p.requested_at > since]
    return {"proofs": found, "waiting_proofs": waiting}


def order_test(request: HttpRequest, message: Message, client: Client | None) -> HttpResponse:
    """Order a test of a saved message and go to its page, where the answer will stand."""
    try:
        proofs.request_proof(message=message, client=client, by=message.owner)
    except Refused as refusal:
        messages.error(request, str(refusal))
    else:
        said = _("A test is on its way to %(address)s. The mail server’s answer stands below.")
        messages.success(request, said % {"address": message.owner.email})
    return redirect(message)


class MessageTest(Owned, DetailView[Message]):
    model = Message

    def get_queryset(self) -> QuerySet[Message]:
        return super().get_queryset().select_related("owner")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Answer the page that waits for the server's words."""
        message = self.get_object()
        if not request.htmx:  # type: ignore[attr-defined]
            return redirect(message)
        context = {"letter": message, **proofs_of(message)}
        return render(request, "mailings/_proofs.html", context)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        message = self.get_object()
        return order_test(request, message, chosen_client(self.user, request.POST))
