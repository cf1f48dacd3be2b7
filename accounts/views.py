"""Profile, language switch and the admin's way to sign in."""

from typing import Any, cast

from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.urls import reverse_lazy
from django.utils import translation
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST
from django.views.generic import UpdateView
from django.views.i18n import set_language as set_language_cookie

from accounts.forms import ProfileForm
from accounts.models import User
from accounts.origins import own_forms_only


def admin_login(request: HttpRequest) -> HttpResponse:
    """Send a stranger to the one sign-in page; tell a signed-in user without rights so.

    Wagtail's own form would bypass the rate limits and the second factor.
    """
    if request.user.is_authenticated:
        raise PermissionDenied
    target = request.GET.get("next", "/cms/")
    if not url_has_allowed_host_and_scheme(target, {request.get_host()}):
        target = "/cms/"
    return redirect_to_login(target, login_url=resolve_url("account_login"))


@own_forms_only
@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language: a cookie for everybody, and the user's own setting."""
    language = request.POST.get("language", "")
    known = language in dict(settings.LANGUAGES) and check_for_language(language)
    if known and request.user.is_authenticated:
        request.user.language = language
        request.user.save(update_fields=["language"])
    return set_language_cookie(request)


class ProfileView(LoginRequiredMixin, UpdateView):
    form_class = ProfileForm
    template_name = "accounts/profile.html"
    success_url = reverse_lazy("accounts:profile")

    def get_object(self, queryset: object = None) -> User:
        # A copy of its own: what a refused form has set must not show in the masthead.
        return User.objects.get(pk=cast("User", self.request.user).pk)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = cast("User", self.request.user)
        return super().get_context_data(
            has_second_factor=is_mfa_enabled(user),
            session_count=len(UserSession.objects.purge_and_list(user)),
            may_see_admin=user.has_perm("wagtailadmin.access_admin"),
            **kwargs,
        )

    def form_valid(self, form: ModelForm) -> HttpResponse:
        response = super().form_valid(form)
        language = cast("User", self.object).language
        with translation.override(language):
            messages.success(self.request, _("The profile is saved."))
        # The same choice for the pages that are seen signed out.
        response.set_cookie(
            settings.LANGUAGE_COOKIE_NAME,
            language,
            max_age=settings.LANGUAGE_COOKIE_AGE,
            samesite="Lax",
            secure=settings.LANGUAGE_COOKIE_SECURE,
        )
        return response
