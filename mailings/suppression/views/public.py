"""The page behind every letter's unsubscribe link: for people, and for the button of their mail
program (RFC 8058), which sends a POST without cookie, log-in or CSRF token and follows no redirect.
"""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from mailings.models.suppression import SuppressionSource
from mailings.suppression.unsubscribe_links import SAMPLE
from mailings.suppression.unsubscribing import Reader

REGRET_FIELD = "regret"


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class Unsubscribe(View):
    """GET and HEAD ask and change nothing; POST unsubscribes, or takes that back."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        if token == SAMPLE:
            return page(request, "sample")
        reader = reader_of(token)
        return page(request, "already" if reader.has_unsubscribed() else "ask", reader)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        if token == SAMPLE:
            return page(request, "sample")
        reader = reader_of(token)
        if regret := request.POST.get(REGRET_FIELD):
            return page(request, "taken_back" if reader.take_back(regret) else "too_late", reader)
        if "List-Unsubscribe" in request.POST:
            reader.unsubscribe(SuppressionSource.ONE_CLICK)
            return for_program(reader)
        entry = reader.unsubscribe(SuppressionSource.LINK)
        return page(request, "done", reader, regret=reader.regret_code(entry) if entry else "")


def reader_of(token: str) -> Reader:
    """Return who holds the link; raises `Http404` for one that was not made here."""
    reader = Reader.of(token)
    if reader is None:
        raise Http404
    return reader


def for_program(reader: Reader) -> HttpResponse:
    """Return the answer to a mail program, which shows it to nobody (RFC 8058 3.2): no page is
    drawn while thousands of programs may be answered."""
    with translation.override(reader.owner.language if reader.owner else None):
        return HttpResponse(_("You are unsubscribed"), content_type="text/plain; charset=utf-8")


def page(
    request: HttpRequest, state: str, reader: Reader | None = None, regret: str = ""
) -> HttpResponse:
    """Return the page, in the language the reader chose here, else in the sender's."""
    chosen = settings.LANGUAGE_COOKIE_NAME in request.COOKIES or request.user.is_authenticated
    if reader and reader.owner and not chosen:
        translation.activate(reader.owner.language)
        request.LANGUAGE_CODE = translation.get_language()
    response = render(
        request,
        "unsubscribe.html",
        {
            "state": state,
            "reader": reader,
            "regret": regret,
            "token": request.resolver_match.kwargs["token"] if request.resolver_match else "",
        },
    )
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
