"""The list of mailings, and the form that makes or changes one."""

from typing import Any
from urllib.parse import quote

from django.contrib import messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.generic import CreateView, TemplateView, UpdateView

from mailings import permissions
from mailings.campaigns import editing, services
from mailings.campaigns.forms import MailingForm
from mailings.campaigns.views import once
from mailings.campaigns.views.actions import scheduled
from mailings.errors import Refused
from mailings.models import Client, Mailing, Message, Run, Segment
from mailings.reports.filters import MailingFilter
from mailings.states import MailingStatus
from mailings.web import keyset
from mailings.web.forms import OwnedForm
from mailings.web.views import Owned, Saved

SAVE, SCHEDULE, FIND = "save", "schedule", "find"
AGREED = "agreed"
"""What the pressed button said it would do."""
LIVE_PARTS = {
    "forecast": "mailings/_forecast.html",
    "client-picks": "mailings/_client_picks.html",
    "excluded-client-picks": "mailings/_excluded_client_picks.html",
}
"""Parts of the form that htmx asks for while it is filled in: element → template."""

NAME_LENGTH = 120
SINGLES_COPIED = 200
"""More single clients than a form can hold: such a mailing was made by the service."""
M = MailingStatus


class MailingIndex(Owned, TemplateView):
    model = Mailing
    section = "mailings"
    template_name = "mailings/mailing_list.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        filters = MailingFilter(self.request.GET)
        every = self.get_queryset()
        rows = filters.apply(every)
        page = keyset.page(rows.select_related("message"), ("-created_at", "-id"), self.request.GET)
        with_last_runs(page.rows)
        return super().get_context_data(
            filters=filters,
            page=page,
            found=keyset.Count.of(rows),
            any_mailings=bool(page.rows) or every.exists(),
            **kwargs,
        )


def with_last_runs(mailings: list[Mailing]) -> None:
    """Give each mailing its newest run that was not skipped, by one query for all."""
    newest = Run.objects.filter(mailing=OuterRef("pk")).order_by("-scheduled_for", "-pk")
    found: QuerySet[Any] = Mailing.objects.filter(pk__in=[m.pk for m in mailings]).values(
        last=Subquery(newest.values("pk")[:1])
    )
    runs = {run.mailing_id: run for run in Run.objects.filter(pk__in=found).defer("html", "text")}
    for mailing in mailings:
        mailing.last_run = runs.get(mailing.pk)  # type: ignore[attr-defined]


class MailingEditor(Saved):
    """One form, several buttons: schedule, save, and look what would happen."""

    model = Mailing
    section = "mailings"

    @property
    def asked(self) -> str:
        """Return the button that was pressed. A live part only looks: htmx sends the button of
        the form's next submission along with a look that had to wait."""
        return "" if self.request.htmx else self.request.POST.get("action", "")  # type: ignore[attr-defined]

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"scheduling": self.asked == SCHEDULE}

    def look(self, request: HttpRequest) -> HttpResponse:
        """Answer with the form, or a part of it, as it is filled in; nothing is stored."""
        form = self.get_form()  # type: ignore[attr-defined]
        form.full_clean()
        part = LIVE_PARTS.get(request.htmx.target or "") if request.htmx else None  # type: ignore[attr-defined]
        if part:
            return render(request, part, {"form": form, "forecast": form.forecast})
        if self.asked == FIND:
            form.errors.clear()
        return self.render_to_response(self.get_context_data(form=form))  # type: ignore[attr-defined]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context | {"forecast": context["form"].forecast}

    def is_agreed(self, form: OwnedForm[Any]) -> bool:
        """Return whether the button that was pressed said what it would do: without JavaScript it
        speaks of the form as it was."""
        if self.asked == SAVE and form.instance.status == M.DRAFT:
            return True
        agreed = self.request.POST.get(AGREED, "")
        return bool(form.forecast.is_as_agreed(agreed))  # type: ignore[attr-defined]

    def form_valid(self, form: OwnedForm[Any]) -> HttpResponse:
        if not self.is_agreed(form):
            return self.render_to_response(  # type: ignore[attr-defined]
                self.get_context_data(form=form, asks_again=True)
            )
        return super().form_valid(form)

    def store(self, form: OwnedForm[Any]) -> None:
        hold = services.undo_window()
        mailing: Mailing = form.save(hold=hold)  # type: ignore[call-arg]
        self.object = mailing
        if self.asked == SCHEDULE and mailing.status == M.DRAFT:
            services.schedule_mailing(mailing=mailing, by=self.user, hold=hold)

    def done(self) -> str:
        if self.asked == SCHEDULE:
            return scheduled(self.object)
        if self.object.status == M.DRAFT:
            return _("Draft “%(mailing)s” is saved. Nothing is sent until you schedule it.") % {
                "mailing": self.object
            }
        return _("Mailing “%(mailing)s” is saved.") % {"mailing": self.object}


