"""The blog: views counted honestly, lists, search, feed, sitemap, what robots read."""

import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser
from wagtail.models import Page

from blog.counters import ArticleViews, count_reading
from blog.models import PER_PAGE, BlogPage
from tests.articles import make_article, make_image, make_site_root

pytestmark = pytest.mark.django_db

BODY = [
    ("heading", "Первая часть"),
    ("paragraph", "<p>Слово <b>жирное</b> и ещё одно.</p>"),
    ("quote", {"text": "Сказано верно.", "source": "Кто-то"}),
    ("callout", {"tone": "wait", "title": "Осторожно.", "text": "<p>Горячо.</p>"}),
    ("heading", "Первая часть"),
    ("code", "550 5.1.1 <anna@mail.example>"),
    (
        "table",
        {
            "columns": [{"type": "text", "heading": "Ответ"}],
            "rows": [{"values": ["<p>550</p>"]}],
            "caption": "",
        },
    ),
]


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def article(blog) -> BlogPage:
    return make_article(blog, title="Чистый список", body=BODY, tags=("качество базы",))


def views_of(page: BlogPage) -> int:
    return BlogPage.objects.with_views().get(pk=page.pk).views


# ---------------------------------------------------------------- what counts as a view


def test_each_get_of_a_reader_counts_once(client, article):
    for seen in (1, 2, 3):
        html = client.get(article.url).content.decode()
        assert views_of(article) == seen
    assert "3 просмотра" in html or "3 views" in html


def test_a_signed_in_user_is_a_reader(client, article, owner):
    client.force_login(owner)
    client.get(article.url)
    assert views_of(article) == 1


def test_a_head_request_does_not_count(client, article):
    assert client.head(article.url).status_code == 200
    assert views_of(article) == 0


@pytest.mark.parametrize("who", ["manager", "editor", "superuser"])
def test_those_who_work_on_the_site_do_not_count(client, article, who, request):
    client.force_login(request.getfixturevalue(who))
    assert client.get(article.url).status_code == 200
    assert views_of(article) == 0


def test_who_may_work_on_the_site_by_a_right_of_their_own_does_not_count(client, article, owner):
    owner.user_permissions.add(Permission.objects.get(codename="access_admin"))
    client.force_login(owner)
    assert client.get(article.url).status_code == 200
    assert views_of(article) == 0


def test_whoever_has_other_rights_is_a_reader(client, article, owner):
    owner.groups.add(Group.objects.create(name="Friends"))
    client.force_login(owner)
    client.get(article.url)
    assert views_of(article) == 1


@pytest.mark.parametrize(
    "header",
    [
        {"sec-purpose": "prefetch"},
        {"sec-purpose": "prefetch;prerender"},
        {"purpose": "prefetch"},
    ],
)
def test_a_browser_that_fetches_ahead_does_not_count(client, article, header):
    assert client.get(article.url, headers=header).status_code == 200
    assert views_of(article) == 0


def test_a_preview_does_not_count(article):
    response = article.make_preview_request(preview_mode="")
    assert response.status_code == 200
    assert views_of(article) == 0


def test_an_unpublished_article_is_not_found_and_not_counted(client, article):
    article.unpublish()
    assert client.get(article.url or "/blog/article/").status_code == 404
    assert views_of(article) == 0


# ---------------------------------------------------------------- what keeps the number


def test_publishing_an_older_draft_keeps_the_views(client, article):
    older = article.save_revision()
    for _ in range(3):
        client.get(article.url)
    older.publish()
    assert views_of(article) == 3


def test_an_edit_keeps_the_views_that_came_meanwhile(client, article):
    editing = BlogPage.objects.get(pk=article.pk)
    client.get(article.url)
    editing.title = "Другое название"
    editing.save_revision().publish()
    assert views_of(article) == 1


def test_a_copy_begins_at_zero(client, article):
    client.get(article.url)
    copy = article.copy(update_attrs={"slug": "copy", "title": "Копия"})
    assert views_of(copy) == 0
    assert views_of(article) == 1


def test_a_deleted_article_takes_its_counter_along(client, article):
    client.get(article.url)
    article.delete()
    assert not ArticleViews.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_readers_at_once_are_all_counted():
    article = make_article(make_site_root())

    def read(_number: int) -> None:
        count_reading(article.pk)
        connection.close()

    with ThreadPoolExecutor(8) as readers:
        list(readers.map(read, range(40)))

    assert views_of(article) == 40


# ---------------------------------------------------------------- the article


