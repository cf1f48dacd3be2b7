"""The groups that come with `migrate`: what managers and editors get, and what they must not."""

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission
from wagtail.models import Collection, GroupCollectionPermission, GroupPagePermission, Page

from accounts.models import User
from accounts.roles import EDITORS, MANAGERS, ensure_groups

pytestmark = pytest.mark.django_db


def permissions_of(name: str) -> set[str]:
    rows = Permission.objects.filter(group__name=name).select_related("content_type")
    return {f"{row.content_type.app_label}.{row.codename}" for row in rows}


def test_managers_see_everything_and_stop_and_block():
    assert permissions_of(MANAGERS) == {
        "wagtailadmin.access_admin",
        "mailings.view_mailing",
        "mailings.view_run",
        "mailings.view_delivery",
        "mailings.view_attempt",
        "mailings.view_client",
        "mailings.view_clientlist",
        "mailings.view_message",
        "mailings.view_suppression",
        "mailings.view_transport",
        "mailings.view_workerlease",
        "mailings.view_event",
        "mailings.view_unmatchednotice",
        "mailings.stop_mailing",
        "accounts.view_user",
        "accounts.block_user",
    }


def test_editors_write_and_publish_pages_and_nothing_of_the_mailings():
    pages = GroupPagePermission.objects.filter(group__name=EDITORS, page__depth=1)
    assert set(pages.values_list("permission__codename", flat=True)) == {
        "add_page", "change_page", "publish_page",
    }  # fmt: skip
    files = GroupCollectionPermission.objects.filter(group__name=EDITORS, collection__depth=1)
    assert set(files.values_list("permission__codename", flat=True)) == {
        "add_image", "change_image", "choose_image",
        "add_document", "change_document", "choose_document",
    }  # fmt: skip
    labels = {name.split(".")[0] for name in permissions_of(EDITORS)}
    assert "wagtailadmin" in labels
    assert not labels & {"mailings", "accounts", "auth"}


def test_ensuring_again_changes_nothing():
    before = permissions_of(MANAGERS), permissions_of(EDITORS), GroupPagePermission.objects.count()
    ensure_groups()
    after = permissions_of(MANAGERS), permissions_of(EDITORS), GroupPagePermission.objects.count()
    assert after == before


def test_groups_come_back_when_permission_rows_and_groups_are_gone():
    Group.objects.all().delete()
    Permission.objects.all().delete()
    ensure_groups()
    assert "mailings.stop_mailing" in permissions_of(MANAGERS)
    assert GroupPagePermission.objects.filter(group__name=EDITORS).count() == 3


def test_a_database_without_root_page_and_collection_still_gets_the_groups():
    # What `flush` leaves behind.
    Page.objects.all().delete()
    Collection.objects.all().delete()
    Group.objects.all().delete()
    ensure_groups()
    assert Group.objects.filter(name__in=[MANAGERS, EDITORS]).count() == 2


def test_what_an_administrator_added_to_a_group_stays():
    extra = Permission.objects.get(codename="view_group")
    Group.objects.get(name=MANAGERS).permissions.add(extra)
    ensure_groups()
    assert "auth.view_group" in permissions_of(MANAGERS)


def test_the_signal_of_a_partial_migration_is_harmless():
    class NoModels:
        def get_model(self, *args: str) -> None:
            raise LookupError

    Group.objects.filter(name=MANAGERS).delete()
    ensure_groups(sender=apps.get_app_config("accounts"), apps=NoModels())
    assert not Group.objects.filter(name=MANAGERS).exists()


def test_what_comes_with_the_user_of_a_request_is_what_they_hold(
    owner, manager, editor, superuser, stranger, django_assert_num_queries
):
    stranger.user_permissions.add(Permission.objects.get(codename="access_admin"))
    for user, holds in (
        (owner, False),
        (manager, True),
        (editor, True),
        (superuser, True),
        (stranger, True),
    ):
        with django_assert_num_queries(1):
            assert User.objects.get(pk=user.pk).has_rights is holds
        assert User.objects.filter(pk=user.pk)[0].has_rights is holds
