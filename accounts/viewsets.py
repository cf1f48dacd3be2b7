"""Users in Wagtail's admin. Managers read the list and block; superusers also add and edit."""

from typing import Any

from django.urls import URLPattern, path
from django.views.generic import View
from wagtail.users.views.groups import GroupViewSet as WagtailGroupViewSet
from wagtail.users.views.users import UserViewSet as WagtailUserViewSet

from accounts.cms.blocking import BlockView, UnblockView
from accounts.cms.deleting import UserDeleteView
from accounts.cms.forms import AddUserForm, EditUserForm
from accounts.cms.listing import UserHistoryView, UserListView, UserPageView
from accounts.cms.proof import AsksForProof


class GroupViewSet(AsksForProof, WagtailGroupViewSet):
    pass


class UserViewSet(AsksForProof, WagtailUserViewSet):
    index_view_class = UserListView
    inspect_view_class = UserPageView
    history_view_class = UserHistoryView
    delete_view_class = UserDeleteView
    inspect_view_enabled = True
    copy_view_enabled = False
    ordering = "-date_joined"

    def get_form_class(self, for_update: bool = False) -> type[AddUserForm | EditUserForm]:
        return EditUserForm if for_update else AddUserForm

    def construct_view(self, view_class: type[View], **kwargs: Any) -> Any:
        if hasattr(view_class, "viewset_namespace"):
            kwargs["viewset_namespace"] = self.url_namespace
        return super().construct_view(view_class, **kwargs)

    def get_urlpatterns(self) -> list[URLPattern]:
        return [
            *super().get_urlpatterns(),
            path("block/<int:pk>/", self.construct_view(BlockView), name="block"),
            path("unblock/<int:pk>/", self.construct_view(UnblockView), name="unblock"),
        ]
