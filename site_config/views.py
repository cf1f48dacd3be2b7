"""Pages that belong to no app: the theme switch, robots.txt, a refused form."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.templatetags.static import static
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts import site_address
from accounts.origins import own_forms_only
from mailings.web import kept_forms
from site_config.context_processors import THEME_COOKIE, THEMES

YEAR = 365 * 24 * 3600  # seconds
PRIVATE_PATHS = ("/app/", "/accounts/", "/cms/", "/u/", "/s/", "/r/")


def safe_next(request: HttpRequest) -> str:
    """Return where to go back to: `next`, if it is a page of this site, else the home page."""
    target = request.POST.get("next", "/")
    allowed = url_has_allowed_host_and_scheme(
        target, {request.get_host()}, require_https=request.is_secure()
    )
    return target if allowed else "/"


@own_forms_only
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
    """Refuse the form. A text that came from our own page is offered back: one signed in or out
    in another tab, and the form's token grew old."""
    fields = []
    if _is_own_page(request) and request.POST.get(kept_forms.WRITER):
        fields = kept_forms.fields_of(request.POST)
    return render(request, "403_csrf.html", {"fields": fields}, status=403)


def _is_own_page(request: HttpRequest) -> bool:
    """Has the browser itself said that the form stood on a page of this site?"""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site == "same-origin"
    return request.headers.get("Origin", "") == f"{request.scheme}://{request.get_host()}"


def favicon(request: HttpRequest) -> HttpResponse:
    """What browsers ask for beside a page that names no icon: a letter's preview, a feed."""
    return HttpResponseRedirect(static("img/icon.svg"))


def robots(request: HttpRequest) -> HttpResponse:
    """The home page and the blog are for search engines; the rest is behind a sign-in anyway."""
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE_PATHS), ""]
    lines.append(f"Sitemap: {site_address.url()}/sitemap.xml")
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
