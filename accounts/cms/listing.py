"""The list of users and the page of one: who they are, whether they may sign in, what to do."""

from collections.abc import Iterable
from typing import Any, NamedTuple, cast

from allauth.account.models import EmailAddress
from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy
from wagtail.admin.ui.tables import Column, DateColumn, TitleColumn
from wagtail.admin.views import generic
from wagtail.admin.widgets.button import Button
from wagtail.users.views.users import HistoryView, IndexView

from accounts import services, zones
from accounts.models import User


class Standing(NamedTuple):
    """May the person sign in? Drawn by the `status` tag."""

    icon: str
    tone: str
    label: str


def standing(user: User) -> Standing:
    """Return the standing of a user that comes from `with_standing`."""
    if user.is_blocked:
        return Standing("ban", "is-bad", pgettext("user", "Blocked"))
    if not cast("Any", user).is_confirmed:
        return Standing("mail-question-mark", "is-wait", pgettext("user", "Address not confirmed"))
    return Standing("circle-check", "is-go", pgettext("user", "Active"))


def with_standing(users: QuerySet[User]) -> QuerySet[User]:
    confirmed = EmailAddress.objects.filter(user=OuterRef("pk"), verified=True)
    return users.annotate(is_confirmed=Exists(confirmed)).prefetch_related("groups")


def access(user: User) -> str:
    """Return what the user may do in the admin: administrator, or their groups."""
    if user.is_superuser:
        return _("Administrator")
    return ", ".join(_(group.name) for group in user.groups.all())


class StandingColumn(Column):
    cell_template_name = "accounts/cms/standing_cell.html"


def block_button(viewset_url: Any, user: User, by: User) -> Iterable[Button]:
    """Yield the one button that fits: block or unblock; none for those who may not."""
    if not services.may_block(user=user, by=by):
        return
    if user.is_blocked:
        yield Button(
            _("Unblock…"), url=viewset_url("unblock", user), icon_name="lock-open", priority=25
        )
    else:
        yield Button(_("Block…"), url=viewset_url("block", user), icon_name="lock", priority=25)


class UserListView(IndexView):
    page_title = gettext_lazy("Users")
    default_ordering = "-date_joined"
    viewset_namespace = ""

    def get_base_queryset(self) -> QuerySet[User]:
        return with_standing(super().get_base_queryset())

    @cached_property
    def search_fields(self) -> set[str]:
        return {"email", "full_name", "phone"}

    @cached_property
    def columns(self) -> list[Column]:
        return [
            self._get_title_column_class(TitleColumn)(
                "email", label=gettext_lazy("E-mail"), sort_key="email", get_url=self.page_of
            ),
            Column("full_name", label=gettext_lazy("Full name"), sort_key="full_name"),
            StandingColumn(
                "standing",
                label=pgettext_lazy("user", "Status"),
                accessor=standing,
                sort_key="is_active",
            ),
            Column("access", label=gettext_lazy("Access"), accessor=access),
            DateColumn("date_joined", label=gettext_lazy("Joined"), sort_key="date_joined"),
            DateColumn("last_login", label=gettext_lazy("Last sign-in"), sort_key="last_login"),
        ]

    def page_of(self, user: User) -> str:
        return self.get_edit_url(user) or self.get_inspect_url(user)

    def url_of(self, name: str, user: User) -> str:
        return reverse(f"{self.viewset_namespace}:{name}", args=[user.pk])

    def get_list_more_buttons(self, instance: User) -> list[Any]:
        by = cast("User", self.request.user)
        buttons = super().get_list_more_buttons(instance)
        return [*buttons, *block_button(self.url_of, instance, by)]


class UserHistoryView(HistoryView):
    any_permission_required = ["add", "change", "delete", "view"]

    def get_edit_url(self, instance: User) -> str | None:
        return super().get_edit_url(instance) if self.user_has_permission("change") else None

    @cached_property
    def header_buttons(self) -> list[Any]:
        return super().header_buttons if self.get_edit_url(self.object) else []


class UserPageView(generic.InspectView):
    """One user, read only: all that a manager gets to see."""

    template_name = "accounts/cms/inspect.html"
    viewset_namespace = ""
    object: User

    def get_queryset(self) -> QuerySet[User]:
        return with_standing(User.objects.select_related("blocked_by"))

    def get_object(self, queryset: QuerySet[User] | None = None) -> User:
        user = super().get_object(queryset)
        return self.get_queryset().get(pk=user.pk)

    def url_of(self, name: str, user: User) -> str:
        return reverse(f"{self.viewset_namespace}:{name}", args=[user.pk])

    @cached_property
    def header_more_buttons(self) -> list[Button]:
        by = cast("User", self.request.user)
        history = Button(
            _("History"), url=self.url_of("history", self.object), icon_name="history", priority=30
        )
        return [
            *super().header_more_buttons,
            *block_button(self.url_of, self.object, by),
            history,
        ]

    def get_fields_context(self) -> list[dict[str, Any]]:
        return []

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.object
        return super().get_context_data(
            standing=standing(user),
            facts=[
                (_("E-mail"), user.email),
                (_("Full name"), user.full_name),
                (_("Phone"), user.phone),
                (_("Language"), user.get_language_display()),
                (_("Time zone"), zones.label(user.time_zone)),
                (_("Access"), access(user)),
                (_("Joined"), user.date_joined),
                (_("Last sign-in"), user.last_login),
            ],
            **kwargs,
        )
