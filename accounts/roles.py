"""The two groups that come with the product: managers watch, editors write.

They are ensured after every `migrate`: what is missing is added, what an administrator added is
left alone. Managers get no right to add or change users or groups: Wagtail would let them make
themselves superusers.
"""

from typing import Any

from django.apps import AppConfig
from django.apps import apps as installed_apps
from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_noop

MANAGERS = gettext_noop("Managers")
# Wagtail's own migrations make these two; editors lack the right to publish there.
EDITORS = gettext_noop("Editors")
MODERATORS = gettext_noop("Moderators")

ADMIN_ACCESS = ("wagtailadmin", "access_admin")

GROUP_PERMISSIONS: dict[str, tuple[tuple[str, str], ...]] = {
    MANAGERS: (
        ADMIN_ACCESS,
        *(
            ("mailings", f"view_{model}")
            for model in (
                "mailing", "run", "delivery", "attempt", "client", "clientlist", "message",
                "suppression", "transport", "workerlease", "event", "unmatchednotice",
            )
        ),
        ("mailings", "stop_mailing"),
        ("accounts", "view_user"),
        ("accounts", "block_user"),
    ),
    EDITORS: (
        ADMIN_ACCESS,
        *(
            ("blog", f"{action}_{model}")
            for action in ("view", "add", "change", "delete")
            for model in ("author", "category")
        ),
    ),
}  # fmt: skip

PAGE_PERMISSIONS = ("add_page", "change_page", "publish_page")
"""What editors may do with every page, the home page and the blog among them."""

COLLECTION_PERMISSIONS = (
    ("wagtailimages", "add_image"),
    ("wagtailimages", "change_image"),
    ("wagtailimages", "choose_image"),
    ("wagtaildocs", "add_document"),
    ("wagtaildocs", "change_document"),
    ("wagtaildocs", "choose_document"),
)

GRANTING_APPS = (
    "accounts", "blog", "mailings", "wagtailadmin", "wagtailcore", "wagtailimages", "wagtaildocs",
)  # fmt: skip


def ensure_groups_after_migrate(app: AppConfig) -> None:
    post_migrate.connect(ensure_groups, sender=app, dispatch_uid="accounts.roles")


def ensure_groups(
    sender: AppConfig | None = None,
    using: str = DEFAULT_DB_ALIAS,
    apps: Apps = installed_apps,
    **kwargs: Any,
) -> None:
    """Make both groups and give them what they lack. Harmless to repeat.

    `apps` are the models as the migrations left them: after `migrate accounts 0001` the tables
    of Wagtail need not exist yet, and the next `migrate` completes the groups.
    """
    try:
        Group = apps.get_model("auth", "Group")
        Permission = apps.get_model("auth", "Permission")
    except LookupError:
        return
    # Django makes the permissions app by app in this same signal, of most apps after ours.
    for label in GRANTING_APPS:
        create_permissions(installed_apps.get_app_config(label), 0, using=using, apps=apps)
    permissions = {
        (permission.content_type.app_label, permission.codename): permission
        for permission in Permission.objects.using(using)
        .filter(content_type__app_label__in=GRANTING_APPS)
        .select_related("content_type")
    }
    for name, wanted in GROUP_PERMISSIONS.items():
        group, _ = Group.objects.using(using).get_or_create(name=name)
        group.permissions.add(*(permissions[key] for key in wanted if key in permissions))
    editors = Group.objects.using(using).get(name=EDITORS)
    _grant_pages(apps, using, editors, permissions)
    _grant_collections(apps, using, editors, permissions)


def _grant_pages(
    apps: Apps, using: str, editors: models.Model, permissions: dict[tuple[str, str], Any]
) -> None:
    root = _root(apps, "Page", using)
    if root is None:
        return
    rules = apps.get_model("wagtailcore", "GroupPagePermission")._base_manager.using(using)
    for codename in PAGE_PERMISSIONS:
        if permission := permissions.get(("wagtailcore", codename)):
            rules.get_or_create(group=editors, page=root, permission=permission)


def _grant_collections(
    apps: Apps, using: str, editors: models.Model, permissions: dict[tuple[str, str], Any]
) -> None:
    root = _root(apps, "Collection", using)
    if root is None:
        return
    rules = apps.get_model("wagtailcore", "GroupCollectionPermission")._base_manager.using(using)
    for key in COLLECTION_PERMISSIONS:
        if permission := permissions.get(key):
            rules.get_or_create(group=editors, collection=root, permission=permission)


def _root(apps: Apps, model_name: str, using: str) -> models.Model | None:
    """Return the root of Wagtail's tree; a half-migrated or flushed database has none."""
    try:
        model = apps.get_model("wagtailcore", model_name)
    except LookupError:
        return None
    return model._base_manager.using(using).filter(depth=1).first()
