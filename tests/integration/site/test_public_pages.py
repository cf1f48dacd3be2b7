"""Error pages, theme and language switches: what stands around the content."""

import pytest
from django.template.loader import render_to_string
from django.test import Client as Browser
from django.utils import translation

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- errors


def test_an_unknown_address_is_said_and_the_blog_can_be_searched(client, blog):
    response = client.get("/no/such/<page>/")
    html = response.content.decode()
    assert response.status_code == 404
    assert "&lt;page&gt;" in html
    assert 'action="/blog/"' in html
    assert 'content="noindex"' in html


def test_the_404_leads_the_signed_in_to_their_mailings(client, blog, owner):
    client.force_login(owner)
    html = client.get("/no/such/page/").content.decode()
    assert '<a class="btn btn-primary" href="/app/">' in html


def test_a_stranger_to_the_desk_is_told_so(client, owner):
    client.force_login(owner)
    response = client.get("/cms/", follow=True)
    assert response.status_code == 403
    assert "v-postmark" in response.content.decode()


def test_a_form_without_its_token_is_refused_with_a_way_out(blog):
    response = Browser(enforce_csrf_checks=True).post("/accounts/login/", {"login": "a@b.example"})
    assert response.status_code == 403
    assert "v-postmark" in response.content.decode()


@pytest.mark.parametrize("name", ["500.html", "503.html"])
@pytest.mark.parametrize("language", ["ru", "en"])
def test_pages_for_broken_days_need_neither_request_nor_database(
    name, language, django_assert_num_queries
):
    with translation.override(language), django_assert_num_queries(0):
        html = render_to_string(name)
    assert f'<html lang="{language}">' in html
    assert "v-postmark" in html
    assert "<form" not in html


def test_the_name_of_the_service_stands_on_the_500_page(settings):
    settings.SITE_NAME = "Почтамт"
    assert "Почтамт" in render_to_string("500.html")


# ---------------------------------------------------------------- theme and language


@pytest.mark.parametrize(("theme", "following"), [("auto", "dark"), ("dark", "light")])
def test_the_theme_button_offers_the_next_theme(client, blog, theme, following):
    client.cookies["theme"] = theme
    html = client.get("/").content.decode()
    assert f'name="theme" value="{following}"' in html
    assert ('data-bs-theme="dark"' in html) == (theme == "dark")


def test_the_theme_is_kept_and_the_reader_stays_where_they_were(client, blog):
    response = client.post("/theme/", {"theme": "dark", "next": "/blog/?page=1"})
    assert response["Location"] == "/blog/?page=1"
    assert 'data-bs-theme="dark"' in client.get("/blog/").content.decode()


@pytest.mark.parametrize("theme", ["", "pink", '"><script>'])
def test_an_unknown_theme_is_the_systems(client, blog, theme):
    client.post("/theme/", {"theme": theme})
    assert "data-bs-theme" not in client.get("/").content.decode()


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example", "javascript:1"])
def test_the_theme_switch_leads_nowhere_else(client, target):
    assert client.post("/theme/", {"theme": "dark", "next": target})["Location"] == "/"


def test_switches_answer_only_post(client):
    assert client.get("/theme/").status_code == 405


def test_pages_name_the_other_language_in_its_own_words(client, blog):
    client.cookies["django_language"] = "en"
    html = client.get("/").content.decode()
    assert '<html lang="en">' in html
    assert ">Русский</button>" in html


def test_public_pages_have_no_inline_style_or_handler(client, blog):
    for address in ("/", "/blog/", "/no/such/page/"):
        html = client.get(address).content.decode()
        assert " style=" not in html
        assert " onclick=" not in html


def test_a_browser_that_asks_for_an_icon_finds_it(client):
    answer = client.get("/favicon.ico")
    assert answer.status_code == 302
    assert answer.url.endswith("/img/icon.svg")
