"""Every address of the admin with a row behind it: what the resolver knows, filled in."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from wagtail.contrib.redirects.models import Redirect
from wagtail.documents.models import Document
from wagtail.models import (
    Collection,
    GroupApprovalTask,
    Page,
    Site,
    Task,
    Workflow,
    WorkflowPage,
    WorkflowTask,
)

from accounts.models import User
from blog.models import BlogPage
from blog.snippets import Author, Category
from tests import factories
from tests.articles import make_article, make_image, make_site_root
from tests.integration.desk import Desk, make_desk

ADMIN = "cms/"
RAISES = "cms/failwhale/"  # Wagtail's own: it raises an error for whoever may enter, to test 500
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")


@dataclass(frozen=True)
class Address:
    route: str
    url: str


@dataclass(frozen=True)
class Furniture:
    """One row of each kind that the admin shows."""

    desk: Desk
    article: BlogPage
    user: User
    rows: dict[str, Any]
    """What a parameter of an address stands for: by its name, or by the list and its name."""


def furnish(owner: User) -> Furniture:
    desk = make_desk(owner)
    blog = make_site_root()
    article = make_article(blog)
    image = make_image()
    document = Document.objects.create(title="Файл", file=ContentFile(b"text", name="file.txt"))
    collection = Collection.get_first_root_node().add_child(name="Папка")
    group = Group.objects.create(name="Гости")
    user = factories.make_user()
    task = GroupApprovalTask.objects.create(name="Проверка")
    workflow = Workflow.objects.create(name="Порядок")
    WorkflowPage.objects.get_or_create(workflow=workflow, page=blog)
    WorkflowTask.objects.create(workflow=workflow, task=task)
    state = workflow.start(article, user)
    step = state.current_task_state
    redirect = Redirect.objects.create(old_path="/old", redirect_link="/new")
    Page.objects.filter(pk=article.pk).update(locked=True, locked_at=timezone.now())
    rows = {
        **dict.fromkeys(("page_id", "page_pk", "page_to_move_id", "pages/pk"), article.pk),
        "parent_page_id": blog.pk,
        "destination_id": blog.pk,
        "revision_id": article.latest_revision.pk,
        "workflow_pk": workflow.pk,
        "workflow_state_id": state.pk,
        "task_state_id": step.pk,
        "task_id": task.pk,
        "collection_id": collection.pk,
        "image_id": image.pk,
        "document_id": document.pk,
        "doc_id": document.pk,
        "redirect_id": redirect.pk,
        "uploaded_file_id": 1,
        "content_type_app_name": "blog",
        "content_type_model_name": "blogpage",
        "app_label": "accounts",
        "app_name": "taggit",
        "model_name": "tag",
        "bulk/model_name": "user",
        "bulk/action": "delete",
        "action": "delete",
        "action_name": "approve",
        "object_id": article.pk,
        "viewname": "x",
        "rest": "",  # doors that are shut
        "uidb64": "x",
        "token": "x",
        "editing-sessions/app_label": "blog",
        "editing-sessions/model_name": "blogpage",
        "session_id": 1,
        "settings/pk": 1,
        "filter_spec": "max-100x100",
        "create/app_label": "blog",
        "create/model_name": "blogpage",
        "tasks/app_label": "wagtailcore",
        "tasks/model_name": "groupapprovaltask",
        "collections/pk": collection.pk,
        "workflows/pk": workflow.pk,
        "tasks/pk": Task.objects.get(pk=task.pk).pk,
        "sites/pk": Site.objects.first().pk,
        "users/pk": user.pk,
        "groups/pk": group.pk,
        "images/pk": image.pk,
        "documents/pk": document.pk,
        "mailings/pk": desk.mailing.pk,
        "runs/pk": desk.run.pk,
        "deliveries/pk": desk.delivery.pk,
        "attempts/pk": desk.attempt.pk,
        "events/pk": desk.event.pk,
        "reports-not-understood/pk": desk.unmatchednotice.pk,
        "clients/pk": desk.client.pk,
        "messages/pk": desk.message.pk,
        "suppressions/pk": desk.suppression.pk,
        "transports/pk": desk.transport.pk,
        "author/pk": Author.objects.create(name="Анна", slug="anna").pk,
        "category/pk": Category.objects.create(name="Письма", slug="letters").pk,
        "workers/pk": desk.workerlease.pk,
    }
    return Furniture(desk, article, user, rows)


def addresses(furniture: Furniture) -> Iterator[Address]:
    """Yield each address of the admin; a parameter that nobody has named here is an error."""
    for route in routes():
        yield Address(route, f"/{filled(route, furniture.rows)}")


def routes() -> list[str]:
    found = [route for route in _walk(get_resolver().url_patterns) if route.startswith(ADMIN)]
    found = [route for route in found if route != RAISES]
    return [route for route in dict.fromkeys(found) if "(?!" not in route]


def filled(route: str, rows: dict[str, Any]) -> str:
    def value(match: re.Match[str]) -> str:
        name = match[1]
        # The nearest word before it that makes the name plain: `cms/users/edit/<int:pk>/`.
        for part in reversed(route[: match.start()].strip("/").split("/")):
            if f"{part}/{name}" in rows:
                return str(rows[f"{part}/{name}"])
        if name not in rows:
            raise LookupError(f"Name a row for {name!r} of {route} in furnish().")
        return str(rows[name])

    return PARAMETER.sub(value, route)


def _walk(patterns: list[Any], before: str = "") -> Iterator[str]:
    for pattern in patterns:
        route = before + _plain(str(pattern.pattern))
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern):
            yield route


def _plain(route: str) -> str:
    """Return a regular expression as a path: the few that Wagtail still has."""
    route = route.replace(r"(?P<revision_id_a>live|earliest|\d+)\.\.\.", "earliest...")
    route = route.replace(r"(?P<revision_id_b>live|latest|\d+)", "latest")
    route = route.replace(r"(?P<pk>\d+)", "<pk>")
    return route.replace("^", "").replace("$", "") if "(?!" not in route else route
