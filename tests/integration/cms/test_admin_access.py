"""Every address of the managers' desk × every method × everybody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core import serializers
from django.test import Client as Browser
from django.urls import get_resolver, reverse

from mailings.models import Mailing
from tests.conftest import PASSWORD
from tests.integration.desk import LISTS, Desk, make_desk

pytestmark = pytest.mark.slow

PEOPLE = ("anonymous", "owner", "stranger", "editor", "manager", "superuser")
METHODS = ("get", "head", "post", "put", "patch", "delete")
SHOWS, NOT_ALLOWED, NOT_FOUND, ELSEWHERE = 200, 405, 404, 302

ROW_VIEWS = ("inspect", "history", "history_results")
LIST_VIEWS = ("index", "index_results")
ASKING_VIEWS = {
    ("mailing", "stop"), ("mailing", "allow"), ("suppression", "add"), ("suppression", "take_out"),
    ("transport", "add"), ("transport", "edit"), ("transport", "test"),
}  # fmt: skip


def addresses() -> Iterator[tuple[str, str]]:
    """Yield (list, view) for each address that the resolver knows in our namespaces."""
    for namespace, (_prefix, resolver) in get_resolver().namespace_dict.items():
        if namespace.startswith("cms_"):
            for pattern in resolver.url_patterns:
                yield namespace.removeprefix("cms_"), pattern.name


def url_of(desk: Desk, name: str, view: str) -> str:
    arguments = [] if view in (*LIST_VIEWS, "add") else [desk.row(name).pk]
    return reverse(f"cms_{name}:{view}", args=arguments)


def sign_in(browser: Browser, request: Any, who: str) -> None:
    if who != "anonymous":
        browser.force_login(request.getfixturevalue(who))


def snapshot() -> str:
    return "".join(
        serializers.serialize("json", model.objects.order_by("pk")) for model in LISTS.values()
    )


def expected(who: str, name: str, view: str, method: str) -> int:
    if who in ("anonymous", "owner", "stranger"):
        return ELSEWHERE  # to sign in: nobody else enters the admin
    if who == "editor" and view not in (*LIST_VIEWS, "add", "edit"):
        return NOT_FOUND
    asking = (name, view) in ASKING_VIEWS
    if who == "editor" or (name == "transport" and asking and who != "superuser"):
        return ELSEWHERE  # to the dashboard, with a message
    if method in ("get", "head"):
        # Nothing to allow: the mailing runs; the entry is its owner's.
        return ELSEWHERE if view in ("allow", "take_out") else SHOWS
    # The form again, with what is missing; the test of a connection has no form to be put.
    posts = ("post",) if view == "test" else ("post", "put")
    return SHOWS if asking and method in posts else NOT_ALLOWED


def test_resolver_knows_exactly_the_addresses_that_are_tried_here():
    known = {(name, view) for name in LISTS for view in (*LIST_VIEWS, *ROW_VIEWS)}
    assert set(addresses()) == known | ASKING_VIEWS


@pytest.mark.parametrize("who", PEOPLE)
def test_everybody_gets_what_they_may_and_changes_nothing(request, client, owner, who):
    desk = make_desk(owner)
    sign_in(client, request, who)
    before = snapshot()
    answers = {}
    wanted = {}
    for name, view in addresses():
        for method in METHODS:
            response = getattr(client, method)(url_of(desk, name, view), {})
            answers[name, view, method] = response.status_code
            wanted[name, view, method] = expected(who, name, view, method)
            if who in ("anonymous", "owner", "stranger"):
                assert response.headers["Location"].startswith("/cms/login/")
    assert answers == wanted
    assert snapshot() == before


@pytest.mark.parametrize("who", ["manager", "superuser"])
@pytest.mark.parametrize("verb", ["new", "edit", "delete", "copy", "usage", "reorder", "add"])
def test_addresses_to_change_anything_do_not_exist(request, client, owner, who, verb):
    desk = make_desk(owner)
    sign_in(client, request, who)
    fields = {"name": "taken", "email": "taken@example.org", "subject": "taken", "status": "sent"}
    before = snapshot()
    for name in LISTS:
        if (name, verb) in ASKING_VIEWS:
            continue
        index = reverse(f"cms_{name}:index")
        for url in (f"{index}{verb}/", f"{index}{verb}/{desk.row(name).pk}/"):
            assert client.get(url).status_code == NOT_FOUND, url
            assert client.post(url, fields).status_code == NOT_FOUND, url
    assert snapshot() == before


@pytest.mark.parametrize("who", ["owner", "editor", "anonymous"])
def test_nobody_but_managers_stops_a_mailing_by_a_request(request, client, owner, who):
    desk = make_desk(owner)
    sign_in(client, request, who)
    client.post(reverse("cms_mailing:stop", args=[desk.mailing.pk]), {"reason": "mine"})
    assert Mailing.objects.get(pk=desk.mailing.pk).status == "running"


def test_editor_who_owns_mailings_does_not_see_them_in_the_admin(client, editor):
    desk = make_desk(editor)
    client.force_login(editor)
    for name in LISTS:
        for view in ("index", "inspect", "history"):
            response = client.get(url_of(desk, name, view))
            assert response.status_code in (ELSEWHERE, NOT_FOUND)
    home = client.get("/cms/").content.decode()
    assert "/cms/mailings/" not in home
    assert "/cms/deliveries/" not in home


def test_unknown_row_is_not_found(client, manager, owner):
    make_desk(owner)
    client.force_login(manager)
    unknown = {"workerlease": "00000000-0000-0000-0000-000000000000"}
    for name in LISTS:
        pk = unknown.get(name, 999_999)
        assert client.get(reverse(f"cms_{name}:inspect", args=[pk])).status_code == NOT_FOUND


@pytest.mark.parametrize("who", ["anonymous", "owner", "editor"])
def test_report_is_for_managers_only(request, client, owner, who):
    make_desk(owner)
    sign_in(client, request, who)
    for name in ("attempts_report", "attempts_report_results"):
        for query in ("", "?export=csv", "?export=xlsx"):
            response = client.get(reverse(name) + query)
            assert response.status_code == ELSEWHERE
            assert response.headers["Location"].startswith(("/cms/login/", "/cms/"))


def test_blocked_manager_is_out(client, manager, owner):
    desk = make_desk(owner)
    client.force_login(manager)
    manager.is_active = False
    manager.save(update_fields=["is_active"])
    response = client.get(url_of(desk, "mailing", "inspect"))
    assert response.headers["Location"].startswith("/cms/login/")


def test_group_editor_offers_only_the_permissions_that_count(client, superuser):
    client.force_login(superuser)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    html = client.get(reverse("wagtailusers_groups:add")).content.decode()
    mailing_type = ContentType.objects.get_for_model(Mailing)
    stop = mailing_type.permission_set.get(codename="stop_mailing")
    change = mailing_type.permission_set.get(codename="change_mailing")
    assert f'value="{stop.pk}"' in html
    assert f'value="{change.pk}"' not in html
