"""Every address that a library brings: listed, shut where nobody needs it, and open to whom?"""

import re
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import Group
from django.core.files.base import ContentFile
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from wagtail.documents.models import Document
from wagtail.models import Collection, Site

from accounts import services
from accounts.models import User
from site_config.doors import SHUT as SHUT_PATHS
from tests.articles import make_article, make_image
from tests.conftest import PASSWORD
from tests.doors import ADMIN, ANYONE, DOORS, EDITORS, SHUT, SIGNED_IN, SUPERUSERS

pytestmark = pytest.mark.slow

OURS = ("accounts", "blog", "home", "mailings", "site_config")
MAY = {
    "anonymous": {ANYONE},
    "owner": {ANYONE, SIGNED_IN},
    "manager": {ANYONE, SIGNED_IN, ADMIN},
    "editor": {ANYONE, SIGNED_IN, ADMIN, EDITORS},
    "superuser": {ANYONE, SIGNED_IN, ADMIN, EDITORS, SUPERUSERS},
}
SHOWS, ELSEWHERE, NOT_FOUND, NOT_ALLOWED, BROKEN = 200, 302, 404, 405, 500


def walk(
    patterns: list[URLPattern | URLResolver], prefix: str = ""
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from walk(pattern.url_patterns, path)
        else:
            yield path, pattern


def module_of(pattern: URLPattern) -> str:
    view = getattr(pattern.callback, "view_class", pattern.callback)
    return str(getattr(view, "__module__", ""))


def of_libraries() -> set[str]:
    found = walk(get_resolver().url_patterns)
    return {path for path, pattern in found if module_of(pattern).split(".")[0] not in OURS}


def listed(*groups: str) -> list[str]:
    return [path for (who, _why), paths in DOORS.items() if who in groups for path in paths.split()]


def test_every_door_of_a_library_has_been_decided_on():
    known = set(listed(SHUT, *MAY["superuser"]))
    assert of_libraries() - known == set(), "new: shut it, or say in tests/doors.py who may pass"
    assert known - of_libraries() == set(), "gone: take it off the list"


def test_no_door_stands_in_two_groups():
    paths = listed(SHUT, *MAY["superuser"])
    assert len(paths) == len(set(paths))


# ---------------------------------------------------------------- what they open
@pytest.fixture
def address_of(blog, owner):
    """Return a function that fills a pattern with rows that exist."""
    article, image = make_article(blog), make_image()
    document = Document.objects.create(title="d", file=ContentFile(b"%PDF-1.4", name="a.pdf"))
    rows = {
        "sites": Site.objects.first().pk,
        "users": owner.pk,
        "groups": Group.objects.first().pk,
        "collections": Collection.objects.first().pk,
        "documents": document.pk,
        "images": image.pk,
        "pages": article.pk,
    }
    values = {
        "page_id": article.pk, "parent_page_id": blog.pk, "page_to_move_id": article.pk,
        "destination_id": blog.pk, "page_pk": article.pk, "object_id": article.pk,
        "image_id": image.pk, "document_id": document.pk, "doc_id": document.pk,
        "collection_id": rows["collections"], "revision_id": article.latest_revision_id,
        "content_type_app_name": "blog", "content_type_model_name": "blogpage",
        "app_label": "blog", "model_name": "blogpage", "app_name": "taggit",
        "action_name": "x", "action": "delete", "filter_spec": "max-10x10",
        "uidb64": "x", "uidb36": "x", "token": "x", "key": "x",
        "revision_id_a": "earliest", "revision_id_b": "latest",
    }  # fmt: skip

    def fill(pattern: str) -> str:
        area = [part.strip("^$") for part in pattern.split("/")]
        row = next((rows[part] for part in area if part in rows), 1)
        pattern = re.sub(
            r"\(\?P<(\w+)>[^)]*\)", lambda group: str(values.get(group[1], row)), pattern
        )
        pattern = pattern.replace(r"(\d+)/(.*)", f"{document.pk}/{document.filename}")
        pattern = pattern.replace(r"((?:[\w\-]+/)*)", "blog/").replace("^.*/$", "x/")
        filled = re.sub(r"<(?:\w+:)?(\w+)>", lambda name: str(values.get(name[1], row)), pattern)
        return "/" + filled.replace("\\.", ".").translate({ord("^"): None, ord("$"): None})

    return fill


def signed_in(request, who: str) -> Client:
    client = Client()
    if who != "anonymous":
        client.force_login(request.getfixturevalue(who))
    return client


@pytest.mark.parametrize("who", MAY)
def test_a_door_shows_nothing_to_those_it_is_not_for(request, address_of, who):
    client = signed_in(request, who)
    closed = [group for group in MAY["superuser"] if group not in MAY[who]]
    shown = [path for path in listed(*closed) if client.get(address_of(path)).status_code == SHOWS]
    assert shown == []


@pytest.mark.parametrize("who", ["anonymous", "owner"])
def test_nobody_without_rights_in_the_admin_gets_anything_of_it_by_posting(
    request, address_of, who
):
    client = signed_in(request, who)
    for path in listed(ADMIN, EDITORS, SUPERUSERS):
        answer = client.post(address_of(path), {})
        assert answer.status_code in (302, 403), path
        assert answer.status_code != 302 or answer.url.startswith("/cms/login/"), path


@pytest.mark.parametrize("who", ["anonymous", "superuser"])
def test_shut_doors_are_shut_for_everybody(request, address_of, who):
    client = signed_in(request, who)
    assert SHUT_PATHS
    for path in listed(SHUT):
        for method in ("get", "head", "post"):
            assert getattr(client, method)(address_of(path)).status_code == NOT_FOUND, path


def test_no_door_of_the_admin_is_broken(request, address_of):
    client = signed_in(request, "superuser")
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    skipped = {"cms/logout/", "accounts/logout/"}
    for path in listed(ADMIN, EDITORS, SUPERUSERS):
        if path not in skipped:
            assert client.get(address_of(path)).status_code < BROKEN, path


def test_looking_at_the_admins_way_out_signs_nobody_out(editor):
    client = Client()
    client.force_login(editor)
    assert client.get("/cms/logout/").status_code == NOT_ALLOWED
    assert client.get("/accounts/profile/").status_code == SHOWS
    assert client.post("/cms/logout/").status_code == ELSEWHERE
    assert client.get("/accounts/profile/").status_code == ELSEWHERE


@pytest.mark.parametrize("path", ["/_util/login/", "/cms/login/", "/cms/", "/documents/1/a.pdf"])
def test_only_one_form_signs_anybody_in(superuser: User, path: str) -> None:
    services.confirm_address(user=superuser)
    client = Client()
    for name in ("username", "email", "login"):
        client.post(path, {name: superuser.email, "password": PASSWORD})
        assert "_auth_user_id" not in client.session
