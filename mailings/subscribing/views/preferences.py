"""The page behind «other choices»: which lists, which name, or nothing more at all. GET changes
nothing; no session, cookie or CSRF token, as on the page with one button."""

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from mailings.errors import Refused
from mailings.subscribing.preferences import FormVisitor, LetterReader, Person
from mailings.suppression.services import PK_DIGITS


@method_decorator([csrf_exempt, never_cache], name="dispatch")
class Choices(View):
    """GET shows what there is to choose; POST does it."""

    http_method_names = ["get", "head", "post", "options"]

    def person(self, token: str) -> Person | None:
        raise NotImplementedError

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        person = self.holder(request, token)
        if not person.mailbox:  # the letter is no longer kept: only the one button is left
            return redirect("unsubscribe", token=token)
        return self.page(request, person)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        person = self.holder(request, token)
        if not person.mailbox:
            return redirect("unsubscribe", token=token)
        if request.POST.get("action") == "leave":
            person.leave(request.POST.get("said", ""))
            return self.page(request, person, "left")
        try:
            person.choose(
                stay_on=_numbers(request, "lists"),
                among=_numbers(request, "shown") if "shown" in request.POST else None,
                full_name=request.POST.get("full_name", ""),
            )
        except Refused as refusal:
            return self.page(request, person, "refused", words=str(refusal))
        return self.page(request, person, "saved")

    def holder(self, request: HttpRequest, token: str) -> Person:
        person = self.person(token)
        if person is None:
            raise Http404
        if person.language and settings.LANGUAGE_COOKIE_NAME not in request.COOKIES:
            translation.activate(person.language)
            request.LANGUAGE_CODE = translation.get_language()
        return person

    def page(
        self, request: HttpRequest, person: Person, state: str = "", **context: Any
    ) -> HttpResponse:
        response = render(
            request,
            "subscribe/choices.html",
            {
                "state": state,
                "person": person,
                "sender_name": person.sender_name,
                "lists": person.lists(),
                "has_left": person.has_left(),
            }
            | context,
        )
        response["X-Robots-Tag"] = "noindex, nofollow"
        return response


def _numbers(request: HttpRequest, name: str) -> set[int]:
    given = request.POST.getlist(name)
    return {int(pk) for pk in given if pk.isascii() and pk.isdecimal() and len(pk) <= PK_DIGITS}


class LetterChoices(Choices):
    """By the link of any letter. One whose letter is no longer kept can only unsubscribe."""

    def person(self, token: str) -> Person | None:
        return LetterReader.of(token)


class FormChoices(Choices):
    """By the link of a subscribe form's letter."""

    def person(self, token: str) -> Person | None:
        return FormVisitor.of(token)
