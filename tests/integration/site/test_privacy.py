"""What may be kept, told and used: headers of every page; secrets of addresses stay out of logs."""

import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.urls import URLResolver, get_resolver, reverse

from mailings.suppression import unsubscribe_links
from site_config.privacy import NO_STORE
from site_config.secrets_in_urls import PARAMETERS, redacted
from tests import factories
from tests.articles import make_article
from tests.integration.admin_addresses import addresses, furnish

pytestmark = pytest.mark.slow

PUBLIC_PARAMETERS = {
    "name", "path", "slug", "table", "kind", "app_label", "model_name", "action", "action_name",
    "app_name", "object_id", "filter_spec", "content_type_app_name", "content_type_model_name",
    "viewname", "pk", "document_filename", "provider", "filename", "export", "group", "mark",
    "rest", "folder", "service",
}  # fmt: skip
"""Parts of routes that are text and no secret. A new one has to be looked at."""


def text_parameters() -> Iterator[tuple[str, str]]:
    """Yield (route, name) for each part of a route that is not a number or an id."""

    def walk(patterns: list[Any], before: str = "") -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            route = before + str(pattern.pattern)
            converters = pattern.pattern.converters
            for name in pattern.pattern.regex.groupindex:
                kind = type(converters[name]).__name__ if name in converters else ""
                if kind not in ("IntConverter", "UUIDConverter"):
                    yield route, name
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, route)

    yield from walk(get_resolver().url_patterns)


def test_each_textual_part_of_an_address_is_known_as_secret_or_not():
    unknown = {
        (route, name)
        for route, name in text_parameters()
        if name not in PARAMETERS | PUBLIC_PARAMETERS
        and not name.startswith(("revision_id", "page_", "uidb"))
    }
    assert unknown == set()


def test_proxies_are_told_of_every_secret_address():
    """What the documents write for logs of others knows the same routes as our own logs."""
    document = (settings.BASE_DIR / "docs/configuration.md").read_text()
    nginx = re.findall(r"^ +~(\^\S+) +\S+\[secret\]", document, re.M)
    caddy = re.findall(r'regexp "(\S+)"', document)
    routes = {route for route, name in text_parameters() if name in PARAMETERS}
    assert len(routes) >= 9
    for route in routes:
        address = "/" + re.split("[<(]", route.replace("^", ""))[0] + "short/1"
        assert "[secret]" in redacted(address), route
        assert any(re.match(pattern, address) for pattern in nginx), route
        assert any(re.match(pattern, address) for pattern in caddy), route


def signed_in_addresses(owner) -> list[str]:
    mailing = factories.make_mailing(owner)
    return [
        reverse("mailings:dashboard"),
        reverse("mailings:client_list"),
        reverse("mailings:mailing_detail", args=[mailing.pk]),
        reverse("mailings:report"),
        reverse("mailings:report_export", args=["mailings", "csv"]),
        reverse("mailings:report_export", args=["mailings", "xlsx"]),
        "/app/nothing/",
        reverse("accounts:profile"),
        reverse("account_email"),
        reverse("mfa_index"),
        "/",
        "/blog/",
    ]


def test_pages_of_somebody_signed_in_are_stored_nowhere(client, owner, blog):
    client.force_login(owner)
    for url in signed_in_addresses(owner):
        answer = client.get(url, follow=True)
        assert answer["Cache-Control"] == NO_STORE, url


def test_every_page_of_the_admin_is_stored_nowhere(client, superuser, owner):
    furniture = furnish(owner)
    client.force_login(superuser)
    kept = {}
    for address in addresses(furniture):
        answer = client.get(address.url)
        if answer["Cache-Control"] != NO_STORE:
            kept[address.url] = answer["Cache-Control"]
    assert kept == {}


@pytest.mark.parametrize("name", ["account_login", "account_signup", "account_reset_password"])
def test_entrance_is_stored_nowhere(client, db, name):
    assert client.get(reverse(name))["Cache-Control"] == NO_STORE


def test_public_pages_and_files_stay_as_they_are(client, blog, owner):
    article = make_article(blog)
    for url in ("/", "/blog/", article.url, "/robots.txt"):
        assert "no-store" not in client.get(url).get("Cache-Control", ""), url
    picture = factories.make_picture(owner)
    client.force_login(owner)
    answer = client.get(picture.address)
    answer.close()
    assert "public" in answer["Cache-Control"]


def test_every_answer_forbids_what_no_page_needs(client, blog, owner):
    client.force_login(owner)
    for url in ("/", "/app/", "/accounts/login/", "/nothing/", "/u/sample/", "/healthz"):
        policy = client.get(url)["Permissions-Policy"]
        for feature in ("camera=()", "microphone=()", "geolocation=()", "payment=()"):
            assert feature in policy
        assert "publickey-credentials-get=(self)" in policy


@pytest.mark.parametrize("name", ["unsubscribe", "account_confirm_email"])
def test_a_page_with_a_secret_address_tells_it_to_nobody(client, db, name):
    answer = client.get(reverse(name, args=["sample"]))
    assert answer["Referrer-Policy"] == "no-referrer"
    assert client.get("/")["Referrer-Policy"] == "same-origin"


def test_unknown_unsubscribe_link_tells_it_to_nobody_either(client, db):
    answer = client.get("/u/wrong/")
    assert (answer.status_code, answer["Referrer-Policy"]) == (404, "no-referrer")


def theme_from(origin: str, fetch_site: str) -> int:
    browser = Browser(enforce_csrf_checks=True)
    headers = {"Origin": origin, "Sec-Fetch-Site": fetch_site}
    return browser.post("/theme/", {"theme": "dark"}, headers=headers).status_code


@pytest.mark.parametrize(
    ("origin", "fetch_site", "status"),
    [
        ("null", "same-origin", 302),  # what a browser sends from a page without a referrer
        ("null", "cross-site", 403),
        ("null", "same-site", 403),
        ("null", "", 403),
        ("https://evil.example", "same-origin", 403),
    ],
)
def test_switches_of_such_a_page_still_work_and_foreign_forms_do_not(
    db, origin, fetch_site, status
):
    assert theme_from(origin, fetch_site) == status


def test_the_null_origin_needs_the_token_all_the_same(db):
    browser = Browser(enforce_csrf_checks=True)
    headers = {"Origin": "null", "Sec-Fetch-Site": "same-origin"}
    fields = {"login": "anna@mail.example"}
    assert browser.post("/accounts/login/", fields, headers=headers).status_code == 403


def test_an_unsubscribe_link_stays_out_of_the_log(client, owner, capsys):
    token = unsubscribe_links.token(owner.pk, 1, "anna@example.org")
    bad = token[:-1] + ("A" if token[-1] != "A" else "B")
    handler = next(h for h in logging.getLogger().handlers if type(h) is logging.StreamHandler)
    lines: list[str] = []
    handler_emit, handler.emit = handler.emit, lambda record: lines.append(handler.format(record))
    try:
        client.get(f"/u/{bad}/")
    finally:
        handler.emit = handler_emit
    assert any("Not Found" in line for line in lines)
    assert not any(bad in line for line in lines)


def test_runserver_writes_by_our_formatter():
    server = logging.getLogger("django.server")
    names = [type(handler.formatter).__name__ for handler in server.handlers]
    assert "LineFormatter" in names
    assert "ServerFormatter" not in names
    assert server.propagate is False
