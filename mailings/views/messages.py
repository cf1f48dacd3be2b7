"""Messages: what a mailing says. How one reads: `reading`; tests to oneself: `proofs`."""

from typing import Any

from django.db.models import Count, QuerySet
from django.forms import ModelForm
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import CreateView, DetailView, TemplateView, UpdateView

from mailings import attributes, keyset, permissions, samples, services, words
from mailings.forms.messages import MessageForm
from mailings.models import Message
from mailings.views.asking import Asking
from mailings.views.owned import Owned, Saved
from mailings.views.proofs import order_test, proofs_of
from mailings.views.reading import chosen_client, drafted, known_layout, reading

MAILINGS_SHOWN = 5
TEST = "test"
"""The button that saves the message and sends a test of it."""


def named(message: Message | None) -> str:
    return words.readable(message.subject) if message else ""


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
        return super().get_context_data(
            **reading(letter, chosen_client(self.user, self.request.GET)),
            **proofs_of(letter),
            mailings=letter.mailings.order_by("-created_at")[:MAILINGS_SHOWN],
            **kwargs,
        )


class Written(Saved):
    """What making and changing a message share: the editor, the names it may use, the reading."""

    model = Message
    section = "messages"

    def written(self, form: ModelForm[Message]) -> Message:
        """Return the message as the form shows it."""
        shown = {name: form[name].value() or "" for name in form.fields}
        return drafted(self.user, shown)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(attribute_names=attributes.names_of(self.user), **kwargs)
        form = context["form"]
        message = self.written(form)
        query = self.request.POST if form.is_bound else self.request.GET
        context |= reading(message, chosen_client(self.user, query))
        # The editor's import map and modules are scripts in the page: they need the nonce.
        nonce = self.request.csp_nonce  # type: ignore[attr-defined]
        return context | {
            "editor": form.media.with_nonce(nonce),
            "is_blank": not (message.subject or message.body or form.is_bound),
        }

    def form_valid(self, form: ModelForm[Message]) -> HttpResponse:
        if self.request.POST.get("action") != TEST:
            return super().form_valid(form)
        client = chosen_client(self.user, self.request.POST)  # a foreign one: nothing is saved
        response = super().form_valid(form)
        if self.object is None or form.errors:
            return response
        return order_test(self.request, self.object, client)


class MessageCreate(Written, CreateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def get_initial(self) -> dict[str, Any]:
        """Begin with the sample of a layout, or with what another message says."""
        query = self.request.GET
        if copied := query.get("copy", ""):
            own = permissions.owned(Message, self.user)
            pattern = get_object_or_404(own, pk=copied if copied.isdecimal() else 0)
            return {name: getattr(pattern, name) for name in MessageForm.Meta.fields}
        if layout := query.get("layout", ""):
            layout = known_layout(layout)
            return {"layout": layout} | samples.sample(layout, self.user.language)._asdict()
        return {}

    def done(self) -> str:
        return _("Message “%(message)s” is saved.") % {"message": named(self.object)}


class MessageUpdate(Written, UpdateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def done(self) -> str:
        return _("Message “%(message)s” is saved. Runs under way keep the old text.") % {
            "message": named(self.object)
        }


class MessageDelete(Asking):
    model = Message
    section = "messages"
    verb = gettext_lazy("Delete the message")
    keep = gettext_lazy("Keep the message")

    def question(self) -> str:
        return _("Delete message “%(message)s”?") % {"message": named(self.object)}

    def consequences(self) -> list[str]:
        return [_("subject, preheader and text are deleted for good.")]

    def act(self) -> None:
        services.delete_message(message=self.object, by=self.user)

    def done(self) -> str:
        return _("Message “%(message)s” is deleted.") % {"message": named(self.object)}

    def after(self) -> str:
        return "mailings:message_list"
