"""Who may do what in the admin: managers look, stop or allow mailings, and keep the stop-list of
the whole service; nobody edits what is an owner's.

Wagtail's generic views ask for a permission on the model and then fetch any row. So the policies
here say no to add, change and delete whoever asks, and `VisibleRows` makes every view fetch its
row from `permissions.visible`: what you may not see is a 404.
"""

from typing import Any

from django.contrib.auth.models import AnonymousUser, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from django.urls import path, reverse
from wagtail.admin.admin_url_finder import ModelAdminURLFinder
from wagtail.admin.views.generic.history import HistoryView
from wagtail.admin.viewsets.model import ModelViewSet
from wagtail.admin.widgets.button import HeaderButton
from wagtail.permission_policies import ModelPermissionPolicy

from accounts.models import User
from mailings import permissions


class ReadOnlyPolicy(ModelPermissionPolicy):
    """View for those who hold the permission; nothing else, not even for a superuser.

    `actions` are the model's own permissions (like `stop`) that may be granted beside `view`.
    """

    def __init__(self, model: type[models.Model], *actions: str) -> None:
        super().__init__(model)
        self.actions = ("view", *actions)

    def user_has_permission(self, user: User | AnonymousUser, action: str) -> bool:
        return action in self.actions and super().user_has_permission(user, action)

    def user_has_any_permission(self, user: User | AnonymousUser, actions: Any) -> bool:
        return any(self.user_has_permission(user, action) for action in actions)

    def user_has_permission_for_instance(
        self, user: User | AnonymousUser, action: str, instance: models.Model
    ) -> bool:
        if not self.user_has_permission(user, action):
            return False
        # A manager sees every row: no query per row of a list.
        if permissions.is_manager(user):
            return True
        return permissions.visible(self.model, user).filter(pk=instance.pk).exists()

    def instances_user_has_any_permission_for(
        self, user: User | AnonymousUser, actions: Any
    ) -> models.QuerySet[Any]:
        if not self.user_has_any_permission(user, actions):
            return self.model._default_manager.none()
        return permissions.visible(self.model, user)


class SuperuserPolicy(ReadOnlyPolicy):
    """The same, but a superuser may add rows and change them (mail services)."""

    def user_has_permission(self, user: User | AnonymousUser, action: str) -> bool:
        if action in ("add", "change"):
            return user.is_active and user.is_superuser
        return super().user_has_permission(user, action)


class StopListPolicy(ReadOnlyPolicy):
    """The same, but a manager adds entries for everybody, and takes those off again."""

    def user_has_permission(self, user: User | AnonymousUser, action: str) -> bool:
        if action in ("add", "take_out"):
            return permissions.is_manager(user)
        return super().user_has_permission(user, action)


class VisibleRows:
    """For views of one row: it is fetched from what the user may see, or it is a 404."""

    model: type[models.Model]
    request: HttpRequest
    kwargs: dict[str, Any]
    related: tuple[str, ...] = ()

    def get_object(self, *args: Any, **kwargs: Any) -> models.Model:
        rows = permissions.visible(self.model, self.request.user)
        return get_object_or_404(rows.select_related(*self.related), pk=self.kwargs["pk"])


class ReadOnlyHistoryView(HistoryView):
    """What was done to the row, by whom and why. Wagtail's own asks for the right to change."""

    any_permission_required = ["view"]
    inspect_url_name = ""

    def get_edit_url(self, instance: models.Model) -> str:
        """Where the breadcrumb and the button lead: there is nothing to edit, only to look at."""
        return reverse(self.inspect_url_name, args=[instance.pk])

    @property
    def header_buttons(self) -> list[HeaderButton]:
        return []


class ReadOnlyViewSet(ModelViewSet):
    """List, export, inspect, history. Addresses to add, edit, copy and delete do not exist."""

    inspect_view_enabled = True
    copy_view_enabled = False
    add_to_reference_index = False  # it would write an index entry for each row that is saved
    history_view_class = ReadOnlyHistoryView
    form_fields: list[str] = []
    list_per_page = 50
    index_template_name = "mailings/cms/index.html"
    index_results_template_name = "mailings/cms/index_results.html"
    inspect_template_name = "mailings/cms/inspect.html"

    @property
    def url_namespace(self) -> str:
        return f"cms_{self.model_name}"

    def get_common_view_kwargs(self, **kwargs: Any) -> dict[str, Any]:
        known = super().get_common_view_kwargs(**kwargs)
        absent = ("add_url_name", "edit_url_name", "delete_url_name", "usage_url_name")
        return {key: value for key, value in known.items() if key not in absent}

    def construct_view(self, view_class: type[Any], **kwargs: Any) -> Any:
        if hasattr(view_class, "get_object") and not issubclass(view_class, VisibleRows):
            view_class = type(view_class.__name__, (VisibleRows, view_class), {})
        return super().construct_view(view_class, **kwargs)

    def get_permissions_to_register(self) -> models.QuerySet[Permission]:
        """What the group editor offers: only what the policy heeds."""
        content_type = ContentType.objects.get_for_model(self.model)
        policy = self.permission_policy
        return Permission.objects.filter(
            content_type=content_type,
            codename__in=[f"{action}_{self.model_name}" for action in policy.actions],
        )

    @property
    def url_finder_class(self) -> type[ModelAdminURLFinder]:
        inspect = self.get_url_name("inspect")

        class Finder(ModelAdminURLFinder):
            def get_edit_url(self, instance: models.Model) -> str | None:
                """Lead the site history to the row's page."""
                policy = ReadOnlyPolicy(type(instance))
                if self.user and not policy.user_has_permission_for_instance(
                    self.user, "view", instance
                ):
                    return None
                return reverse(inspect, args=[instance.pk])

        return Finder

    def get_urlpatterns(self) -> list[Any]:
        row = f"<{self.pk_path_converter}:pk>/"
        return [
            path("", self.index_view, name="index"),
            path("results/", self.index_results_view, name="index_results"),
            path(f"inspect/{row}", self.inspect_view, name="inspect"),
            path(f"history/{row}", self.history_view, name="history"),
            path(f"history-results/{row}", self.history_results_view, name="history_results"),
        ]