def test_headings_make_the_contents_and_each_has_its_own_anchor(client, article):
    html = client.get(article.url).content.decode()
    for anchor in ("первая-часть", "первая-часть-2"):
        assert f'<h2 id="{anchor}">Первая часть</h2>' in html
        assert f'<a href="#{anchor}">Первая часть</a>' in html


def test_text_of_editors_is_escaped(client, blog):
    nasty = "<script>alert(1)</script>"
    body = [("heading", nasty), ("code", nasty), ("quote", {"text": nasty, "source": nasty})]
    article = make_article(blog, title=nasty, slug="nasty", summary=nasty, body=body)
    html = client.get(article.url).content.decode()
    assert nasty not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(("views", "words"), [(1, "1 view"), (2, "2 views"), (1932, "1,932 views")])
def test_views_are_said_in_good_english(client, article, views, words):
    ArticleViews.objects.create(page=article, count=views - 1)
    client.cookies["django_language"] = "en"
    assert f"<span>{words}</span>" in client.get(article.url).content.decode()


@pytest.mark.parametrize(
    ("views", "words"),
    [(1, "1 просмотр"), (2, "2 просмотра"), (5, "5 просмотров"), (1932, "1\xa0932 просмотра")],
)
def test_views_are_said_in_good_russian(client, article, views, words):
    ArticleViews.objects.create(page=article, count=views - 1)
    client.cookies["django_language"] = "ru"
    assert f"<span>{words}</span>" in client.get(article.url).content.decode()


def test_reading_takes_at_least_a_minute(blog):
    long = [("paragraph", "<p>" + "слово " * 800 + "</p>")]
    assert make_article(blog).minutes == 1
    assert make_article(blog, body=long).minutes == 5


def test_read_on_prefers_articles_with_the_same_tags_and_never_the_article_itself(
    client, blog, article
):
    akin = make_article(blog, tags=("качество базы",))
    others = [make_article(blog) for _ in range(3)]
    shown = [card.title for card in client.get(article.url).context["read_next"]]
    assert shown == [akin.title, others[0].title, others[1].title]


def test_pictures_come_as_webp_and_jpeg_in_two_sizes(client, blog):
    article = make_article(blog, image=make_image(), image_alt="Что на картинке")
    html = client.get(article.url).content.decode()
    assert 'type="image/webp"' in html
    assert 'alt="Что на картинке"' in html
    assert html.count("600w") == html.count("1200w") == 2


def test_link_previews_and_search_engines_get_full_addresses(client, blog, site_at):
    site_at("https://mail.example.org")
    article = make_article(blog, image=make_image(), tags=("согласие",))
    html = client.get(article.url).content.decode()
    address = f"https://mail.example.org{article.url}"
    assert f'<link rel="canonical" href="{address}">' in html
    assert '<meta property="og:type" content="article">' in html
    assert '<meta property="og:image" content="https://mail.example.org/media/' in html
    assert f'<meta name="description" content="{article.summary}">' in html
    assert '<meta property="article:tag" content="согласие">' in html


def test_no_inline_script_or_style(client, article):
    html = client.get(article.url).content.decode()
    assert " style=" not in html
    assert "<script>" not in html
    assert "unsafe-inline" not in client.get(article.url)["Content-Security-Policy"]


# ---------------------------------------------------------------- lists


def test_an_empty_blog_says_so(client, blog):
    page = client.get("/blog/")
    assert page.status_code == 200
    assert page.context["cards"] == []
    assert "v-empty" in page.content.decode()


def test_the_newest_article_is_first_and_pages_follow(client, blog):
    titles = [make_article(blog).title for _ in range(PER_PAGE + 2)]
    first, second = client.get("/blog/"), client.get("/blog/?page=2")
    assert [card.title for card in first.context["cards"]] == titles[:PER_PAGE]
    assert [card.title for card in second.context["cards"]] == titles[PER_PAGE:]
    assert "?page=2" in first.content.decode()


@pytest.mark.parametrize("number", ["0", "3", "x", "-1", "1e3"])
def test_a_page_that_is_not_there_is_not_found(client, blog, number):
    make_article(blog)
    assert client.get(f"/blog/?page={number}").status_code == 404


def test_a_draft_is_in_no_list(client, blog):
    blog.add_child(instance=BlogPage(title="Набросок", slug="draft", summary="…", live=False))
    assert "Набросок" not in client.get("/blog/").content.decode()
    assert "Набросок" not in client.get("/blog/feed/").content.decode()
    assert client.get("/blog/draft/").status_code == 404


