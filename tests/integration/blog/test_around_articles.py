"""What stands around articles: who wrote them, what they are about, what comes before and after,
what search engines and feed readers are told, who is a reader and who is a robot."""

import json
import re
import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.db import Error, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from blog import counters, memo
from blog.models import PER_PAGE, BlogPage
from blog.robots import is_robot
from blog.snippets import Author, Category
from tests.articles import make_article, make_image

pytestmark = pytest.mark.django_db

ATOM = "{http://www.w3.org/2005/Atom}"

ROBOTS = {
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Yandex": "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
    "Mail.ru": "Mozilla/5.0 (compatible; Linux x86_64; Mail.RU_Bot/2.0; +http://go.mail.ru/help/)",
    "a preview in Telegram": "TelegramBot (like TwitterBot)",
    "a preview in VK": "Mozilla/5.0 (compatible; vkShare; +http://vk.com/dev/Share)",
    "a model's crawler": "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; GPTBot/1.1)",
    "curl": "curl/8.5.0",
    "a browser without a person": "Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/131.0.0.0",
}
READERS = {
    "no name": "",
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0",
    "iPhone": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
    "Yandex Browser": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like "
    "Gecko) Chrome/128.0.0.0 YaBrowser/24.10.0.0 Safari/537.36",
    "a telephone named Cubot": "Mozilla/5.0 (Linux; Android 10; CUBOT_X18) AppleWebKit/537.36 "
    "(KHTML, like Gecko) Chrome/99.0 Mobile Safari/537.36",
}


@pytest.fixture(autouse=True)
def empty_cache():
    cache.clear()
    yield
    cache.clear()


def views_of(page: BlogPage) -> int:
    return BlogPage.objects.with_views().get(pk=page.pk).views


