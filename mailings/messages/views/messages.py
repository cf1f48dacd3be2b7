"""Messages: what a mailing says. How one reads: `reading`; tests to oneself: `proofs`."""

from typing import Any

from django.contrib import messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import CreateView, DetailView, TemplateView, UpdateView

from mailings import permissions
from mailings.clients import attributes
from mailings.errors import Refused
from mailings.messages import content, drafts, samples, services
from mailings.messages.forms import MessageForm
from mailings.messages.views.drafts import asked_key, asked_version, opened_at, shown, started_words
from mailings.messages.views.proofs import order_test, proofs_of
from mailings.messages.views.reading import chosen_client, drafted, known_layout, reading
from mailings.models import Message, MessageDraft
from mailings.timing import clock
from mailings.web import keyset, words
from mailings.web.asking import Asking
from mailings.web.forms import OwnedForm
from mailings.web.views import Owned, Saved, mark_saved

MAILINGS_SHOWN = 5
DRAFTS_SHOWN = 5
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
        waiting = drafts.of_new_messages(self.user)[:DRAFTS_SHOWN]
        return super().get_context_data(page=page, found=found, waiting_drafts=waiting, **kwargs)


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
    """What making and changing a message share: the editor, the names it may use, the reading,
    and the draft that is kept while one writes."""

    model = Message
    section = "messages"
    draft: MessageDraft | None = None
    """What was written and not saved, if the form shows it."""
    theirs: drafts.Other | None = None
    """What somebody saved meanwhile."""
    is_gone = False

    def written(self, form: OwnedForm[Any]) -> Message:
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
            "keeping": self.keeping(form.is_bound),
            "draft": self.draft,
            "versions": self.versions(),
            "is_gone": self.is_gone,
        }

    def versions(self) -> dict[str, Any]:
        """Return both texts where somebody saved another one meanwhile."""
        if not self.theirs:
            return {}
        mine = drafts.content_of(self.request.POST)
        return {
            "title": shown(self.theirs)["title"],
            "theirs": {**self.theirs.content, "text": text_of(self.theirs.content)},
            "mine": {**mine, "text": text_of(mine)},
        }

    def keeping(self, is_bound: bool) -> dict[str, object]:
        """Return the form's fields that tell what its writer has seen."""
        message: Message | None = self.object
        fields: dict[str, object] = {
            "message": message.pk if message else "",
            "draft": "" if message else asked_key(self.request.GET) or drafts.new_key(),
            "seen": message.version if message else 0,
            "revision": "",
            "opened": int(clock.now().timestamp()),
        }
        if is_bound:
            fields |= {name: self.request.POST.get(name, fields[name]) for name in fields}
        elif self.draft:
            draft = self.draft
            fields |= {"seen": draft.began_with, "revision": draft.revision, "draft": draft.key}
        if self.theirs:
            fields["seen"] = self.theirs.version
        return fields

    def store(self, form: OwnedForm[Any]) -> None:
        posted = self.request.POST
        draft = drafts.Written(
            asked_key(posted), posted.get("revision", ""), drafts.content_of(posted)
        )
        self.object = form.save(seen=asked_version(posted), draft=draft)  # type: ignore[call-arg]

    def form_valid(self, form: OwnedForm[Any]) -> HttpResponse:
        is_test = self.request.POST.get("action") == TEST
        # A foreign client: nothing is saved.
        client = chosen_client(self.user, self.request.POST) if is_test else None
        response = super().form_valid(form)
        if self.object is None or form.errors:
            return response
        self.tell_of_starts()
        if is_test:
            return mark_saved(self.request, order_test(self.request, self.object, client))
        return response

    def refused(self, refusal: Refused, form: OwnedForm[Any]) -> None:
        if isinstance(refusal, drafts.Changed):
            self.theirs = refusal.other
        super().refused(refusal, form)

    def tell_of_starts(self) -> None:
        opened = opened_at(self.request.POST)
        if opened and (name := drafts.started_since(self.object, opened)):
            messages.warning(self.request, started_words(name))


def text_of(written: drafts.Content) -> str:
    """Return what one reads of a version: its own text part, or the body's words."""
    return written["text"] or content.text_from(content.sanitise(written["body"]))


class MessageCreate(Written, CreateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def get_initial(self) -> dict[str, Any]:
        """Begin with what was not saved, with the sample of a layout, or with what another
        message says."""
        query = self.request.GET
        if key := query.get("draft", ""):
            self.draft = drafts.of(self.user, None, key)
            if self.draft:
                return drafts.content_of(self.draft.content)
        if copied := query.get("copy", ""):
            own = permissions.owned(Message, self.user)
            pattern = get_object_or_404(own, pk=copied if copied.isdecimal() else 0)
            return {name: getattr(pattern, name) for name in MessageForm.Meta.fields}
        if layout := query.get("layout", ""):
            layout = known_layout(layout)
            return {"layout": layout} | samples.sample(layout, self.user.language)._asdict()
        return {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        if not self.request.POST:
            shown = self.draft.pk if self.draft else 0  # known once the form is made
            waiting = drafts.of_new_messages(self.user).exclude(pk=shown)[:DRAFTS_SHOWN]
            context["waiting_drafts"] = waiting
        return context

    def done(self) -> str:
        return _("Message “%(message)s” is saved.") % {"message": named(self.object)}


class MessageUpdate(Written, UpdateView[Message, MessageForm]):
    form_class = MessageForm
    template_name = "mailings/message_form.html"
    context_object_name = "letter"

    def get_initial(self) -> dict[str, Any]:
        """Show what was written and not saved; the page says so."""
        if self.request.method == "GET":
            self.draft = drafts.of(self.user, self.object)
        return drafts.content_of(self.draft.content) if self.draft else {}

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Save; the text of a message that was deleted meanwhile is shown as a new one's."""
        if not self.get_queryset().filter(pk=self.kwargs["pk"]).exists() and "body" in request.POST:
            return MessageRescue.as_view()(request)  # type: ignore[return-value]
        return super().post(request, *args, **kwargs)

    def done(self) -> str:
        return _("Message “%(message)s” is saved. Runs under way keep the old text.") % {
            "message": named(self.object)
        }


class MessageRescue(MessageCreate):
    """The text that was sent to a message that is no more; the same for one of somebody else."""

    is_gone = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = self.again()
        response.status_code = 404
        return response

    def keeping(self, is_bound: bool) -> dict[str, object]:
        fresh: dict[str, object] = {"message": "", "draft": drafts.new_key(), "seen": 0}
        return super().keeping(is_bound) | fresh | {"revision": ""}


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
