"""An owner's subscribe forms: the list, a page for each with its address and HTML."""

from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from mailings import permissions
from mailings.errors import Refused
from mailings.models import Client, Consent, SubscribeForm, SubscribeRequest
from mailings.models.subscribing import LetterKind
from mailings.subscribing import questions, services, signing_up, snippet
from mailings.subscribing.forms import SubscribeFormForm
from mailings.timing import clock
from mailings.web import keyset
from mailings.web.asking import Asking
from mailings.web.tabs import tab_counts
from mailings.web.views import Owned, Saved


def subscribed(forms: QuerySet[SubscribeForm]) -> QuerySet[SubscribeForm]:
    """Return the forms, each with how many people came by it: mailboxes in the ledger, each once
    however often it subscribed."""
    lines = Consent.objects.filter(text__form=OuterRef("pk")).order_by().values("text__form")
    counted = Subquery(lines.annotate(n=Count("address_hash", distinct=True)).values("n"))
    return forms.annotate(subscribed=Coalesce(counted, 0))


class FormIndex(Owned, ListView[SubscribeForm]):
    """All forms of the owner."""

    model = SubscribeForm
    section = "clients"
    template_name = "mailings/subscribe_form_list.html"
    context_object_name = "forms"

    def get_queryset(self) -> Any:
        return subscribed(super().get_queryset()).prefetch_related("lists")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        clients = permissions.owned(Client, self.user)
        return super().get_context_data(
            total=keyset.Count.of(clients), **tab_counts(self.user), **kwargs
        )


class FormDetail(Owned, DetailView[SubscribeForm]):
    """One form: where it stands, how to embed it, and what came of it."""

    model = SubscribeForm
    section = "clients"
    template_name = "mailings/subscribe_form_detail.html"

    def get_queryset(self) -> Any:
        return subscribed(super().get_queryset()).select_related("owner")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        form = self.object
        asked = form.requests.filter(letter=LetterKind.CONFIRM, confirmed_at=None)
        recent = asked.filter(requested_at__gt=clock.now() - signing_up.CONFIRM_WITHIN)
        return super().get_context_data(
            address=snippet.address_of(form),
            html=snippet.html(form),
            closed=why_closed(form),
            waiting=recent.filter(letter_sent_at__isnull=False).count(),
            unsent=SubscribeRequest.objects.filter(form=form, letter_due_at__isnull=False).count(),
            failed=recent.filter(letter_sent_at=None, letter_due_at=None).count(),
            questions=questions.read(form.questions),
            lists=list(form.lists.all()),
            text=form.consent_text,
            texts=list(form.consent_texts.order_by("-version")[:20]),
            asks_to_confirm=signing_up.asks_to_confirm(form),
            **kwargs,
        )


def why_closed(form: SubscribeForm) -> str:
    """Return, in words for the owner, why the form takes nobody in; empty: it does."""
    try:
        permissions.require_sender(form.owner)
    except Refused as refusal:
        return str(refusal)
    return "" if form.is_open else _("You have closed the form.")


class FormCreate(Saved, CreateView[SubscribeForm, SubscribeFormForm]):
    """A new form."""

    model = SubscribeForm
    form_class = SubscribeFormForm
    section = "clients"
    template_name = "mailings/subscribe_form_form.html"

    def done(self) -> str:
        return _("The form “%(form)s” is made.") % {"form": self.object}


class FormUpdate(Saved, UpdateView[SubscribeForm, SubscribeFormForm]):
    """Changes to a form."""

    model = SubscribeForm
    form_class = SubscribeFormForm
    section = "clients"
    template_name = "mailings/subscribe_form_form.html"

    def done(self) -> str:
        return _("The form “%(form)s” is saved.") % {"form": self.object}


class FormDelete(Asking):
    """Asks before a form goes."""

    model = SubscribeForm
    section = "clients"
    verb = gettext_lazy("Delete the form")
    keep = gettext_lazy("Keep the form")

    def question(self) -> str:
        return _("Delete the form “%(form)s”?") % {"form": self.object}

    def consequences(self) -> list[str]:
        return [
            _("its page and every copy of it on other sites stop working;"),
            _("who has not pressed the letter’s button yet is not subscribed;"),
            _("clients who came by it stay, with the proof of their consent."),
        ]

    def milder(self) -> str:
        return _("To take nobody in for a while, change the form and close it.")

    def act(self) -> None:
        services.delete_form(form=self.object, by=self.user)

    def done(self) -> str:
        return _("The form “%(form)s” is deleted.") % {"form": self.object}

    def after(self) -> str:
        return "mailings:subscribe_form_list"