def told(html: str) -> dict[str, dict]:
    """Return what a page tells search engines, by its type."""
    (text,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', html, re.S)
    return {thing["@type"]: thing for thing in json.loads(text)["@graph"]}


# ---------------------------------------------------------------- readers and robots


@pytest.mark.parametrize("name", ROBOTS.values(), ids=list(ROBOTS))
def test_a_robot_is_no_reader(client, blog, name):
    article = make_article(blog)
    assert client.get(article.url, headers={"User-Agent": name}).status_code == 200
    assert views_of(article) == 0
    assert sum(day.readings for day in article.views_by_day) == 0


@pytest.mark.parametrize("name", READERS.values(), ids=list(READERS))
def test_a_reader_is_no_robot(client, blog, name):
    article = make_article(blog)
    client.get(article.url, headers={"User-Agent": name})
    assert views_of(article) == 1


def test_a_name_without_end_is_looked_at_in_part():
    assert not is_robot("x" * 1_000_000 + "Googlebot")


def test_readings_are_kept_by_the_services_own_days(blog, settings):
    settings.TIME_ZONE = "Asia/Kamchatka"  # UTC+12
    article = make_article(blog)
    with time_machine.travel("2026-03-01T11:59:00Z", tick=False):
        counters.count_reading(article.pk)
    with time_machine.travel("2026-03-01T12:00:00Z", tick=False):
        counters.count_reading(article.pk, number=2)
        days = article.views_by_day
        assert [(f"{day.day:%d.%m}", day.readings) for day in days[-3:]] == [
            ("28.02", 0), ("01.03", 1), ("02.03", 2),
        ]  # fmt: skip
        assert len(days) == counters.DAYS_SHOWN
    assert views_of(article) == 3


def test_readings_that_cannot_all_be_written_are_written_once_in_the_end(blog):
    """The page's number and its day's: what one of them has already must not come twice."""
    article = make_article(blog)
    for table in (counters.ReadingsOfDay, counters.ArticleViews):
        name = table._meta.db_table
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {name} RENAME TO away")
        with pytest.raises(Error):
            counters.count_reading(article.pk, number=5)
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE away RENAME TO {name}")
        assert views_of(article) == 0
        assert sum(day.readings for day in article.views_by_day) == 0


def test_an_editor_sees_readings_by_day(client, superuser, blog):
    article = make_article(blog)
    counters.count_reading(article.pk, number=41)
    client.force_login(superuser)
    page = client.get(reverse("wagtailadmin_pages:edit", args=[article.pk])).content.decode()
    assert "<td>41</td>" in page


# ---------------------------------------------------------------- authors and categories


@pytest.fixture
def anna() -> Author:
    return Author.objects.create(name="Анна Ветрова", slug="anna", about="Пишет о списках.")


@pytest.fixture
def law() -> Category:
    return Category.objects.create(name="Закон", slug="zakon", about="Что разрешено.")


def test_an_author_has_a_page_with_what_they_wrote(client, blog, anna):
    anna.photo = make_image()
    anna.save()
    own, other = make_article(blog, writer=anna), make_article(blog, author="Кто-то")
    page = client.get("/blog/author/anna/")
    html = page.content.decode()
    assert [card.title for card in page.context["cards"]] == [own.title]
    assert "Пишет о списках." in html
    assert "v-portrait" in html
    assert f"{anna.name} –" in html.split("</title>")[0]
    assert 'href="/blog/author/anna/" rel="author"' in client.get(own.url).content.decode()
    assert "Кто-то" in client.get(other.url).content.decode()


def test_a_category_has_a_page_and_is_offered_once_it_is_used(client, blog, law):
    assert "/blog/category/" not in client.get("/blog/").content.decode()
    own, _other = make_article(blog, category=law), make_article(blog)
    cache.clear()
    page = client.get("/blog/category/zakon/")
    assert [card.title for card in page.context["cards"]] == [own.title]
    assert "Что разрешено." in page.content.decode()
    assert 'href="/blog/category/zakon/"' in client.get("/blog/").content.decode()
    assert 'href="/blog/category/zakon/"' in client.get(own.url).content.decode()


@pytest.mark.parametrize("address", ["author/anna", "category/zakon", "author/nobody"])
def test_one_of_drafts_alone_is_not_found(client, blog, anna, law, address):
    make_article(blog, writer=anna, category=law).unpublish()
    cache.clear()
    assert client.get(f"/blog/{address}/").status_code == 404


def test_whoever_goes_leaves_the_articles(client, blog, anna, law):
    article = make_article(blog, writer=anna, category=law)
    anna.delete()
    law.delete()
    cache.clear()
    assert client.get(article.url).status_code == 200


def test_a_new_name_shows_at_once(client, blog, anna, settings, django_capture_on_commit_callbacks):
    settings.PAGE_CACHE = True
    article = make_article(blog, writer=anna)
    assert anna.name in client.get(article.url).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        Author.objects.get().delete()
    assert "Анна Ветрова" not in client.get(article.url).content.decode()


@pytest.mark.parametrize("model", ["author", "category"])
def test_editors_keep_both(client, editor, model):
    client.force_login(editor)
    address = reverse(f"wagtailsnippets_blog_{model}:add")
    form = {"name": "Новое имя", "slug": "new-name", "about": "", "position": "1"}
    assert client.post(address, form).status_code == 302
    assert {"author": Author, "category": Category}[model].objects.get().slug == "new-name"


def test_managers_and_owners_do_not(client, manager, owner):
    for user in (manager, owner):
        client.force_login(user)
        address = reverse("wagtailsnippets_blog_author:add")
        client.post(address, {"name": "x", "slug": "x"})
    assert not Author.objects.exists()


# ---------------------------------------------------------------- before, after, most read


def test_articles_lead_to_their_neighbours(client, blog):
    newest, middle, oldest = (make_article(blog) for _ in range(3))
    page = client.get(middle.url).context
    assert (page["newer"].pk, page["older"].pk) == (newest.pk, oldest.pk)
    assert client.get(newest.url).context["newer"] is None
    assert client.get(oldest.url).context["older"] is None


def test_of_articles_published_together_none_is_left_out(client, blog):
    now = timezone.now() - timedelta(days=1)
    rows = [make_article(blog, first_published_at=now) for _ in range(3)]
    way = [rows[-1].pk]
    while older := client.get(BlogPage.objects.get(pk=way[-1]).url).context["older"]:
        way.append(older.pk)
    assert way == [row.pk for row in reversed(rows)]


def test_a_draft_is_nobodys_neighbour(client, blog):
    first, draft = make_article(blog), make_article(blog)
    draft.unpublish()
    assert client.get(first.url).context["older"] is None


def test_the_most_read_stand_under_a_list_that_has_pages(client, blog):
    rows = [make_article(blog) for _ in range(PER_PAGE)]
    counters.count_reading(rows[3].pk, number=9)
    counters.count_reading(rows[5].pk, number=7)
    assert client.get("/blog/").context["most_read"] == []
    make_article(blog)
    cache.clear()
    found = client.get("/blog/").context["most_read"]
    assert [article.pk for article in found] == [rows[3].pk, rows[5].pk]


# ---------------------------------------------------------------- for machines


def test_an_article_tells_search_engines_what_it_is(client, blog, anna, site_at):
    site_at("https://mail.example.org")
    article = make_article(blog, writer=anna, image=make_image(), tags=("согласие",))
    data = told(client.get(article.url).content.decode())
    posting = data["BlogPosting"]
    assert posting["headline"] == article.title
    assert posting["author"] == {
        "@type": "Person",
        "name": anna.name,
        "url": "https://mail.example.org/blog/author/anna/",
    }
    assert posting["mainEntityOfPage"] == f"https://mail.example.org{article.url}"
    assert posting["image"][0].startswith("https://mail.example.org/media/")
    assert posting["datePublished"] == article.first_published_at.isoformat()
    assert posting["keywords"] == "согласие"
    steps = [step["item"] for step in data["BreadcrumbList"]["itemListElement"]]
    assert steps == [
        "https://mail.example.org/",
        "https://mail.example.org/blog/",
        f"https://mail.example.org{article.url}",
    ]


def test_no_text_ends_the_block_of_data(client, blog):
    article = make_article(blog, title="</script><script>alert(1)</script>", author="&<b>")
    html = client.get(article.url).content.decode()
    assert "<script>alert" not in html
    data = told(html)["BlogPosting"]
    assert (data["headline"], data["author"]["name"]) == (article.title, "&<b>")


def test_the_home_page_names_the_site_and_its_search(client, blog, site_at):
    site_at("https://mail.example.org")
    site = told(client.get("/").content.decode())["WebSite"]
    assert site["url"] == "https://mail.example.org/"
    target = site["potentialAction"]["target"]["urlTemplate"]
    assert target == "https://mail.example.org/blog/?q={query}"


def test_the_blog_is_there_as_atom(client, blog, anna, site_at):
    site_at("https://mail.example.org")
    article = make_article(blog, writer=anna, tags=("согласие",))
    response = client.get("/blog/feed/atom/")
    assert response["Content-Type"].startswith("application/atom+xml")
    feed = ET.fromstring(response.content)
    assert feed.find(f"{ATOM}link[@rel='self']").get("href").endswith("/blog/feed/atom/")
    entry = feed.find(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == article.title
    assert entry.findtext(f"{ATOM}author/{ATOM}name") == anna.name
    assert entry.find(f"{ATOM}link").get("href") == f"https://mail.example.org{article.url}"
    assert 'href="/blog/feed/atom/"' in client.get("/blog/").content.decode()


def test_a_feed_costs_the_same_however_many_articles(client, blog, anna):
    def queries() -> int:
        client.get("/blog/feed/atom/")
        with CaptureQueriesContext(connection) as captured:
            client.get("/blog/feed/atom/")
        return len(captured)

    make_article(blog, writer=anna, tags=("согласие",))
    one = queries()
    for _ in range(5):
        make_article(blog, writer=anna, tags=("согласие",))
    assert queries() == one <= 12


# ---------------------------------------------------------------- addresses with a slip


@pytest.mark.parametrize(
    "address", ["/blog/chisty-spisok/", "/blog/chistyj-spisok-2/", "/Chistyj-Spisok/"]
)
def test_an_address_with_a_slip_leads_on(client, blog, address):
    make_article(blog, slug="chistyj-spisok", title="Чистый список")
    make_article(blog, slug="when-to-send", title="Когда писать")
    memo._kept.clear()
    page = client.get(address)
    assert page.status_code == 404
    html = page.content.decode()
    assert 'href="/blog/chistyj-spisok/"' in html
    assert "when-to-send" not in html


def test_drafts_and_foreign_addresses_are_not_offered(client, blog):
    make_article(blog, slug="chistyj-spisok").unpublish()
    make_article(blog, slug="when-to-send")
    memo._kept.clear()
    for address in ("/blog/chistyj-spisok/", "/wp-login.php", "/" + "x" * 3_000):
        html = client.get(address).content.decode()
        assert "chistyj" not in html.replace(address, "")
        assert "when-to-send" not in html


def test_a_wrong_address_costs_the_same_however_many_articles(client, blog):
    def queries() -> int:
        memo._kept.clear()
        with CaptureQueriesContext(connection) as captured:
            client.get("/blog/nowhere/")
        return len(captured)

    make_article(blog)
    queries()
    one = queries()
    for _ in range(4):
        make_article(blog)
    assert queries() == one <= 10


def test_whoever_has_lost_a_row_of_the_cabinet_is_offered_no_article(client, blog, owner):
    make_article(blog, slug="clients")
    memo._kept.clear()
    client.force_login(owner)
    assert 'href="/blog/clients/"' not in client.get("/app/clients/77/").content.decode()
    assert 'href="/blog/clients/"' in client.get("/blog/clientz/").content.decode()
