"""Stop a mailing, and allow it again: a page that says what will happen and asks for the reason."""

from typing import Any, cast

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import FormView
from wagtail.admin import messages
from wagtail.admin.utils import get_valid_next_url_from_request
from wagtail.admin.views.generic.base import WagtailAdminTemplateMixin
from wagtail.admin.views.generic.permissions import PermissionCheckedMixin
from wagtail.admin.widgets import AdminAutoHeightTextInput

from accounts.models import User
from mailings.campaigns import services
from mailings.cms.access import VisibleRows
from mailings.models import Mailing
from mailings.states import MailingStatus, sources

REASON_LENGTH = 1_000  # characters; the owner reads it beside the status


def can_be_stopped(mailing: Mailing) -> bool:
    return mailing.status in sources(MailingStatus.STOPPED)


def can_be_allowed(mailing: Mailing) -> bool:
    return mailing.status == MailingStatus.STOPPED


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        help_text=gettext_lazy(
            "The owner reads it beside the mailing's status. It stays in the log."
        ),
        max_length=REASON_LENGTH,
        widget=AdminAutoHeightTextInput,
        error_messages={"required": gettext_lazy("Write why: the owner has a right to know.")},
    )


class DecisionView(VisibleRows, PermissionCheckedMixin, WagtailAdminTemplateMixin, FormView):
    """Base of both: GET asks, POST calls the service and shows what it refused."""

    model = Mailing
    related = ("owner", "message")
    form_class = ReasonForm
    template_name = "mailings/cms/decision.html"
    permission_required = "stop"
    header_icon = "mail"
    index_url_name = ""
    inspect_url_name = ""
    question: Any = ""
    verb: Any = ""
    way_out: Any = ""
    done: Any = ""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.object = cast("Mailing", self.get_object())

    def is_possible(self) -> bool:
        raise NotImplementedError

    def decide(self, *, mailing: Mailing, by: User, reason: str) -> None:
        raise NotImplementedError

    @cached_property
    def inspect_url(self) -> str:
        return reverse(self.inspect_url_name, args=[self.object.pk])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not self.is_possible():
            messages.error(
                request,
                _("“%(mailing)s” is %(status)s: there is nothing to do.")
                % {
                    "mailing": self.object,
                    "status": str(MailingStatus(self.object.status).label).lower(),
                },
            )
            return redirect(self.inspect_url)
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: ReasonForm) -> HttpResponse:
        try:
            self.decide(
                mailing=self.object,
                by=cast("User", self.request.user),
                reason=form.cleaned_data["reason"],
            )
        except services.Refused as refused:
            form.add_error(None, str(refused))
            return self.form_invalid(form)
        messages.success(self.request, str(self.done) % {"mailing": self.object})
        return HttpResponseRedirect(
            get_valid_next_url_from_request(self.request) or self.inspect_url
        )

    def consequences(self) -> list[str]:
        raise NotImplementedError

    def get_page_title(self) -> str:
        return str(self.verb)

    def get_page_subtitle(self) -> str:
        return str(self.object)

    def get_breadcrumbs_items(self) -> list[dict[str, str]]:
        return [
            *self.breadcrumbs_items,
            {
                "url": reverse(self.index_url_name),
                "label": capfirst(str(self.model._meta.verbose_name_plural)),
            },
            {"url": self.inspect_url, "label": str(self.object)},
            {"url": "", "label": str(self.verb)},
        ]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            object=self.object,
            question=str(self.question) % {"mailing": self.object},
            consequences=self.consequences(),
            verb=self.verb,
            way_out=self.way_out,
            inspect_url=self.inspect_url,
            next_url=get_valid_next_url_from_request(self.request),
            is_destructive=type(self) is StopView,
            **kwargs,
        )


class StopView(DecisionView):
    question = gettext_lazy("Stop the mailing “%(mailing)s”?")
    verb = gettext_lazy("Stop the mailing")
    way_out = gettext_lazy("Do not stop")
    done = gettext_lazy("“%(mailing)s” is stopped. Nothing more leaves until a manager allows it.")
    decide = staticmethod(services.stop_mailing)

    def is_possible(self) -> bool:
        return can_be_stopped(self.object)

    def consequences(self) -> list[str]:
        return [
            _("What is not sent yet stays unsent. What was sent cannot be called back."),
            _("The owner, %(owner)s, sees that a manager stopped it, and your reason.")
            % {"owner": self.object.owner},
            _("Only a manager can allow it again."),
        ]


class AllowView(DecisionView):
    question = gettext_lazy("Allow the mailing “%(mailing)s” again?")
    verb = gettext_lazy("Allow again")
    way_out = gettext_lazy("Leave it stopped")
    done = gettext_lazy("“%(mailing)s” is allowed again and paused. Its owner can resume it.")
    decide = staticmethod(services.allow_mailing)

    def is_possible(self) -> bool:
        return can_be_allowed(self.object)

    def consequences(self) -> list[str]:
        return [
            _("The mailing does not run by itself: it is paused, and its owner resumes it."),
            _("The owner, %(owner)s, sees your reason.") % {"owner": self.object.owner},
            _("It was stopped by %(who)s: %(reason)s")
            % {
                "who": self.object.status_by or _("a manager"),
                "reason": self.object.status_reason or "–",
            },
        ]