class MailingCreate(MailingEditor, CreateView[Mailing, MailingForm]):
    form_class = MailingForm
    template_name = "mailings/mailing_form.html"

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Show what is missing instead of a form that cannot be filled in."""
        missing = {
            "no_clients": not permissions.owned(Client, self.user).exists(),
            "no_messages": not permissions.owned(Message, self.user).exists(),
        }
        if any(missing.values()):
            context = missing | {"section": self.section, "back": quote(request.get_full_path())}
            return render(request, "mailings/mailing_missing.html", context)
        return super().get(request, *args, **kwargs)

    def get_initial(self) -> dict[str, Any]:
        """Take over the message that is asked for, or a whole mailing but its times."""
        query = self.request.GET
        if copied := query.get("copy", ""):
            pattern = get_object_or_404(
                permissions.owned(Mailing, self.user), pk=copied if copied.isdecimal() else 0
            )
            singles = list(pattern.clients.values_list("pk", flat=True)[: SINGLES_COPIED + 1])
            if len(singles) > SINGLES_COPIED:
                singles = []
                messages.info(
                    self.request,
                    _("The copy has no single clients: there are too many. Choose a list."),
                )
            return {
                "name": (_("%(mailing)s – copy") % {"mailing": pattern})[:NAME_LENGTH],
                "message": pattern.message_id,
                "to_all": pattern.to_all,
                "lists": list(pattern.lists.values_list("pk", flat=True)),
                "segments": list(pattern.segments.values_list("pk", flat=True)),
                "clients": singles,
                "excluded_lists": list(pattern.excluded_lists.values_list("pk", flat=True)),
                "excluded_segments": list(pattern.excluded_segments.values_list("pk", flat=True)),
                "excluded_clients": list(pattern.excluded_clients.values_list("pk", flat=True)),
                "sender_name": pattern.sender_name,
                "sender_address": pattern.sender_address,
                "reply_to": pattern.reply_to,
                "track_opens": pattern.track_opens,
                "track_clicks": pattern.track_clicks,
                "link_parameters": pattern.link_parameters,
                "frequency": pattern.frequency,
                "time_zone": pattern.time_zone,
            }
        if segment := query.get("segment", ""):
            own_segments = permissions.owned(Segment, self.user)
            asked = get_object_or_404(own_segments, pk=segment if segment.isdecimal() else 0)
            return {"segments": [asked.pk]}
        if message := query.get("message", ""):
            own = permissions.owned(Message, self.user)
            chosen = get_object_or_404(own, pk=message if message.isdecimal() else 0)
            return {"message": chosen.pk}
        return {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(once=once.token(), **kwargs)

    def form_valid(self, form: OwnedForm[Any]) -> HttpResponse:
        if self.is_agreed(form) and not once.take(self.request):
            first = permissions.owned(Mailing, self.user).filter(
                pk=once.made_by_first(self.request)
            )
            return redirect(first.first() or "mailings:mailing_list")
        response = super().form_valid(form)
        if self.object is not None:
            once.made(self.request, self.object.pk)
        return response

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = None
        if self.asked in (SAVE, SCHEDULE):
            return super().post(request, *args, **kwargs)
        return self.look(request)


class MailingUpdate(MailingEditor, UpdateView[Mailing, MailingForm]):
    form_class = MailingForm
    template_name = "mailings/mailing_form.html"
    found: Mailing | None = None

    def get_object(self, queryset: QuerySet[Mailing] | None = None) -> Mailing:
        """Return the mailing, asked for once in a request."""
        self.found = self.found or super().get_object(queryset)
        return self.found

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            mailing = self.get_object()
            try:
                editing.require_changeable(mailing)
            except Refused as refusal:
                messages.error(request, str(refusal))
                return redirect(mailing)
        return super().dispatch(request, *args, **kwargs)  # type: ignore[return-value]

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        self.object = self.get_object()
        if self.asked in (SAVE, SCHEDULE):
            return super().post(request, *args, **kwargs)
        return self.look(request)
