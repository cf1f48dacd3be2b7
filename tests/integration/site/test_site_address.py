"""The address that all links begin with: set in the admin, seeded from SITE_URL, never taken from
a request."""

import asyncio
import re
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client
from wagtail.admin.templatetags import wagtailadmin_tags
from wagtail.models import Site

from accounts import services, site_address
from accounts.models import User
from home import site_seed
from mailings.suppression import unsubscribe_links
from site_config import checks
from tests import factories
from tests.articles import make_article, make_image
from tests.conftest import PASSWORD

pytestmark = pytest.mark.slow

EVIL = "evil.example"
SITES = "/cms/sites/"


def row() -> tuple[str, int]:
    return Site.objects.values_list("hostname", "port").get(is_default_site=True)


@pytest.fixture
def boss(superuser: User, blog) -> Client:
    client = Client()
    client.force_login(superuser)
    return client


def save(boss: Client, hostname: str, port: int = 443):
    site = Site.objects.get(is_default_site=True)
    data = {
        "hostname": hostname, "port": port, "site_name": "Вестник",
        "root_page": site.root_page_id, "is_default_site": "on",
    }  # fmt: skip
    return boss.post(f"{SITES}edit/{site.pk}/", data, follow=True)


# ---------------------------------------------------------------- changed in the admin
def test_the_domain_is_changed_in_the_admin(boss, client, owner, blog):
    article = make_article(blog, image=make_image())
    save(boss, "mail.example.org")
    address = "https://mail.example.org"
    assert unsubscribe_links.url(1, 2, "a@example.org").startswith(f"{address}/u/")
    assert f'<link rel="canonical" href="{address}/">' in client.get("/").content.decode()
    page = client.get(article.url).content.decode()
    assert f'<link rel="canonical" href="{address}{article.url}">' in page
    assert f'content="{address}/media/images/' in page
    for path in ("/blog/feed/", "/sitemap.xml"):
        shown = client.get(path).content.decode()
        assert f"{address}{article.url}" in shown
        assert "localhost" not in shown
    assert f"Sitemap: {address}/sitemap.xml" in client.get("/robots.txt").content.decode()
    assert wagtailadmin_tags.base_url_setting() == address
    services.confirm_address(user=owner)
    cache.clear()
    client.post("/accounts/password/reset/", {"email": owner.email})
    assert f"{address}/accounts/password/reset/key/" in mail.outbox[-1].body


def test_a_letter_and_its_pictures_follow(boss, owner):
    save(boss, "mail.example.org")
    boss.force_login(owner)
    picture = factories.make_picture(owner)
    message = factories.make_message(owner, body=f'<p>a</p><img src="{picture.address}" alt="b">')
    response = boss.get(f"/app/messages/{message.pk}/preview/")
    shown = response.content.decode()
    assert f'src="https://mail.example.org{picture.address}"' in shown
    assert "https://mail.example.org/u/" in shown
    assert "https://mail.example.org" in response["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("hostname", "port", "address"),
    [
        ("mail.example.org", 443, "https://mail.example.org"),
        ("mail.example.org", 80, "http://mail.example.org"),
        ("MAIL.Example.org", 8443, "http://mail.example.org:8443"),
        ("почта.рф", 443, "https://xn--80a1acny.xn--p1ai"),
        ("192.0.2.7", 443, "https://192.0.2.7"),
    ],
)
def test_host_and_port_make_the_address(boss, hostname, port, address):
    save(boss, hostname, port)
    assert site_address.url() == address


