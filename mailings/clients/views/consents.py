"""A client's consents: to read and print, and as a signed document for others."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.generic import DetailView, View

from mailings import audit, permissions
from mailings.consents import evidence, ledger
from mailings.models import Client
from mailings.web.views import Cabinet, Owned


class ClientConsents(Owned, DetailView[Client]):
    """Every line of the ledger about a client, with the words that were agreed to."""

    model = Client
    section = "clients"
    template_name = "mailings/client_consents.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            consents=list(ledger.of_client(self.object)[: ledger.SHOWN]), **kwargs
        )


class ClientEvidence(Cabinet, View):
    """The same as JSON, signed by the service."""

    def get(self, request: HttpRequest, pk: int) -> JsonResponse:
        rows = permissions.owned(Client, self.user).select_related("owner")
        client = get_object_or_404(rows, pk=pk)
        document = evidence.of_client(client)
        audit.record(audit.Action.EXPORT, client, self.user)
        response = JsonResponse(document, json_dumps_params={"ensure_ascii": False, "indent": 2})
        name = f"consents-{client.pk}-{timezone.localdate():%Y-%m-%d}.json"
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response
