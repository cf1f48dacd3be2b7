"""What the cabinet's views share: own rows only, and a refusal becomes an error, not a loss."""

import re
import secrets
from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import ObjectDoesNotExist
from django.db import models, transaction
from django.db.utils import DatabaseError, IntegrityError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.errors import Invalid, Refused
from mailings.web import kept_forms
from mailings.web.forms import OwnedForm

SAVED_COOKIE = "saved_forms"
SAVED_REMEMBERED = 8  # forms; the browser forgets what it kept of them when it sees them here
_is_form_token = re.compile(r"[\w-]{1,40}", re.ASCII).fullmatch


def mark_saved(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Tell the browser that what it keeps of the posted form is no longer needed."""
    token = request.POST.get("form_token", "")
    if _is_form_token(token):
        earlier = request.COOKIES.get(SAVED_COOKIE, "").split(".")
        tokens = [*filter(_is_form_token, earlier), token][-SAVED_REMEMBERED:]
        response.set_cookie(
            SAVED_COOKIE, ".".join(tokens), samesite="Lax", secure=request.is_secure()
        )
    return response


def form_token(request: HttpRequest) -> str:
    """Return by what the browser knows the form whose text it keeps."""
    posted = request.POST.get("form_token", "")
    return posted if _is_form_token(posted) else secrets.token_urlsafe(12)


class Cabinet(LoginRequiredMixin):
    """A page of the cabinet; `section` marks its place in the navigation."""

    request: HttpRequest
    section = ""
    holds_text = False
    """Whether what is posted here is kept when the session has ended."""

    @property
    def user(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # `dispatch` has sent everybody else to the login
        return user

    def handle_no_permission(self) -> HttpResponse:  # type: ignore[override]
        """Let the page reload and go to the login: a live part would show the login inside it."""
        posted = self.holds_text and self.request.method == "POST"
        if self.request.headers.get("HX-Request"):
            # A form that somebody fills in says it in words: reloading would take their text away.
            stay = posted and kept_forms.WRITER in self.request.POST
            headers = {"HX-Trigger": "signed-out"} if stay else {"HX-Refresh": "true"}
            return HttpResponse(status=204, headers=headers)
        kept = kept_forms.keep(self.request) if posted else None
        return kept or super().handle_no_permission()

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(  # type: ignore[misc]
            **({"section": self.section} | kwargs)
        )
        return context


class Owned(Cabinet):
    """The signed-in user's rows: whatever belongs to somebody else is a 404."""

    model: type[models.Model]

    def get_queryset(self) -> models.QuerySet[Any]:
        return permissions.owned(self.model, self.user)


def way_back(request: HttpRequest) -> str:
    """Return the page of this site that sent the reader here for something it needs, if one did."""
    url = request.GET.get("next", "")
    own = {request.get_host()}
    safe = url_has_allowed_host_and_scheme(url, own, require_https=request.is_secure())
    return url if safe else ""


def _is_there(row: models.Model) -> bool:
    """Return whether nobody has deleted the row since it was looked up."""
    return type(row)._default_manager.filter(pk=row.pk).exists()


class Saved(Owned):
    """A form over an own row: it knows its owner, and what the database or the rules refuse is
    said in the form, with everything the user wrote."""

    holds_text = True
    object: Any

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        return kwargs | {"owner": self.user}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = {
            "form_token": form_token(self.request),
            "writer": kept_forms.writer(self.user),
        }
        return super().get_context_data(**context | kwargs)

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.POST.get("action") == kept_forms.AGAIN:
            return self.again()
        return super().post(request, *args, **kwargs)  # type: ignore[misc]

    def again(self) -> HttpResponse:
        """Show the form as it is filled in; nothing is stored, nothing is said of faults."""
        self.object = self.get_object() if "pk" in self.kwargs else None  # type: ignore[attr-defined]
        form = self.get_form()  # type: ignore[attr-defined]
        form.full_clean()
        form.errors.clear()
        return self.render_to_response(self.get_context_data(form=form))  # type: ignore[attr-defined]

    def store(self, form: OwnedForm[Any]) -> None:
        self.object = form.save()

    def done(self) -> str:
        """Return what to tell when it is stored."""
        raise NotImplementedError

    def refused(self, refusal: Refused, form: OwnedForm[Any]) -> None:
        if isinstance(refusal, Invalid):
            form.add_faults(refusal.faults.error_dict)
        else:
            form.add_error(None, str(refusal))

    def form_valid(self, form: OwnedForm[Any]) -> HttpResponse:
        new = form.instance.pk is None
        try:
            with transaction.atomic():
                self.store(form)
        except Refused as refusal:
            self.refused(refusal, form)
        except (DatabaseError, ObjectDoesNotExist) as error:
            if not isinstance(error, IntegrityError) and _is_there(form.instance):
                raise
            form.add_error(None, _("Somebody else has just changed this. Look again and save."))
        if form.errors:
            if new:
                self.object = None  # the row was taken back with the transaction
            return self.form_invalid(form)  # type: ignore[attr-defined]
        messages.success(self.request, self.done())
        kept_forms.forget(self.request)
        return mark_saved(self.request, redirect(way_back(self.request) or self.object))
