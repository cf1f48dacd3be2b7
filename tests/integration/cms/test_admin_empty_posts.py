"""An empty form sent to any address of the admin is answered in words, never by a 500."""

import logging
from typing import Any

import pytest
from django.db import transaction
from django.test import Client as Browser
from wagtail.admin.views.bulk_action.registry import bulk_action_registry

from tests.integration.admin_addresses import addresses, furnish

pytestmark = pytest.mark.slow

UPSTREAM: dict[str, str] = {}
"""Routes of Wagtail that break all the same, each with the reason why it is not mended here."""


def answered(browser: Browser, method: str, url: str) -> str:
    """Return the error of a request, or nothing; what it changed is undone."""
    with transaction.atomic():
        answer = getattr(browser, method)(url, {} if method == "post" else "")
        transaction.set_rollback(True)
    if answer.status_code < 500:
        return ""
    info: Any = answer.exc_info
    return repr(info[1]) if info else str(answer.status_code)


@pytest.fixture
def quiet(caplog):
    caplog.set_level(logging.CRITICAL, "django.request")


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_no_address_breaks_at_a_request_without_fields(quiet, client, superuser, owner, method):
    furniture = furnish(owner)
    client.force_login(superuser)
    cookies = client.cookies
    client.raise_request_exception = False
    broken = {}
    for address in addresses(furniture):
        client.cookies = cookies.copy()  # some of them sign out
        if error := answered(client, method, address.url):
            broken[address.route] = error
    assert broken.keys() == UPSTREAM.keys(), broken


def test_no_bulk_action_breaks_at_a_form_without_fields(quiet, client, superuser, owner):
    furniture = furnish(owner)
    client.force_login(superuser)
    client.raise_request_exception = False
    bulk_action_registry._scan_for_bulk_actions()
    ids = {"page": furniture.article.pk, "user": furniture.user.pk}
    ids |= {name: furniture.rows[f"{name}s/pk"] for name in ("image", "document")}
    tried, broken = set(), {}
    for app, models in bulk_action_registry.actions.items():
        for model, actions in models.items():
            for action in actions:
                for query in ("", f"?id={ids.get(model, 1)}", "?id=x", "?id=all", "?id=999999"):
                    url = f"/cms/bulk/{app}/{model}/{action}/{query}"
                    tried.add(url)
                    if error := answered(client, "post", url):
                        broken[url] = error
    assert len(tried) >= 50
    assert broken == {}


def test_an_incomplete_form_is_said_to_be_one(client, superuser, owner):
    furniture = furnish(owner)
    superuser.language = "en"
    superuser.save()
    client.force_login(superuser)
    answer = client.post(f"/cms/pages/{furniture.article.pk}/edit/", {})
    assert answer.status_code == 400
    assert "The form came incomplete" in answer.content.decode()
