"""A message as one client reads it: saved, or as it stands in the editor; the mail itself for the
frame, and what there is to say about it."""

from collections.abc import Mapping
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils.decorators import method_decorator
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import DetailView, TemplateView, View

from accounts import site_address
from accounts.models import User
from mailings import permissions
from mailings.messages import preview, proofreading, samples
from mailings.messages.layouts import HINTS
from mailings.models import Client, Mailing, Message
from mailings.states import Layout
from mailings.web.views import Cabinet, Owned

READERS_SHOWN = 25
LONGEST_LINE = 200  # characters of subject and preheader, as in the model
DARK_QUERY = "@media (prefers-color-scheme:dark)"

FRAME_POLICY: dict[str, list[str]] = {  # beside `img-src`: see `Frame`
    "default-src": [NONE],
    "style-src": [UNSAFE_INLINE],  # a mail carries its styles inline
    "frame-ancestors": [SELF],
    "form-action": [NONE],
    "base-uri": [NONE],
    # No script ever runs there; the same origin lets the editor keep the place that is looked at.
    "sandbox": ["allow-popups", "allow-same-origin"],
}


def chosen_client(owner: User, query: Mapping[str, Any]) -> Client | None:
    """Return the client whose letter is shown: the one asked for, else the first."""
    clients = permissions.owned(Client, owner)
    asked = str(query.get("client", ""))
    if asked:
        if not asked.isdecimal():
            raise Http404
        return get_object_or_404(clients, pk=asked)
    return next(iter(_some(clients, 1)), None)


def some_clients(owner: User, chosen: Client | None) -> list[Client]:
    """Return some clients to choose from, the chosen one among them."""
    some = _some(permissions.owned(Client, owner), READERS_SHOWN)
    return some if chosen is None or chosen in some else [chosen, *some]


def _some(clients: QuerySet[Client], count: int) -> list[Client]:
    """Return those with a name first: a letter says more about them."""
    ordered = clients.order_by("full_name", "pk")
    named = list(ordered.exclude(full_name="")[:count])
    return named or list(ordered[:count])


def known_layout(name: str) -> str:
    return name if name in Layout.values else Layout.LETTER


def drafted(owner: User, data: Mapping[str, Any]) -> Message:
    """Return the message as it stands in the editor, unchecked: the renderer cleans everything."""
    return Message(
        owner=owner,
        subject=data.get("subject", "")[:LONGEST_LINE],
        preheader=data.get("preheader", "")[:LONGEST_LINE],
        layout=known_layout(data.get("layout", "")),
        body=data.get("body", ""),
        text=data.get("text", ""),
    )


def reading(message: Message, client: Client | None) -> dict[str, Any]:
    """Return what a template shows of a message as `client` gets it."""
    read = preview.of(message, client)
    return {
        "client": client,
        "layout_hint": HINTS[Layout(message.layout)],
        "clients": some_clients(message.owner, client),
        "read": read,
        "proof": proofreading.proofread(message, read),
    }


def framed(html: str, scheme: str = "") -> HttpResponse:
    """Return the mail's own HTML; `scheme` decides what else the reader's system would."""
    if scheme in {"light", "dark"}:
        html = html.replace(DARK_QUERY, "@media all" if scheme == "dark" else "@media not all")
    return HttpResponse(html)


class Frame(Cabinet):
    """The mail itself: it may show its pictures and its own styles, nothing else."""

    @method_decorator(xframe_options_sameorigin)
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        pictures = {"img-src": [SELF, site_address.url(), "data:"]}
        framed = csp(FRAME_POLICY | pictures)(super().dispatch)
        return framed(request, *args, **kwargs)


class MessagePreview(Frame, Owned, DetailView[Message]):
    """A saved message; `mailing` asks for it as that one sends it, with its sender's name."""

    model = Message

    def get_queryset(self) -> QuerySet[Message]:
        return super().get_queryset().select_related("owner")

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        message = self.get_object()
        client = chosen_client(self.user, request.GET)
        read = preview.of(message, client, sender_name=self.sender_name(message))
        return framed(read.html, request.GET.get("scheme", ""))

    def sender_name(self, message: Message) -> str:
        asked = self.request.GET.get("mailing", "")
        if not asked:
            return ""
        own = permissions.owned(Mailing, self.user).filter(message=message)
        return get_object_or_404(own, pk=asked if asked.isdecimal() else 0).sender_name


class MessageDraft(Frame, View):
    """A message that is being written: the form is posted here, and nothing is stored."""

    def post(self, request: HttpRequest) -> HttpResponse:
        client = chosen_client(self.user, request.POST)
        read = preview.of(drafted(self.user, request.POST), client)
        return framed(read.html, request.POST.get("scheme", ""))


class MessageCheck(Cabinet, View):
    """What there is to say about a message that is being written."""

    def post(self, request: HttpRequest) -> HttpResponse:
        message = drafted(self.user, request.POST)
        context = reading(message, chosen_client(self.user, request.POST))
        return render(request, "mailings/_message_check.html", {"letter": message, **context})


class MessageSample(Frame, View):
    """A layout with its sample text, for the page where one is chosen."""

    def get(self, request: HttpRequest) -> HttpResponse:
        layout = known_layout(request.GET.get("layout", ""))
        sample = samples.sample(layout, self.user.language)
        message = Message(owner=self.user, layout=layout, **sample._asdict())
        return framed(preview.of(message, None).html)


class MessageLayouts(Cabinet, TemplateView):
    section = "messages"
    template_name = "mailings/message_layouts.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        found = [(layout.value, layout.label, HINTS[layout]) for layout in Layout]
        return super().get_context_data(layouts=found, **kwargs)
