"""A form that was sent after the session had ended: what it held is kept in the browser's session,
and shown in the form again once the same user has signed in. Nothing is done before they say so.
"""

from typing import Any

from django.contrib.auth.mixins import LoginRequiredMixin
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.generic import View

from accounts.models import User

WRITER = "writer"
"""The field that says whose form it is: only to them is it shown again."""
AGAIN = "again"
"""The `action` that shows a form as it is filled in and does nothing."""
NOT_KEPT = frozenset({"csrfmiddlewaretoken", WRITER, "action", "scheme"})
MOST = 1_000_000
"""Characters of all fields: sessions are rows of the database."""
WRITTEN_WITHIN = 14 * 24 * 3600  # seconds: as long as a session lasts
_SESSION, _SALT = "kept_form", "mailings.writer"


def writer(user: User) -> str:
    return signing.dumps(user.pk, salt=_SALT)


def fields_of(data: QueryDict) -> list[tuple[str, str]]:
    """Return what was written; nothing when it is more than any form holds."""
    fields = [
        (name, value) for name, values in data.lists() if name not in NOT_KEPT for value in values
    ]
    size = sum(len(name) + len(value) for name, value in fields)
    return fields if size <= MOST else []


def keep(request: HttpRequest) -> HttpResponse | None:
    """Keep a form that came without a session, and send its writer to the login."""
    try:
        user = signing.loads(request.POST.get(WRITER, ""), salt=_SALT, max_age=WRITTEN_WITHIN)
    except signing.BadSignature:
        return None
    fields = fields_of(request.POST)
    if not fields:
        return None
    request.session[_SESSION] = {"user": user, "path": request.get_full_path(), "fields": fields}
    return redirect_to_login(reverse("mailings:kept_form"))


def forget(request: HttpRequest) -> None:
    request.session.pop(_SESSION, None)


class KeptForm(LoginRequiredMixin, View):
    """The way back into the form: one button."""

    def get(self, request: HttpRequest) -> HttpResponse:
        kept: dict[str, Any] = request.session.get(_SESSION, {})
        if not kept or kept["user"] != request.user.pk:
            forget(request)
            return redirect("mailings:dashboard")
        return render(request, "mailings/kept_form.html", {"kept": kept})
