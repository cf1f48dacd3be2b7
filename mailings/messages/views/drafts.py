"""What keeps a text that is being written: the editor's script asks here. Answers are JSON."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.generic import View

from accounts.models import User
from mailings import permissions
from mailings.errors import Refused
from mailings.messages import drafts, links
from mailings.models import Message
from mailings.timing import clock
from mailings.web import words
from mailings.web.views import Cabinet, mark_saved

LONGEST_KEY = 32


def asked_message(user: User, query: Mapping[str, Any]) -> Message | None:
    """Return the own message that is being changed, None for a new one; else raise `Http404`."""
    asked = str(query.get("message", ""))
    if not asked:
        return None
    if not asked.isdecimal():
        raise Http404
    return get_object_or_404(permissions.owned(Message, user), pk=asked)


def asked_key(query: Mapping[str, Any]) -> str:
    return str(query.get("draft", ""))[:LONGEST_KEY]


def asked_version(query: Mapping[str, Any]) -> int | None:
    """Return the version that was seen; None: the form is of an older door and does not say."""
    seen = str(query.get("seen", ""))
    return min(int(seen), 2**31 - 1) if seen.isdecimal() and seen.isascii() else None


def opened_at(query: Mapping[str, Any]) -> datetime | None:
    seconds = str(query.get("opened", ""))
    if not (seconds.isdecimal() and seconds.isascii()) or len(seconds) > len("9999999999"):
        return None
    return datetime.fromtimestamp(int(seconds), UTC)


@method_decorator(never_cache, name="dispatch")
class Session(Cabinet, View):
    """Whether one is still signed in, and the token that forms need now: signing in in another
    tab makes a new one."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({"user": self.user.pk, "token": get_token(request)})


class MessageAutosave(Cabinet, View):
    def post(self, request: HttpRequest) -> HttpResponse:
        message = asked_message(self.user, request.POST)
        try:
            found = drafts.keep(
                owner=self.user,
                message=message,
                key=asked_key(request.POST),
                content=drafts.content_of(request.POST),
                seen=asked_version(request.POST) or 0,
                revision=str(request.POST.get("revision", "")),
                now=clock.now(),
            )
        except Refused as refusal:
            return JsonResponse({"refused": str(refusal)})
        if isinstance(found, drafts.Other):
            return JsonResponse({"other": shown(found)})
        answer = {"revision": found.revision, "said": kept_words(found)}
        opened = opened_at(request.POST)
        if message and opened and (name := drafts.started_since(message, opened)):
            answer["started"] = started_words(name)
        return JsonResponse(answer)


def kept_words(kept: drafts.Kept) -> str:
    at = timezone.localtime(kept.at)
    return _("Draft kept at %(time)s") % {"time": f"{at:%H:%M}"} if kept.revision else ""


def started_words(mailing: str) -> str:
    return _("Mailing “%(mailing)s” has begun meanwhile: its run keeps the text it began with.") % {
        "mailing": mailing
    }


def shown(other: drafts.Other) -> dict[str, Any]:
    """Return the other text as the script shows it and may take it over."""
    if other.is_saved:
        title = _("Saved %(at)s") % {"at": words.moment(other.at, words.reader_zone())}
    else:
        title = _("In another tab, %(at)s") % {"at": words.moment(other.at, words.reader_zone())}
    return {
        "content": other.content,
        "title": title,
        "seen": other.version,
        "revision": other.revision,
    }


class MessageDiscard(Cabinet, View):
    """Go back to what is saved."""

    def post(self, request: HttpRequest) -> HttpResponse:
        message = asked_message(self.user, request.POST)
        drafts.discard(owner=self.user, message=message, key=asked_key(request.POST))
        if message:
            messages.success(request, _("This is the saved message again."))
            response = redirect("mailings:message_update", message.pk)
        else:
            messages.success(request, _("The draft is deleted."))
            response = redirect("mailings:message_list")
        return mark_saved(request, response)


class MessageLink(Cabinet, View):
    """What becomes of an address that is typed into the link window."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(links.read(request.GET.get("href", ""))._asdict())
