"""Messages: what a mailing says."""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import CreateView, DetailView, TemplateView, UpdateView

from mailings import keyset, services
from mailings.forms.messages import MessageForm
from mailings.models import Message
from mailings.views.asking import Asking
from mailings.views.owned import Owned, Saved


class MessageIndex(Owned, TemplateView):
    model = Message
    section = "messages"
    template_name = "mailings/message_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        rows = self.get_queryset().annotate(mailing_count=Count("mailings"))
        page = keyset.page(rows, ("-updated_at", "-id"), self.request.GET)
        return super().get_context_data(page=page, **kwargs)


class MessageDetail(Owned, DetailView[Message]):
    model = Message
    section = "messages"
    template_name = "mailings/message_detail.html"
    context_object_name = "letter"


class MessageCreate(Saved, CreateView[Message, MessageForm]):
    model = Message
    form_class = MessageForm
    section = "messages"
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def done(self) -> str:
        return _("Message “%(message)s” is saved.") % {"message": self.object}


class MessageUpdate(Saved, UpdateView[Message, MessageForm]):
    model = Message
    form_class = MessageForm
    section = "messages"
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


class MessagePreview(Owned, DetailView[Message]):
    model = Message

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        letter = self.get_object()
        return HttpResponse(f"<!doctype html><title></title>{letter.body}")
