"""The home page counts its readers; a text in one language only says so to who chose another."""

import pytest
from django.core.cache import cache
from django.test import Client as Browser

from home.models import HomePage, HomeViews
from tests.articles import make_article

NOTE = "This text is only in Russian."


@pytest.fixture
def home(blog) -> HomePage:
    return HomePage.objects.get()


def read(language: str = "ru", path: str = "/", **headers: str) -> str:
    browser = Browser(headers={"accept-language": language} | headers)
    return browser.get(path).content.decode()


def count() -> int:
    return HomeViews.objects.get().count if HomeViews.objects.exists() else 0


def test_each_visit_is_counted_and_shown_at_once(home):
    for number in (1, 2, 3):
        html = read("en")
        assert count() == number
        assert f"{number} view" in html  # not what a cache kept


def test_what_is_no_reading_is_not_counted(home, client, editor):
    client.force_login(editor)
    client.get("/")
    client.head("/")
    read("en", **{"sec-purpose": "prefetch"})
    assert count() == 0


def test_publishing_an_older_draft_keeps_the_count(home):
    draft = home.save_revision()
    read()
    draft.publish()
    cache.clear()
    assert count() == 1


def test_the_number_stands_in_the_editor(home, client, superuser, blog):
    superuser.language = "en"
    superuser.save()
    article = make_article(blog)
    for path in ("/", "/", article.url):
        read("en", path)
    client.force_login(superuser)
    assert "2 views" in client.get(f"/cms/pages/{home.pk}/edit/").content.decode()
    assert "1 view" in client.get(f"/cms/pages/{article.pk}/edit/").content.decode()


def test_an_edited_home_page_tells_an_english_visitor_its_language(home):
    assert NOTE not in read("en")
    HomePage.objects.update(hero_title="Свой заголовок")
    html = read("en")
    assert NOTE in html
    assert '<h1 id="hero" lang="ru">Свой заголовок</h1>' in html
    russian = read("ru")
    assert "только на русском" not in russian
    assert '<h1 id="hero">Свой заголовок</h1>' in russian


def test_an_article_tells_its_language_too(blog):
    article = make_article(blog)
    html = read("en", article.url)
    assert NOTE in html
    assert f'<h1 lang="ru">{article.title}</h1>' in html
    assert '<article class="v-prose" lang="ru">' in html
    assert "lang=" not in read("ru", article.url).partition("<h1")[2].partition("</h1>")[0]
