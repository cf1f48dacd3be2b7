"""What the cabinet's views share: own rows only, and a refusal becomes an error, not a loss."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import models, transaction
from django.db.utils import IntegrityError
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from accounts.models import User
from mailings import permissions
from mailings.services import Refused


class Cabinet(LoginRequiredMixin):
    """A page of the cabinet; `section` marks its place in the navigation."""

    request: HttpRequest
    section = ""

    @property
    def user(self) -> User:
        user = self.request.user
        assert isinstance(user, User)  # `dispatch` has sent everybody else to the login
        return user

    def handle_no_permission(self) -> HttpResponse:  # type: ignore[override]
        """Let the page reload and go to the login: a live part would show the login inside it."""
        if self.request.headers.get("HX-Request"):
            return HttpResponse(status=204, headers={"HX-Refresh": "true"})
        return super().handle_no_permission()

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


class Saved(Owned):
    """A form over an own row: it knows its owner, and what the database or the rules refuse is
    said in the form, with everything the user wrote."""

    def get_form_kwargs(self) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_form_kwargs()  # type: ignore[misc]
        return kwargs | {"owner": self.user}

    object: Any

    def store(self, form: ModelForm[Any]) -> None:
        self.object = form.save()

    def done(self) -> str:
        """Return what to tell when it is stored."""
        raise NotImplementedError

    def form_valid(self, form: ModelForm[Any]) -> HttpResponse:
        new = form.instance.pk is None
        try:
            with transaction.atomic():
                self.store(form)
        except Refused as refusal:
            form.add_error(None, str(refusal))
        except IntegrityError:
            form.add_error(None, _("Somebody else has just changed this. Look again and save."))
        if form.errors:
            if new:
                # The row was taken back with the transaction: the next try makes it again.
                form.instance.pk, form.instance._state.adding, self.object = None, True, None
            return self.form_invalid(form)  # type: ignore[attr-defined]
        messages.success(self.request, self.done())
        return redirect(way_back(self.request) or self.object)
