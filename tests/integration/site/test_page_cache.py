"""Public pages for strangers come whole from the cache – right at once, and never anybody's own."""

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import unquote

import pytest
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import Client as Browser
from django.test import RequestFactory
from redis.exceptions import ConnectionError as RedisAway
from wagtail.models import PageViewRestriction, Site

from blog import memo
from blog.counters import ArticleViews
from blog.models import BlogIndexPage, BlogPage
from home import summary
from home.models import HomePage
from site_config import page_cache
from site_config.page_cache import PageCacheMiddleware
from tests import services
from tests.articles import make_article, make_image, make_site_root
from tests.factories import make_client

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def kept_pages(blog, settings) -> Iterator[None]:
    """As in production, but for readings, which are written at once."""
    settings.PAGE_CACHE = True
    forget_everything()
    yield
    forget_everything()


def forget_everything() -> None:
    cache.clear()
    memo._kept.clear()
    page_cache._Memory.until = 0.0


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    return lambda: django_capture_on_commit_callbacks(execute=True)


@pytest.fixture
def article(blog) -> BlogPage:
    return make_article(blog, title="Чистый список", image=make_image(), tags=("согласие",))


@pytest.fixture
def made(monkeypatch) -> list[str]:
    """The addresses of pages that are made, not taken from the cache."""
    addresses: list[str] = []
    for model in (HomePage, BlogIndexPage, BlogPage):
        serve = model.serve

        def watched(page, request, *args, serve=serve, **kwargs):
            addresses.append(request.get_full_path())
            return serve(page, request, *args, **kwargs)

        monkeypatch.setattr(model, "serve", watched)
    monkeypatch.setattr(page_cache, "HOME_VARIANTS", "1")
    return addresses


def text(address: str, browser: Browser | None = None, **headers: str) -> str:
    answer = (browser or Browser()).get(address, headers=headers)
    assert answer.status_code == 200, address
    return answer.content.decode()


# ---------------------------------------------------------------- from the cache


def test_pages_are_made_once_for_many_strangers(article, made):
    for address in ("/", "/blog/", "/blog/?page=1", article.url, "/blog/tag/" + tag_of(article)):
        made.clear()
        first, second = text(address), text(address)
        assert first == second
        assert list(map(unquote, made)) == [address]


def tag_of(article: BlogPage) -> str:
    return article.tags.get().slug + "/"


def test_a_page_from_the_cache_asks_the_database_for_nothing(article, settings):
    settings.VIEWS_DELAY = 3600  # the reading is noted, not written
    for address in ("/blog/", article.url):
        text(address)
        browser = Browser()
        with connection.execute_wrapper(only_the_cache):
            text(address, browser)


def only_the_cache(execute, sql, params, many, context):
    assert '"cache"' in sql, sql
    return execute(sql, params, many, context)


@pytest.fixture(autouse=True)
def no_timer(monkeypatch) -> None:
    """A thread would write outside the test's transaction."""
    monkeypatch.setattr(threading.Timer, "start", lambda timer: None)
    yield
    from blog import counters

    counters._waiting.clear()


def test_language_and_theme_have_answers_of_their_own(article):
    for address in ("/", "/blog/", article.url):
        texts = set()
        for language in ("ru", "en"):
            for theme in ("auto", "dark", "light"):
                browser = Browser()
                browser.cookies["theme"] = theme
                html = text(address, browser, **{"accept-language": language})
                assert f'<html lang="{language}"' in html
                assert ('data-bs-theme="dark"' in html) == (theme == "dark")
                texts.add(html)
        assert len(texts) == 6


def test_the_cookie_says_the_language_before_the_browser_does(article):
    browser = Browser()
    browser.cookies["django_language"] = "en"
    assert '<html lang="en"' in text("/", browser, **{"accept-language": "ru"})
    assert '<html lang="ru"' in text("/", **{"accept-language": "ru"})