def test_a_tag_filters_and_an_unknown_one_is_not_found(client, blog, article):
    make_article(blog, tags=("другое",))
    page = client.get("/blog/tag/" + article.tags.first().slug + "/")
    assert [card.title for card in page.context["cards"]] == [article.title]
    assert client.get("/blog/tag/нет-такой/").status_code == 404


def test_a_tag_of_drafts_alone_is_not_found(client, blog):
    article = make_article(blog, tags=("тайное",))
    article.unpublish()
    assert client.get("/blog/tag/" + article.tags.first().slug + "/").status_code == 404


# ---------------------------------------------------------------- search


@pytest.fixture
def indexed(blog, django_capture_on_commit_callbacks):
    """Articles in the search index, which is filled after commit."""
    with django_capture_on_commit_callbacks(execute=True):
        make_article(blog, title="Чистый список", body=BODY, tags=("стоп-лист",))
        make_article(blog, title="Когда отправлять", summary="О часах и днях.")


def found(client, query: str) -> list[str]:
    page = client.get("/blog/", {"q": query})
    assert page.status_code == 200
    return [card.title for card in page.context["cards"]]


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("список", ["Чистый список"]),
        ("ЧИСТЫЙ", ["Чистый список"]),  # case does not matter
        ("жирное", ["Чистый список"]),  # the body is searched
        ("часах", ["Когда отправлять"]),  # and the summary
        ("спис", ["Чистый список"]),  # the beginning of a word
        ("слон", []),
        ("' OR 1=1 --", []),
        ("\x00", ["Чистый список", "Когда отправлять"]),  # nothing is left to search for
        ('"', []),
        ('"список', ["Чистый список"]),
        ("список* (", ["Чистый список"]),
        ("98765 % \\ ' 🙂", []),
        ("я" * 5000, []),
    ],
)
def test_search(client, indexed, query, titles):
    assert sorted(found(client, query)) == sorted(titles)


def test_a_search_without_result_offers_all_articles(client, indexed):
    html = client.get("/blog/", {"q": "<слон>"}).content.decode()
    assert "&lt;слон&gt;" in html
    assert "v-empty" in html


def test_search_results_are_not_for_search_engines(client, indexed):
    assert 'content="noindex"' in client.get("/blog/", {"q": "список"}).content.decode()


def test_search_forgets_an_unpublished_article(
    client, indexed, blog, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        BlogPage.objects.get(title="Чистый список").unpublish()
    assert found(client, "список") == []


# ---------------------------------------------------------------- for machines


def test_the_feed_lists_articles_with_full_addresses(client, blog, site_at):
    site_at("https://mail.example.org")
    article = make_article(blog, author="Анна Ветрова", tags=("согласие",))
    response = client.get("/blog/feed/")
    assert response["Content-Type"].startswith("application/rss+xml")
    item = ET.fromstring(response.content).find("channel/item")
    assert item.findtext("title") == article.title
    assert item.findtext("link") == f"https://mail.example.org{article.url}"
    assert item.findtext("category") == "согласие"
    assert item.findtext("pubDate")


def test_the_sitemap_lists_public_pages_with_full_addresses(client, article, site_at):
    site_at("https://mail.example.org")
    page = client.get("/sitemap.xml").content.decode()
    for path in ("/", "/blog/", article.url):
        assert f"<loc>https://mail.example.org{path}</loc>" in page


def test_robots_are_told_of_the_sitemap_and_kept_from_the_cabinet(client, site_at):
    site_at("https://mail.example.org")
    lines = client.get("/robots.txt").content.decode().splitlines()
    assert "Sitemap: https://mail.example.org/sitemap.xml" in lines
    assert "Disallow: /app/" in lines


# ---------------------------------------------------------------- queries


@pytest.mark.parametrize("articles", [3, PER_PAGE])
def test_lists_cost_the_same_however_many_articles(blog, django_assert_max_num_queries, articles):
    for _ in range(articles):
        make_article(blog, image=make_image(), tags=("согласие",))
    browser = Browser()
    browser.get("/blog/")
    # One of them is the cache's, if that is a table.
    with django_assert_max_num_queries(15):
        browser.get("/blog/")


def test_an_article_costs_few_queries(blog, django_assert_max_num_queries):
    article, *_ = [
        make_article(blog, image=make_image(), body=BODY, tags=("согласие",)) for _ in range(5)
    ]
    browser = Browser()
    browser.get(article.url)
    # Two of them are the savepoint that stands for a transaction in tests.
    with django_assert_max_num_queries(26):
        browser.get(article.url)


def test_the_tree_is_sound(blog):
    """What the migration wrote by hand is what treebeard would have written."""
    assert Page.find_problems() == ([], [], [], [], [])
