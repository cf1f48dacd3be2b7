"""Before an account or a right changes hands in the admin, whoever does it proves who they are: a
session that was left open, or stolen, must not make itself another superuser."""

from collections.abc import Callable
from typing import Any

from allauth.account.decorators import reauthentication_required
from django.http import HttpRequest, HttpResponseBase
from django.views.generic import View
from wagtail.admin.auth import require_admin_access
from wagtail.admin.views.bulk_action.dispatcher import index as bulk_action

RIGHTS = ("accounts.add_user", "accounts.change_user", "auth.add_group", "auth.change_group")


def _may_write(request: HttpRequest) -> bool:
    """Whoever may not is refused, not asked for proof first."""
    return any(map(request.user.has_perm, RIGHTS))


def proven(view: Callable[..., Any]) -> Callable[..., Any]:
    guarded: Callable[..., Any] = reauthentication_required(view, enabled=_may_write)
    return guarded


class AsksForProof:
    """A viewset whose pages for adding and editing ask."""

    add_view_class: type[View]
    edit_view_class: type[View]

    def construct_view(self, view_class: type[View], **kwargs: Any) -> Any:
        view = super().construct_view(view_class, **kwargs)  # type: ignore[misc]
        return proven(view) if view_class in (self.add_view_class, self.edit_view_class) else view


@require_admin_access
@proven
def assign_role(request: HttpRequest) -> HttpResponseBase:
    """Wagtail's “assign role” for many users at once."""
    response: HttpResponseBase = bulk_action(request, "accounts", "user", "assign_role")
    return response
