"""Before what cannot be undone: a page that asks, says what will happen, and then does it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.views.generic import DetailView

from mailings.errors import Refused
from mailings.web.views import Owned


class Asking(Owned, DetailView[Any]):
    template_name = "mailings/ask.html"

    verb: str | Promise = ""
    """What the red button says."""
    keep: str | Promise = ""
    """What the other one says."""

    def question(self) -> str:
        raise NotImplementedError

    def consequences(self) -> list[str]:
        raise NotImplementedError

    def milder(self) -> str:
        """Return the way that can be undone, if there is one."""
        return ""

    def act(self) -> None:
        raise NotImplementedError

    def done(self) -> str:
        """Return what to tell, while the row is still there."""
        return ""

    def said(self) -> str:
        """Return what to tell about what was made; asked when `done` had nothing to say."""
        return ""

    def after(self) -> str:
        """Return the address or the URL name of the page that follows."""
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            question=self.question(),
            consequences=self.consequences(),
            milder=self.milder(),
            verb=self.verb,
            keep=self.keep,
            **kwargs,
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        self.object = self.get_object()
        said = self.done()
        try:
            self.act()
            said = said or self.said()
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect(self.object)
        messages.success(request, said)
        return redirect(self.after())
