"""Segments: the list, the page of one, and the form that builds one."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import CreateView, DetailView, ListView, UpdateView

from mailings import permissions
from mailings.clients import attributes
from mailings.clients.filters import ClientFilter
from mailings.clients.segments import compiling, counting, examples, reading, references, services
from mailings.clients.segments import words as in_words
from mailings.clients.segments.conditions import Definition, Group, MailingCondition, MailingTest
from mailings.clients.segments.forms import SegmentForm
from mailings.errors import Refused
from mailings.models import Client, Run, Segment
from mailings.web import keyset, words
from mailings.web.asking import Asking
from mailings.web.forms import OwnedForm
from mailings.web.tabs import tab_counts
from mailings.web.views import Owned, Saved

SAVE = "save"
LIVE_PARTS = {
    "segment-builder": "mailings/_segment_built.html",
    "segment-found": "mailings/_segment_found.html",
}
"""Parts of the form that htmx asks for while it is filled in: element → template."""


class SegmentIndex(Owned, ListView[Segment]):
    model = Segment
    section = "clients"
    template_name = "mailings/segment_list.html"
    context_object_name = "segments"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(
            total=keyset.Count.of(permissions.owned(Client, self.user)),
            examples=examples.EXAMPLES,
            **tab_counts(self.user),
            **kwargs,
        )
        say_each(list(context["segments"]), self.user)
        return context


def say_each(segments: list[Segment], owner: Any) -> None:
    """Give each segment its `sentence`, by a few queries for all of them."""
    read: dict[int, Definition] = {}
    for segment in segments:
        try:
            read[segment.pk] = reading.read(segment.conditions)
        except reading.Unreadable as error:
            # Pages put the full stop behind it, as behind any other sentence.
            said = in_words.fault(error.fault).removesuffix(".")
            segment.sentence = said  # type: ignore[attr-defined]
    named = references.named(list(read.values()), owner)
    for segment in segments:
        if segment.pk in read:
            segment.sentence = in_words.sentence(read[segment.pk], named)  # type: ignore[attr-defined]


class SegmentDetail(Owned, DetailView[Segment]):
    model = Segment
    section = "clients"
    template_name = "mailings/segment_detail.html"
    context_object_name = "segment"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        segment = self.object
        say_each([segment], self.user)
        context: dict[str, Any] = {}
        try:
            rows = compiling.clients_of(segment, timezone.now())
        except (reading.Unreadable, references.Missing):
            context["is_broken"] = True
        else:
            context["found"] = counting.count(rows)
        return super().get_context_data(
            mailings=services.users_of(segment)[: words.NAMES_SHOWN], **context, **kwargs
        )


class SegmentEditor(Saved):
    """One form, several buttons: save, add and take away rows and groups, and look."""

    model = Segment
    section = "clients"

    @property
    def button(self) -> str:
        return self.request.POST.get("do", "")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.button == SAVE or request.POST.get("action"):
            return super().post(request, *args, **kwargs)
        return self.look(request)

    def look(self, request: HttpRequest) -> HttpResponse:
        """Answer with the form, or a part of it, after a button; nothing is stored."""
        self.object = self.get_object() if "pk" in self.kwargs else None  # type: ignore[attr-defined]
        form = self.get_form()  # type: ignore[attr-defined]
        form.full_clean()
        form.errors.clear()
        for box in form.draft.boxes:
            for row in box.rows:
                row.fault = ""
        form.draft.press(self.button)
        form.tidy()
        part = LIVE_PARTS.get(request.htmx.target or "") if request.htmx else None  # type: ignore[attr-defined]
        if part:
            return render(request, part, {"form": form})
        return self.render_to_response(self.get_context_data(form=form))  # type: ignore[attr-defined]

    def form_invalid(self, form: OwnedForm[Any]) -> HttpResponse:
        form.tidy()  # type: ignore[attr-defined]
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        return response

    def done(self) -> str:
        return _("Segment “%(segment)s” is saved.") % {"segment": self.object}


class SegmentCreate(SegmentEditor, CreateView[Segment, SegmentForm]):
    form_class = SegmentForm
    template_name = "mailings/segment_form.html"
    context_object_name = "segment"

    def get_form_kwargs(self) -> dict[str, Any]:
        return super().get_form_kwargs() | {"begin": self.begin()}

    def begin(self) -> Definition | None:
        """Return what the address asks to begin with: an example, a filter of clients, a run."""
        query = self.request.GET
        for example in examples.EXAMPLES:
            if example.key == query.get("example"):
                return example.definition(attributes.names_lately(self.user))
        if run := query.get("run", ""):
            own = permissions.owned(Run, self.user)
            found = own.filter(pk=run if run.isdecimal() and len(run) < 19 else 0).first()  # noqa: PLR2004
            if found:
                got = MailingCondition(test=MailingTest.GOT, run_id=found.pk, negated=True)
                return Definition(groups=(Group(conditions=(got,)),))
        filters = ClientFilter(query, owner=self.user)
        on = filters.value("on")
        return examples.of_filter(
            text=filters.value("q") or "",
            list_id=on.pk if on else None,
            state=filters.value("state") or "",
            consent=filters.value("consent") or "",
        )

    def get_initial(self) -> dict[str, Any]:
        chosen = self.request.GET.get("example")
        names = {example.key: str(example.title) for example in examples.EXAMPLES}
        return {"name": names[chosen]} if chosen in names else {}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(examples=examples.EXAMPLES, **kwargs)


class SegmentUpdate(SegmentEditor, UpdateView[Segment, SegmentForm]):
    form_class = SegmentForm
    template_name = "mailings/segment_form.html"
    context_object_name = "segment"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        using = services.users_of(self.object)[: words.NAMES_SHOWN]
        return super().get_context_data(mailings=using, **kwargs)


class SegmentCopy(Owned, DetailView[Segment]):
    """Makes a copy, when it is posted."""

    model = Segment

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Lead back to the segment whoever comes by the address alone."""
        return redirect(self.get_object())

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        segment = self.get_object()
        try:
            copied = services.duplicate_segment(segment=segment, by=self.user)
        except Refused as refusal:
            messages.error(request, str(refusal))
            return redirect(segment)
        messages.success(request, _("Segment “%(segment)s” is made.") % {"segment": copied})
        return redirect("mailings:segment_update", pk=copied.pk)


class SegmentDelete(Asking):
    model = Segment
    section = "clients"
    verb = gettext_lazy("Delete the segment")
    keep = gettext_lazy("Keep the segment")

    def question(self) -> str:
        return _("Delete segment “%(segment)s”?") % {"segment": self.object}

    def consequences(self) -> list[str]:
        said = [
            _("the clients stay, only the conditions go;"),
            _("past mailings and their log stay."),
        ]
        if (using := services.users_of(self.object)).exists():
            used = _("it is used by %(mailings)s: while these go on, it cannot be deleted;")
            said.insert(0, used % {"mailings": words.named_in_short(using)})
        return said

    def act(self) -> None:
        services.delete_segment(segment=self.object, by=self.user)

    def done(self) -> str:
        return _("Segment “%(segment)s” is deleted.") % {"segment": self.object}

    def after(self) -> str:
        return "mailings:segment_list"
