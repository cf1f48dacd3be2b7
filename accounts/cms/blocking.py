"""Block a user, and unblock them: a page that says what will happen and asks for the reason."""

from typing import Any, cast

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.generic import FormView
from wagtail.admin import messages
from wagtail.admin.views.generic.base import WagtailAdminTemplateMixin
from wagtail.admin.views.generic.permissions import PermissionCheckedMixin
from wagtail.admin.widgets import AdminAutoHeightTextInput

from accounts import services
from accounts.models import User

REASON_LENGTH = 1_000  # characters; the blocked user reads it when they try to sign in


class ReasonForm(forms.Form):
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        widget=AdminAutoHeightTextInput,
        error_messages={"required": gettext_lazy("Write why: it stays in the log.")},
    )


class DecisionView(PermissionCheckedMixin, WagtailAdminTemplateMixin, FormView):
    """Base of both: GET asks, POST calls the service and shows what it refused."""

    model = User
    form_class = ReasonForm
    template_name = "accounts/cms/decision.html"
    permission_required = "block"
    header_icon = "user"
    viewset_namespace = ""
    applies_to_blocked = False
    question: Any = ""
    verb: Any = ""
    way_out: Any = ""
    done: Any = ""
    nothing_to_do: Any = ""

    def setup(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().setup(request, *args, **kwargs)
        self.user = get_object_or_404(User, pk=kwargs["pk"])

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not services.may_block(user=self.user, by=cast("User", request.user)):
            raise PermissionDenied
        return super().dispatch(request, *args, **kwargs)

    def decide(self, *, user: User, by: User, reason: str) -> None:
        raise NotImplementedError

    def consequences(self) -> list[str]:
        raise NotImplementedError

    @cached_property
    def page_url(self) -> str:
        return reverse(f"{self.viewset_namespace}:inspect", args=[self.user.pk])

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.user.is_blocked != self.applies_to_blocked:
            messages.error(request, self.nothing_to_do)
            return redirect(self.page_url)
        return super().get(request, *args, **kwargs)

    def form_valid(self, form: ReasonForm) -> HttpResponse:
        by = cast("User", self.request.user)
        try:
            self.decide(user=self.user, by=by, reason=form.cleaned_data["reason"])
        except services.Refused as refused:
            form.add_error(None, str(refused))
            return self.form_invalid(form)
        messages.success(self.request, str(self.done) % {"user": self.user})
        return HttpResponseRedirect(self.page_url)

    def get_page_title(self) -> str:
        return str(self.verb)

    def get_page_subtitle(self) -> str:
        return str(self.user)

    def get_breadcrumbs_items(self) -> list[dict[str, str]]:
        return [
            *self.breadcrumbs_items,
            {"url": reverse(f"{self.viewset_namespace}:index"), "label": _("Users")},
            {"url": self.page_url, "label": str(self.user)},
            {"url": "", "label": str(self.verb)},
        ]

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(
            question=str(self.question) % {"user": self.user},
            consequences=self.consequences(),
            verb=self.verb,
            way_out=self.way_out,
            page_url=self.page_url,
            is_destructive=not self.applies_to_blocked,
            **kwargs,
        )


class BlockView(DecisionView):
    question = gettext_lazy("Block %(user)s?")
    verb = gettext_lazy("Block the user")
    way_out = gettext_lazy("Do not block")
    done = gettext_lazy("%(user)s is blocked. Their sessions are ended, their mailings stop.")
    nothing_to_do = gettext_lazy("This user is blocked already.")
    decide = staticmethod(services.block_user)

    def consequences(self) -> list[str]:
        return [
            _("They are signed out everywhere at once and cannot sign in again."),
            _("Their mailings stop: what is not sent yet stays unsent."),
            _("Clients, messages and the log stay as they are."),
            _("When they try to sign in they read your reason."),
        ]


class UnblockView(DecisionView):
    applies_to_blocked = True
    question = gettext_lazy("Unblock %(user)s?")
    verb = gettext_lazy("Unblock the user")
    way_out = gettext_lazy("Leave blocked")
    done = gettext_lazy("%(user)s may sign in again.")
    nothing_to_do = gettext_lazy("This user is not blocked.")
    decide = staticmethod(services.unblock_user)

    def consequences(self) -> list[str]:
        return [
            _("They can sign in again, with the same password."),
            _("Mailings that are still running go on; what was skipped meanwhile stays skipped."),
            _("They were blocked for this reason: %(reason)s")
            % {"reason": self.user.blocked_reason or "–"},
        ]
