"""A form's public page, and the page of its letter's button.

No session, cookie or CSRF token: a token protects what a signed-in browser may do, and here nobody
is signed in – the form is made to be sent from other sites. What a forged post can do, whoever
sends it can do as well; the letter's button decides.
"""

import re
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from csp.constants import SELF
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from mailings.addressing import domains, senders
from mailings.consents import evidence
from mailings.errors import Refused
from mailings.messages.letter import palette
from mailings.models import SubscribeForm
from mailings.subscribing import signing_up, tokens
from mailings.subscribing.public_forms import (
    BEGAN,
    MOST_FIELDS,
    TEXT,
    TRAP,
    VisitorForm,
    as_written,
)

LEAST_SECONDS = 2.0
"""Nobody reads and fills in the page sooner; what does, is asked once more."""
STAMP_LASTS = timedelta(hours=24)


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class Subscribe(View):
    """GET shows the form; POST takes it, or shows it again with what is to be mended."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, slug: str) -> HttpResponse:
        form = form_at(slug)
        speak(request, form)
        try:
            signing_up.require_open(form)
        except Refused as refusal:
            return said(request, form, "closed", str(refusal), status=HTTPStatus.GONE)
        return ask(request, form, VisitorForm(form=form))

    def post(self, request: HttpRequest, slug: str) -> HttpResponse:
        form = form_at(slug)
        speak(request, form)
        if sum(len(values) for _name, values in request.POST.lists()) > MOST_FIELDS:
            words = _("Too much was sent. Fill in the form on this page.")
            return said(request, form, "refused", words, status=HTTPStatus.BAD_REQUEST)
        if request.POST.get(TRAP):
            return said(request, form, "sent")  # whoever fills that in is told nothing
        stamp = request.POST.get(BEGAN, "")
        age = tokens.age(stamp, form.slug, STAMP_LASTS)
        try:
            signing_up.require_open(form)
            if age is None or age < LEAST_SECONDS:
                visitor = VisitorForm(form=form, initial=as_written(request.POST, form))
                return ask(request, form, visitor, "once_more", stamp if age is not None else "")
            return self.take(request, form, stamp)
        except signing_up.TooOften as refusal:
            status = HTTPStatus.TOO_MANY_REQUESTS
            return said(request, form, "refused", str(refusal), status=status)
        except signing_up.Closed as refusal:
            return said(request, form, "closed", str(refusal), status=HTTPStatus.GONE)

    def take(self, request: HttpRequest, form: SubscribeForm, stamp: str) -> HttpResponse:
        visitor, text = VisitorForm(request.POST, form=form), form.consent_text
        if not visitor.is_valid():
            return ask(request, form, visitor, stamp=stamp)
        if text is None or request.POST.get(TEXT, "") != text.digest:
            again = VisitorForm(form=form, initial=as_written(request.POST, form))
            return ask(request, form, again, "new_text", stamp)
        made = signing_up.fill_in(
            form=form,
            answers=visitor.answers(),
            agreed_to=text,
            visitor=signing_up.Visitor(
                ip=get_adapter(request)
                .get_client_ip(request)
                .partition("%")[0],  # no scope of IPv6
                user_agent=request.headers.get("User-Agent", ""),
            ),
        )
        if signing_up.asks_to_confirm(form):
            return said(request, form, "sent")
        return thanks(request, made.form)


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class Confirm(View):
    """Where the letter's button leads. GET and HEAD confirm nothing: mail scanners follow links."""

    http_method_names = ["get", "head", "post", "options"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            row = signing_up.waiting(number_in(token))
            gets_mail = row.confirmed_at is None or signing_up.still_gets_mail(row)
        except Refused as refusal:
            return too_late(request, str(refusal))
        speak(request, row.form)
        if row.confirmed_at is not None:
            return said(request, row.form, "confirmed" if gets_mail else "held")
        response = said(request, row.form, "ask", request_row=row)
        return allow_thanks(response, row.form)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        try:
            row = signing_up.waiting(number_in(token))
            speak(request, row.form)
            row, gets_mail = signing_up.confirm(row.pk)
        except signing_up.TooLate as refusal:
            return too_late(request, str(refusal))
        except Refused as refusal:
            return said(request, row.form, "closed", str(refusal), status=HTTPStatus.GONE)
        if not gets_mail:
            return said(request, row.form, "held")
        return thanks(request, row.form)


@require_safe
def key(request: HttpRequest) -> JsonResponse:
    """Return the public key that this service signs evidence of consent with."""
    return JsonResponse({"algorithm": evidence.ALGORITHM, "public_key": evidence.public_key()})


def form_at(slug: str) -> SubscribeForm:
    """Return the form; an address without one is the same 404 for all."""
    form = SubscribeForm.objects.select_related("owner").filter(slug=slug).first()
    if form is None:
        raise Http404
    return form


def number_in(token: str) -> int:
    """Return the request that the address names; raises `Http404` for one not made here."""
    number = tokens.read(token)
    if number is None:
        raise Http404
    return number


def speak(request: HttpRequest, form: SubscribeForm) -> None:
    """Answer in the form's language, unless the reader has chosen one here."""
    if settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
        translation.activate(form.language)
        request.LANGUAGE_CODE = translation.get_language()


def ask(
    request: HttpRequest,
    form: SubscribeForm,
    visitor: VisitorForm,
    note: str = "",
    stamp: str = "",
) -> HttpResponse:
    """Show the form. `note`: why it is shown again; `stamp`: when it was opened first."""
    asks_to_confirm = signing_up.asks_to_confirm(form)
    response = _page(
        request,
        "subscribe/form.html",
        form,
        visitor=visitor,
        note=note,
        text=form.consent_text,
        names={"trap": TRAP, "began": BEGAN, "text": TEXT},
        stamp=stamp or tokens.stamp(form.slug),
        asks_to_confirm=asks_to_confirm,
    )
    return response if asks_to_confirm else allow_thanks(response, form)


def said(
    request: HttpRequest,
    form: SubscribeForm,
    state: str,
    words: str = "",
    *,
    status: int = HTTPStatus.OK,
    **more: Any,
) -> HttpResponse:
    """Say what became of it."""
    given = {"state": state, "words": words} | more
    return _page(request, "subscribe/said.html", form, status=status, **given)


def thanks(request: HttpRequest, form: SubscribeForm) -> HttpResponse:
    """Thank a person who is subscribed now: on the owner's page, if the form has one."""
    if form.thanks_url:
        return HttpResponseRedirect(form.thanks_url)
    return said(request, form, "thanks")


def allow_thanks(response: HttpResponse, form: SubscribeForm) -> HttpResponse:
    """Let the page's own form end at the owner's page of thanks: browsers hold a redirect to the
    policy of the page that posted (CSP 3, form-action)."""
    if form.thanks_url and (origin := _origin_of(form.thanks_url)):
        response._csp_replace = {"form-action": [SELF, origin]}  # type: ignore[attr-defined]
    return response


def _origin_of(url: str) -> str:
    """Return the origin as a policy names it, in ASCII: any other letter, or a separator of
    policies, would undo the whole header. Empty: it cannot be named."""
    parts = urlsplit(url)
    try:
        host = domains.to_ascii(parts.hostname or "")
    except UnicodeError:
        return ""
    origin = f"https://{host}" + (f":{parts.port}" if parts.port else "")
    return origin if _is_origin(origin) else ""


_is_origin = re.compile(r"https://[a-z0-9._-]+(?::\d+)?").fullmatch


def too_late(request: HttpRequest, words: str) -> HttpResponse:
    page = render(
        request,
        "subscribe/said.html",
        {"state": "too_late", "words": words},
        status=HTTPStatus.GONE,
    )
    page["X-Robots-Tag"] = "noindex, nofollow"
    return page


def _page(
    request: HttpRequest,
    template: str,
    form: SubscribeForm,
    *,
    status: int = HTTPStatus.OK,
    **context: Any,
) -> HttpResponse:
    given = {
        "form": form,
        "sender_name": senders.name_of("", form.owner),
        "colours": palette(form.colour),
    }
    response = render(request, template, given | context, status=status)
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
