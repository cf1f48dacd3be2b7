"""Messages: what a mailing says."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp
from django.db.models import Count, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.generic import CreateView, DetailView, TemplateView, UpdateView

from accounts.models import User
from mailings import attributes, content, keyset, permissions, preview, services
from mailings.forms import letter_editor
from mailings.forms.messages import MessageForm
from mailings.models import Client, Message
from mailings.views.asking import Asking
from mailings.views.owned import Owned, Saved

READERS_SHOWN = 25
MAILINGS_SHOWN = 5

FRAME_POLICY: dict[str, list[str]] = {
    "default-src": [NONE],
    "img-src": [SELF, "https:", "data:"],
    "style-src": [UNSAFE_INLINE],  # a mail carries its styles inline
    "frame-ancestors": [SELF],
    "form-action": [NONE],
    "base-uri": [NONE],
    "sandbox": ["allow-popups"],
}


class MessageIndex(Owned, TemplateView):
    model = Message
    section = "messages"
    template_name = "mailings/message_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = self.get_queryset().annotate(mailing_count=Count("mailings"))
        page = keyset.page(rows, ("-updated_at", "-id"), self.request.GET)
        found = keyset.Count.of(self.get_queryset())
        return super().get_context_data(page=page, found=found, **kwargs)


class MessageDetail(Owned, DetailView[Message]):
    model = Message
    section = "messages"
    template_name = "mailings/message_detail.html"
    context_object_name = "letter"

    def get_queryset(self) -> QuerySet[Message]:
        return super().get_queryset().select_related("owner")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        letter = self.object
        client = reader(self.user, self.request.GET)
        known = attributes.names_of(self.user)
        return super().get_context_data(
            client=client,
            clients=readers(self.user, client),
            read=preview.of(letter, client),
            problems=content.problems(letter.subject, letter.preheader, letter.body, known),
            mailings=letter.mailings.order_by("-created_at")[:MAILINGS_SHOWN],
            **kwargs,
        )


class MessagePreview(Owned, DetailView[Message]):
    """The mail itself, for the frame: it may show pictures and its own styles, nothing else."""

    model = Message

    def get_queryset(self) -> QuerySet[Message]:
        return super().get_queryset().select_related("owner")

    @method_decorator(csp(FRAME_POLICY))
    @method_decorator(xframe_options_sameorigin)
    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        read = preview.of(self.get_object(), reader(self.user, request.GET))
        return HttpResponse(read.html)


class Written(Saved):
    """What making and changing a message share: the editor and the names it may use."""

    model = Message
    section = "messages"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(attribute_names=attributes.names_of(self.user), **kwargs)
        # The editor's import map and modules are scripts in the page: they need the nonce.
        media = context["form"].media
        nonce = self.request.csp_nonce  # type: ignore[attr-defined]
        return context | {"editor": media.with_nonce(nonce), "words": letter_editor.words()}


class MessageCreate(Written, CreateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def done(self) -> str:
        return _("Message “%(message)s” is saved.") % {"message": self.object}


class MessageUpdate(Written, UpdateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def done(self) -> str:
        return _("Message “%(message)s” is saved. Runs under way keep the old text.") % {
            "message": self.object
        }


class MessageDelete(Asking):
    model = Message
    section = "messages"
    verb = gettext_lazy("Delete the message")
    keep = gettext_lazy("Keep the message")

    def question(self) -> str:
        return _("Delete message “%(message)s”?") % {"message": self.object}

    def consequences(self) -> list[str]:
        return [_("subject, preheader and text are deleted for good.")]

    def act(self) -> None:
        services.delete_message(message=self.object, by=self.user)

    def done(self) -> str:
        return _("Message “%(message)s” is deleted.") % {"message": self.object}

    def after(self) -> str:
        return "mailings:message_list"


def reader(owner: User, query: QueryDict) -> Client | None:
    """Return the client whose letter is shown: the one asked for, else the first."""
    clients = permissions.owned(Client, owner)
    asked = query.get("client", "")
    if asked:
        if not asked.isdecimal():
            raise Http404
        return get_object_or_404(clients, pk=asked)
    return clients.order_by("full_name", "pk").first()


def readers(owner: User, chosen: Client | None) -> list[Client]:
    """Return some clients to choose from, the chosen one among them."""
    some = list(permissions.owned(Client, owner).order_by("full_name", "pk")[:READERS_SHOWN])
    return some if chosen is None or chosen in some else [chosen, *some]
