"""Pages that belong to no app: the theme switch, health, errors."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from site_config.context_processors import THEME_COOKIE, THEMES

YEAR = 365 * 24 * 3600  # seconds


def safe_next(request: HttpRequest) -> str:
    """Return where to go back to: `next`, if it is a page of this site, else the home page."""
    target = request.POST.get("next", "/")
    allowed = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return target if allowed else "/"


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    theme = request.POST.get("theme", "auto")
    response = HttpResponseRedirect(safe_next(request))
    response.set_cookie(
        THEME_COOKIE,
        theme if theme in THEMES else "auto",
        max_age=YEAR,
        samesite="Lax",
        httponly=True,
        secure=request.is_secure(),
    )
    return response


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "403_csrf.html", status=403)