def test_an_answer_says_what_it_depends_on_and_who_may_keep_it(article):
    for address in ("/", "/blog/", article.url, "/blog/?from=letter"):
        for _ in range(2):
            answer = Browser().get(address)
            assert {"Accept-Language", "Cookie"} <= set(answer["Vary"].split(", ")), address
            assert answer["Cache-Control"] == "private, no-cache"
            assert "Content-Security-Policy" in answer
            assert answer["X-Frame-Options"] == "DENY"
            assert not answer.cookies


def test_hosts_of_the_visitors_making_are_no_new_answers(made):
    for port in (1, 2, 3):
        text("/blog/", host=f"localhost:{port}")
    assert len(made) == 1


# ---------------------------------------------------------------- what the browser has


def test_a_browser_that_has_the_page_is_told_so(article):
    for address in ("/", "/blog/", article.url):
        etag = Browser().get(address)["ETag"]
        again = Browser().get(address, headers={"if-none-match": etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again["ETag"] == etag
        assert "Content-Security-Policy" in again
        assert Browser().get(address, headers={"if-none-match": '"x"'}).status_code == 200


def test_head_has_the_headers_and_counts_nothing(article):
    whole = Browser().get(article.url)
    head = Browser().head(article.url)
    assert head.content == b""
    assert (head["ETag"], head["Content-Length"]) == (whole["ETag"], whole["Content-Length"])
    assert ArticleViews.objects.get().count == 1


def test_a_nonce_is_fresh_in_each_answer_and_such_a_page_never_holds(rf: RequestFactory, blog):
    def view(request: HttpRequest) -> HttpResponse:
        request.public_page = blog
        return HttpResponse(f'<script nonce="{request.csp_nonce}"></script>')

    answers = []
    for number in range(3):
        request = rf.get("/blog/")
        request._csp_nonce = request.csp_nonce = f"{number}" * 24
        answer = PageCacheMiddleware(view)(request)
        assert answer.content.decode() == f'<script nonce="{str(number) * 24}"></script>'
        answers.append(answer)
    assert not any("ETag" in answer for answer in answers)


# ---------------------------------------------------------------- readings


def test_each_reading_counts_from_the_cache_too(article):
    for seen in (1, 2, 3):
        text(article.url)
        assert ArticleViews.objects.get().count == seen
    Browser().get(article.url, headers={"sec-purpose": "prefetch"})
    assert ArticleViews.objects.get().count == 3
    etag = Browser().get(article.url)["ETag"]
    Browser().get(article.url, headers={"if-none-match": etag})
    assert ArticleViews.objects.get().count == 5


def test_the_number_of_readings_is_some_seconds_old_at_most(article, monkeypatch):
    for _ in range(4):
        html = text(article.url)
    assert "1 просмотр<" in html
    monkeypatch.setattr(page_cache, "FRESH", 0)
    assert "5 просмотров" in text(article.url)
    assert page_cache.FRESH + memo.LASTS <= 20


def test_the_home_page_goes_on_surprising(blog):
    for _ in range(12):
        make_article(blog)
    shown = {tuple(re.findall(r'<h3><a href="([^"]+)"', text("/"))) for _ in range(40)}
    assert all(len(set(three)) == 3 for three in shown)
    assert len(shown) > 1


# ---------------------------------------------------------------- right at once


def changes(blog, article):
    yield "published", lambda: make_article(blog, title="Новая")
    yield "edited", lambda: edit(article)
    yield "unpublished", article.unpublish
    yield "a tag", lambda: rename(article.tags.get())
    yield "a picture", article.image.save
    yield "deleted", lambda: BlogPage.objects.get(pk=article.pk).delete()


def edit(article: BlogPage) -> None:
    page = BlogPage.objects.get(pk=article.pk)
    page.title = "Другое название"
    page.save_revision().publish()


def rename(tag) -> None:
    tag.name = "разрешение"
    tag.save()


def test_every_change_of_a_page_ends_what_is_kept(blog, article, made, commits):
    for name, change in changes(blog, article):
        text("/blog/")
        made.clear()
        text("/blog/")
        assert made == [], name
        with commits():
            change()
        text("/blog/")
        assert made == ["/blog/"], name


def test_an_edited_article_shows_its_new_words_at_once(article, commits):
    text(article.url)
    with commits():
        edit(article)
    assert "Другое название" in text(article.url)
    assert "Другое название" in text("/blog/")


def test_a_moved_article_is_gone_where_it_was(blog, article, commits):
    other = BlogPage.objects.get(pk=make_article(blog).pk)
    text(article.url)
    with commits():
        article.move(other, pos="first-child")
    # Wagtail has made a redirect of its old address.
    assert Browser().get("/blog/" + article.slug + "/").status_code in (301, 404)


def test_another_address_of_the_site_shows_at_once(article, commits, site_at):
    text(article.url)
    with commits():
        site_at("https://mail.example.org")
    assert "https://mail.example.org" in text(article.url)


def test_a_page_that_becomes_private_is_public_no_more(article, commits):
    text(article.url)
    with commits():
        PageViewRestriction.objects.create(page=article, restriction_type="login")
    assert Browser().get(article.url).status_code == 302
    assert Browser().get(article.url).status_code == 302
    assert article.title not in text("/blog/")


def test_figures_of_the_home_page_are_right_at_once(owner, commits, monkeypatch):
    monkeypatch.setattr(page_cache, "HOME_VARIANTS", "1")
    assert "<dd>0</dd>" in text("/")
    with commits():
        make_client(owner)
    assert "<dd>1</dd>" in text("/")
    assert summary.FIGURES_TTL + page_cache.FRESH <= 60


def test_a_change_while_a_page_is_made_is_not_overtaken(article, commits, monkeypatch):
    serve = BlogPage.serve

    def slowly(page, request):
        answer = serve(page, request).render()
        with commits():
            edit(article)
        return answer

    monkeypatch.setattr(BlogPage, "serve", slowly)
    assert "Чистый список" in text(article.url)
    monkeypatch.setattr(BlogPage, "serve", serve)
    assert "Другое название" in text(article.url)


# ---------------------------------------------------------------- never kept


def test_what_is_somebodys_own_is_made_for_them(article, made, owner):
    signed_in, with_message = Browser(), Browser()
    signed_in.force_login(owner)
    with_message.cookies["messages"] = "anything"
    for browser in (signed_in, with_message):
        made.clear()
        text("/blog/", browser)
        text("/blog/", browser)
        assert len(made) == 2
    made.clear()
    assert "/accounts/login/" in text("/blog/")
    assert len(made) == 1  # nothing of theirs was kept


def test_a_waiting_message_is_shown_once_and_to_nobody_else(article, rf):
    text("/")
    waiting = Browser()
    waiting.cookies["messages"] = message_cookie("Осторожно, ступенька")
    assert "Осторожно, ступенька" in text("/", waiting)
    assert "Осторожно, ступенька" not in text("/", waiting)
    for _ in range(8):
        assert "Осторожно" not in text("/")


def message_cookie(words: str) -> str:
    from django.contrib.messages import INFO
    from django.contrib.messages.storage.base import Message
    from django.contrib.messages.storage.cookie import CookieStorage

    return CookieStorage(HttpRequest())._encode([Message(INFO, words)])


@pytest.mark.parametrize(
    "address", ["/blog/?q=список", "/nothing/", "/blog/feed/", "/blog/?page=9", "/?page=2"]
)
def test_searches_feeds_and_what_is_not_there_are_not_kept(article, address):
    Browser().get(address)
    Browser().get(address)
    assert not kept_answers()


def kept_answers() -> list[page_cache.Kept]:
    """The pages in the cache, whichever it is."""
    if services.EMBEDDED:
        with connection.cursor() as cursor:
            cursor.execute("SELECT cache_key FROM cache WHERE cache_key LIKE '%:page:1:%'")
            keys = [row[0].partition(":1:")[2] for row in cursor.fetchall()]
    else:
        found = cache._cache.get_client().keys("*:page:1:*")
        keys = [key.decode().partition(":1:")[2] for key in found]
    return [value for value in cache.get_many(keys).values() if isinstance(value, page_cache.Kept)]


def test_a_public_page_is_among_what_is_kept(article):
    """Or the test above would prove nothing."""
    text("/blog/")
    assert len(kept_answers()) == 1


def test_a_preview_is_no_page_from_the_cache_and_none_for_it(article):
    text(article.url)
    article.title = "Набросок"
    assert "Набросок" in article.make_preview_request().content.decode()
    assert "Набросок" not in text(article.url)


def test_nothing_that_is_kept_has_a_token(article):
    for address in ("/", "/blog/", article.url):
        assert "csrfmiddlewaretoken" not in text(address)


# ---------------------------------------------------------------- without a cache, and a crowd


def test_pages_come_while_the_cache_is_away(article, monkeypatch):
    def away(*args, **kwargs):
        raise RedisAway("Connection refused")

    addresses = ("/", "/blog/", article.url)
    for name in ("get", "get_many", "set", "set_many", "add", "delete"):
        monkeypatch.setattr(cache, name, away)
    for address in addresses:
        text(address)


@pytest.mark.skipif(services.EMBEDDED, reason="there is no Redis in the embedded default")
def test_pages_come_while_redis_is_dead(article):
    text("/blog/")
    assert services.redis is not None
    services.redis.kill()
    try:
        for address in ("/", "/blog/", article.url):
            text(address)
    finally:
        services.redis.start()
    text("/blog/")


@pytest.mark.django_db(transaction=True)
def test_a_crowd_has_the_page_made_once(made):
    make_article(make_site_root())
    forget_everything()
    made.clear()
    gate = threading.Barrier(6)

    def visit(_number: int) -> str:
        gate.wait()
        try:
            return text("/blog/")
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as visitors:
        texts = set(visitors.map(visit, range(6)))
    assert len(texts) == 1
    assert made == ["/blog/"]


def test_an_old_page_is_given_while_another_request_makes_it_anew(article, made, monkeypatch):
    text("/blog/")
    made.clear()
    monkeypatch.setattr(page_cache, "FRESH", 0)
    monkeypatch.setattr(cache, "add", lambda *args: False)  # somebody has begun
    text("/blog/")
    assert made == []


# ---------------------------------------------------------------- forms without a token

SWITCHES = {
    "/theme/": {"theme": "dark", "next": "/blog/"},
    "/accounts/language/": {"language": "en", "next": "/blog/"},
}
OWN = "http://testserver"


@pytest.mark.parametrize("address", SWITCHES)
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": OWN, "sec-fetch-site": "same-origin"}, 302),
        ({"origin": OWN}, 302),  # Safari before 16.4
        ({"referer": f"{OWN}/blog/"}, 302),
        ({}, 302),  # a browser that says nothing
        ({"origin": "https://evil.example", "sec-fetch-site": "cross-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "null"}, 403),
        ({"referer": "https://evil.example/"}, 403),
    ],
)
def test_a_switch_of_another_site_is_refused(address, headers, status, blog):
    browser = Browser(enforce_csrf_checks=True)
    answer = browser.post(address, SWITCHES[address], headers=headers)
    assert answer.status_code == status
    assert bool(answer.cookies) == (status == 302)


def test_other_sites_still_there(blog):
    """Two sites of Wagtail have answers of their own."""
    home = HomePage.objects.get()
    Site.objects.create(hostname="127.0.0.1", port=80, root_page=home)
    page_cache._Memory.until = 0.0
    assert page_cache.site_of("127.0.0.1") == "127.0.0.1"
    assert page_cache.site_of("unknown.example:99") == ""
