"""Delete users, one or several: a page that says with numbers what goes, and the milder way."""

from collections.abc import Sequence
from typing import Any, cast

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from wagtail.admin import messages
from wagtail.admin.utils import get_valid_next_url_from_request
from wagtail.users.views.bulk_actions import DeleteBulkAction
from wagtail.users.views.users import DeleteView

from accounts import services
from accounts.models import User


class UserDeleteView(DeleteView):
    viewset_namespace = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not services.may_delete(user=self.object, by=cast("User", request.user)):
            raise PermissionDenied
        return cast("HttpResponse", super().dispatch(request, *args, **kwargs))

    def get_template_names(self) -> list[str]:
        return ["accounts/cms/delete.html"]

    def get_usage_url(self) -> None:
        """What goes is said in words, by those whom it belongs to."""

    def form_valid(self, form: Any) -> HttpResponse:
        said = self.get_success_message()
        try:
            services.delete_user(user=self.object, by=cast("User", self.request.user))
        except services.Refused as refused:
            messages.error(self.request, str(refused))
            return redirect(f"{self.viewset_namespace}:inspect", self.object.pk)
        messages.success(self.request, said)
        return HttpResponseRedirect(self.get_success_url())

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user, by = self.object, cast("User", self.request.user)
        may_block = services.may_block(user=user, by=by) and not user.is_blocked
        return super().get_context_data(
            consequences=services.what_goes_with(user),
            block_url=reverse(f"{self.viewset_namespace}:block", args=[user.pk])
            if may_block
            else "",
            **kwargs,
        )


class DeleteUsers(DeleteBulkAction):
    """Takes the place of Wagtail's own: each user goes by the same service as a single one."""

    template_name = "accounts/cms/bulk_delete.html"

    def annotate_items(self, items: Sequence[User]) -> Sequence[User]:
        self.is_protected = False
        return items

    def check_perm(self, obj: User) -> bool:
        return services.may_delete(user=obj, by=cast("User", self.request.user))

    def object_context(self, obj: User) -> dict[str, Any]:
        return {"item": obj, "consequences": services.what_goes_with(obj)}

    def prepare_action(
        self, objects: Sequence[User], objects_without_access: dict[str, Any]
    ) -> HttpResponse:
        """Delete here: what follows would do it in one transaction, and undo it at one refusal."""
        deleted = 0
        for user in objects:
            try:
                services.delete_user(user=user, by=cast("User", self.request.user))
                deleted += 1
            except services.Refused as refused:
                messages.error(
                    self.request, _("%(user)s: %(why)s") % {"user": user, "why": refused}
                )
        if deleted:
            said = ngettext("%(count)d user is deleted.", "%(count)d users are deleted.", deleted)
            messages.success(self.request, said % {"count": deleted})
        # Without a page to go back to, Wagtail would lead here again, where nobody is left.
        named = get_valid_next_url_from_request(self.request)
        return redirect(named or "wagtailusers_users:index")