def test_port_80_means_https_where_http_is_sent_on_to_it(boss, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert site_address.of_site("mail.example.org", 80) == "https://mail.example.org"


def test_another_port_and_a_path_are_as_in_site_url(settings):
    settings.SITE_URL = "https://example.org/news"
    assert site_address.of_site("mail.example.org", 8443) == "https://mail.example.org:8443/news"


@pytest.mark.parametrize(
    "hostname",
    [
        "https://mail.example.org", "mail.example.org/", "mail.example.org:8000",
        "mail example.org", "a@b.example", "-a.example", "a..b", "mail.example.org\n.evil",
        "<b>", "a" * 64, "[::1",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_and_never_becomes_an_address(boss, settings, hostname):
    before = row()
    answer = save(boss, hostname)
    assert "hostname" in answer.context["form"].errors
    assert row() == before
    assert site_address.of_site(hostname, 443) == settings.SITE_URL


def test_the_admin_is_told_where_links_lead_and_what_is_missing(boss, settings):
    shown = save(boss, "mail.example.org").content.decode()
    assert "https://mail.example.org" in shown
    assert "ALLOWED_HOSTS" in shown
    settings.ALLOWED_HOSTS = ["mail.example.org", "testserver"]
    shown = save(boss, "mail.example.org").content.decode()
    assert "https://mail.example.org" in shown
    assert "ALLOWED_HOSTS" not in shown


def test_a_wrong_host_locks_nobody_out(boss):
    save(boss, "typing-error.example")
    assert boss.get(SITES).status_code == 200
    save(boss, "mail.example.org")
    assert site_address.url() == "https://mail.example.org"


def test_the_check_names_a_host_that_is_not_answered(site_at, settings):
    assert checks.check_site_is_answered(None) == []
    site_at("https://mail.example.org")
    (found,) = checks.check_site_is_answered(None)
    assert found.id == "vestnik.W020"
    assert "mail.example.org" in found.msg
    settings.ALLOWED_HOSTS = [".example.org"]
    assert checks.check_site_is_answered(None) == []


@pytest.mark.parametrize("who", ["manager", "editor"])
def test_nobody_else_changes_it(request, blog, who):
    client = Client()
    client.force_login(request.getfixturevalue(who))
    before = row()
    save(client, EVIL)
    assert row() == before


# ---------------------------------------------------------------- other processes
@pytest.fixture
def later(monkeypatch) -> Callable[[float], None]:
    def move(seconds: float) -> None:
        now = time.monotonic() + seconds
        monkeypatch.setattr(site_address, "monotonic", lambda: now)

    return move


def test_another_process_hears_of_a_change_within_seconds(blog, later):
    site_address.remember("https://old.example.org")
    Site.objects.update(hostname="mail.example.org", port=443)  # no signal comes here
    assert site_address.url() == "https://old.example.org"
    later(site_address.LASTS + 1)
    assert site_address.url() == "https://mail.example.org"


def test_the_address_costs_one_query_however_often_it_is_asked(blog, django_assert_num_queries):
    site_address.forget()
    with django_assert_num_queries(1):
        assert {site_address.url() for _ in range(1000)}


def test_within_an_event_loop_the_database_is_not_asked(blog, later, django_assert_num_queries):
    async def ask() -> str:
        return site_address.url()

    site_address.remember("https://old.example.org")
    later(site_address.LASTS + 1)
    with django_assert_num_queries(0):
        assert asyncio.run(ask()) == "https://old.example.org"
    assert site_address.url() == "http://localhost:8000"


def test_without_a_site_site_url_holds(blog, settings):
    settings.SITE_URL = "https://first.example.org"
    Site.objects.all().delete()
    assert site_address.url() == "https://first.example.org"


# ---------------------------------------------------------------- seeded from SITE_URL
def test_site_url_gives_the_first_address(blog, settings):
    assert site_seed.seed(settings.SITE_URL)
    assert row() == ("localhost", 8000)
    assert site_address.url() == "http://localhost:8000"


def test_an_untouched_site_follows_site_url_at_the_next_migrate(blog, settings):
    for address, expected in (
        ("https://one.example.org", ("one.example.org", 443)),
        ("http://two.example.org:8080", ("two.example.org", 8080)),
    ):
        settings.SITE_URL = address
        call_command("migrate", verbosity=0)
        assert row() == expected
        assert site_address.url() == address


def test_a_site_that_somebody_has_changed_stays(boss, settings):
    site_seed.seed("https://one.example.org")
    save(boss, "mail.example.org")
    settings.SITE_URL = "https://two.example.org"
    call_command("migrate", verbosity=0)
    assert row() == ("mail.example.org", 443)
    assert not site_seed.seed("https://two.example.org")


def test_an_address_that_another_site_has_is_left_to_it(blog):
    root = Site.objects.get().root_page
    Site.objects.create(hostname="two.example.org", port=443, root_page=root)
    before = row()
    assert not site_seed.seed("https://two.example.org")
    assert row() == before


def test_files_that_are_nobodys_to_fetch_leave_the_folder_of_media(tmp_path, settings):
    settings.MEDIA_ROOT, settings.PRIVATE_ROOT = tmp_path / "media", tmp_path / "private"
    names = ("documents/a.pdf", "original_images/b.png")
    for name in (*names, "images/c.png"):
        file = Path(settings.MEDIA_ROOT) / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"x")
    migration = import_module("home.migrations.0003_seeded_address")
    migration.hide(None, None)
    assert all((tmp_path / "private" / name).exists() for name in names)
    assert not any((tmp_path / "media" / name).exists() for name in names)
    assert (tmp_path / "media/images/c.png").exists()
    migration.hide(None, None)
    migration.show(None, None)
    assert all((tmp_path / "media" / name).exists() for name in names)


# ---------------------------------------------------------------- never from a request
SPOOFED = {
    "host": {"HTTP_HOST": EVIL},
    "host with a port": {"HTTP_HOST": f"{EVIL}:8443"},
    "forwarded": {"HTTP_X_FORWARDED_HOST": EVIL, "HTTP_FORWARDED": f"host={EVIL}"},
    "both": {"HTTP_HOST": EVIL, "HTTP_X_FORWARDED_HOST": EVIL, "HTTP_X_FORWARDED_PORT": "81"},
}


@pytest.fixture(params=[["*"], ["testserver", EVIL, "localhost"]], ids=["any", "several"])
def lenient(request, settings, blog):
    """An operator who answers to any host, or to several."""
    settings.ALLOWED_HOSTS = request.param
    cache.clear()


def links() -> list[str]:
    bodies = [letter.body for letter in mail.outbox]
    bodies += [part for letter in mail.outbox for part, _kind in letter.alternatives]
    found = re.findall(r"https?://[^\s\"'<>)]+", " ".join(map(str, bodies)))
    return [link for link in found if link != "http://www.w3.org/1999/xhtml"]  # HTML's own name


@pytest.mark.parametrize("spoof", SPOOFED)
def test_links_in_letters_of_accounts_lead_to_the_site(lenient, owner, spoof):
    services.confirm_address(user=owner)
    stranger = Client(**SPOOFED[spoof])
    new = {"email": "new@example.org", "password1": PASSWORD, "promise": "on"}
    stranger.post("/accounts/signup/", new)
    stranger.post("/accounts/signup/", new | {"email": owner.email})
    stranger.post("/accounts/password/reset/", {"email": owner.email})
    stranger.post("/accounts/password/reset/", {"email": "nobody@example.org"})
    own = Client(**SPOOFED[spoof])
    own.force_login(owner)
    own.post("/accounts/reauthenticate/", {"password": PASSWORD})
    own.post("/accounts/email/", {"email": "other@example.org", "action_add": ""})
    changed = {"oldpassword": PASSWORD, "password1": "another-Fluss-9"}
    own.post("/accounts/password/change/", changed)
    assert len(mail.outbox) == 6
    found = links()
    assert len(found) >= 12
    assert [link for link in found if not f"{link}/".startswith("http://localhost:8000/")] == []
    assert EVIL not in " ".join(str(letter.message()) for letter in mail.outbox)


@pytest.mark.parametrize("spoof", SPOOFED)
@pytest.mark.parametrize("path", ["/", "/blog/", "/blog/feed/", "/sitemap.xml", "/robots.txt"])
def test_no_public_page_repeats_the_host_of_a_request(lenient, blog, spoof, path):
    make_article(blog, image=make_image())
    client = Client(**SPOOFED[spoof])
    assert EVIL not in client.get(path).content.decode()
    article = blog.get_children().get()
    assert EVIL not in client.get(article.url).content.decode()


def test_a_preview_in_the_admin_names_the_site(lenient, editor, blog):
    article = make_article(blog)
    client = Client(HTTP_HOST=EVIL)
    client.force_login(editor)
    shown = client.get(f"/cms/pages/{article.pk}/view_draft/").content.decode()
    assert f'<link rel="canonical" href="http://localhost:8000{article.url}">' in shown


def test_checks_before_the_first_migrate_do_not_fail(monkeypatch):
    def no_table() -> str:
        raise checks.DatabaseError

    monkeypatch.setattr(checks, "site_address", SimpleNamespace(url=no_table))
    assert checks.check_site_is_answered(None) == []
