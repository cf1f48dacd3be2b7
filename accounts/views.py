"""Profile, language switch and the admin's way to sign in."""

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import resolve_url
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST
from django.views.i18n import set_language as set_language_cookie


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


@require_POST
def set_language(request: HttpRequest) -> HttpResponseBase:
    """Switch the language: a cookie for everybody, and the user's own setting."""
    language = request.POST.get("language", "")
    known = language in dict(settings.LANGUAGES) and check_for_language(language)
    if known and request.user.is_authenticated:
        request.user.language = language
        request.user.save(update_fields=["language"])
    return set_language_cookie(request)
