"""The home page: figures right at once, few queries, whole in both languages."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client as Browser
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisAway

from home import summary
from home.models import HomePage
from mailings.campaigns import services
from mailings.models import Client, Mailing
from mailings.reports.site import SiteFigures, site_figures
from mailings.signals import figures_changed
from mailings.states import MailingStatus
from tests.articles import make_article, make_image
from tests.factories import make_client, make_clients, make_mailing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def empty_cache(blog):
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def commits(django_capture_on_commit_callbacks):
    """Run what a commit would run, in tests that never commit."""
    return lambda: django_capture_on_commit_callbacks(execute=True)


def figures() -> SiteFigures:
    return summary.load().figures


# ---------------------------------------------------------------- what is counted


def test_drafts_are_not_counted_and_only_created_and_running_are_active(owner):
    for status in MailingStatus:
        make_mailing(owner, status=status)

    assert site_figures().mailings == len(MailingStatus) - 1
    assert site_figures().active == 2


def test_one_address_of_two_owners_is_one_unique_client(owner, stranger):
    make_client(owner, email="Anna@Mail.Example")
    make_client(stranger, email="Anna@mail.example")
    make_client(stranger, email="boris@mail.example")

    assert site_figures().unique_clients == 2


# ---------------------------------------------------------------- right at once


def test_home_shows_a_new_client_at_once(client, owner, commits):
    make_client(owner)
    assert client.get("/").context["figures_and_articles"].figures.unique_clients == 1

    with commits():
        make_client(owner)

    page = client.get("/")
    assert page.context["figures_and_articles"].figures.unique_clients == 2
    assert "<dd>2</dd>" in page.content.decode()


def test_a_deleted_client_is_gone_at_once(owner, commits):
    row = make_client(owner)
    assert figures().unique_clients == 1
    with commits():
        row.delete()
    assert figures().unique_clients == 0


def test_clients_deleted_together_are_gone_at_once(owner, commits):
    make_clients(owner, 2)
    assert figures().unique_clients == 2
    with commits():
        Client.objects.all().delete()
    assert figures().unique_clients == 0


def test_a_scheduled_mailing_is_active_at_once_and_a_cancelled_one_is_not(owner, commits):
    row = make_mailing(
        owner, clients=[make_client(owner)], start_at=timezone.now() + timedelta(days=1)
    )
    assert figures() == SiteFigures(mailings=0, active=0, unique_clients=1)

    with commits():
        services.schedule_mailing(mailing=row, by=owner)
    assert figures() == SiteFigures(mailings=1, active=1, unique_clients=1)

    with commits():
        services.cancel_mailing(mailing=row, by=owner)
    assert figures() == SiteFigures(mailings=1, active=0, unique_clients=1)


def test_changes_without_a_row_signal_are_told_by_figures_changed(owner, commits):
    make_mailing(owner, status=MailingStatus.CREATED)
    assert figures().active == 1
    Mailing.objects.update(status=MailingStatus.COMPLETED)
    with commits():
        figures_changed.send(Mailing)
    assert figures().active == 0


def test_a_count_that_a_change_has_overtaken_is_not_kept(owner, commits, monkeypatch):
    """Reader counts, a client is committed, reader stores: the next reader must count again."""

    def count_slowly() -> SiteFigures:
        counted = site_figures()
        with commits():
            make_client(owner)
        return counted

    monkeypatch.setattr(summary, "site_figures", count_slowly)
    assert figures().unique_clients == 0
    monkeypatch.setattr(summary, "site_figures", site_figures)

    assert figures().unique_clients == 1


def test_rows_changed_behind_our_back_show_within_a_minute(owner):
    cache.clear()
    assert figures().unique_clients == 0
    Client.objects.bulk_create(
        [Client(owner=owner, email="a@b.example", email_normalised="a@b.example")]
    )
    assert figures().unique_clients == 0
    cache.delete(summary.FIGURES)  # what the time does after FIGURES_TTL
    assert figures().unique_clients == 1
    assert summary.FIGURES_TTL <= 60


def test_home_answers_while_the_cache_is_away(client, owner, monkeypatch):
    make_client(owner)

    def away(*args):
        raise RedisAway("Connection refused")

    monkeypatch.setattr(cache, "get_many", away)
    monkeypatch.setattr(cache, "set", away)

    assert client.get("/").context["figures_and_articles"].figures.unique_clients == 1


def test_a_change_succeeds_while_the_cache_is_away(owner, commits, monkeypatch):
    def away(*args, **kwargs):
        raise RedisAway("Connection refused")

    monkeypatch.setattr(cache, "set", away)
    with commits():
        make_client(owner)
    assert Client.objects.count() == 1


# ---------------------------------------------------------------- articles


def test_home_shows_three_of_the_articles(client, blog):
    titles = {make_article(blog).title for _ in range(5)}
    shown = [card.title for card in client.get("/").context["figures_and_articles"].articles]
    assert len(set(shown)) == 3
    assert set(shown) <= titles


def test_other_articles_are_drawn_when_the_cache_lets_go(blog):
    for _ in range(5):
        make_article(blog)
    drawn = set()
    for _ in range(30):
        cache.delete(summary.ARTICLES)
        drawn |= {card.title for card in summary.load().articles}
    assert len(drawn) == 5


def test_a_published_article_shows_and_an_unpublished_one_goes_at_once(blog, commits):
    assert summary.load().articles == []
    with commits():
        article = make_article(blog)
    assert [card.title for card in summary.load().articles] == [article.title]
    with commits():
        article.unpublish()
    assert summary.load().articles == []


def test_a_deleted_article_goes_at_once(blog, commits):
    with commits():
        article = make_article(blog)
    assert len(summary.load().articles) == 1
    with commits():
        article.delete()
    assert summary.load().articles == []


# ---------------------------------------------------------------- queries


@pytest.fixture
def full_home(blog, owner):
    for _ in range(4):
        make_article(blog, image=make_image(), tags=("согласие",))
    make_mailing(owner, clients=[make_client(owner)])


@pytest.mark.parametrize("language", ["ru", "en"])
def test_warm_home_takes_four_queries_at_most(full_home, django_assert_max_num_queries, language):
    browser = Browser(headers={"accept-language": language})
    browser.get("/")
    with django_assert_max_num_queries(4):  # one of them counts the visit and tells the number
        page = browser.get("/")
    assert page.status_code == 200
    assert page.content.decode().count("<picture>") == 3


def test_warm_home_takes_two_more_queries_for_who_is_signed_in(
    full_home, client, owner, django_assert_max_num_queries
):
    client.force_login(owner)
    client.get("/")
    with django_assert_max_num_queries(6):  # none more: is it an editor, who is not counted?
        page = client.get("/")
    assert "Войти" not in page.content.decode()


# ---------------------------------------------------------------- what is on it


def test_home_needs_no_sign_in_and_offers_it(client):
    html = client.get("/").content.decode()
    assert 'href="/accounts/login/"' in html
    assert 'href="/accounts/signup/"' in html


def test_the_signed_in_are_led_to_their_mailings(client, owner):
    client.force_login(owner)
    html = client.get("/").content.decode()
    assert 'href="/accounts/signup/"' not in html
    assert 'href="/app/"' in html


def test_an_editors_words_replace_the_usual_ones(client):
    HomePage.objects.update(hero_title="Письма без спешки", lede="Пишем редко.", call_title="Ну?")
    html = client.get("/").content.decode()
    for words in ("Письма без спешки", "Пишем редко.", "Ну?"):
        assert words in html


def test_an_editors_questions_replace_the_usual_ones(client):
    home = HomePage.objects.get()
    home.questions = [("question", {"question": "Зачем?", "answer": "<p>Так надо.</p>"})]
    home.save()
    html = client.get("/").content.decode()
    assert "Зачем?" in html
    assert html.count("<summary>") == 1


def test_the_postmark_bears_the_date_of_the_services_zone(client, settings):
    settings.TIME_ZONE = "Asia/Vladivostok"
    with time_machine.travel(datetime(2026, 11, 24, 20, 0, tzinfo=UTC), tick=False):
        assert "25.11.26" in client.get("/").content.decode()


def test_home_names_itself_for_search_engines(client, site_at):
    site_at("https://mail.example.org")
    html = client.get("/").content.decode()
    assert '<link rel="canonical" href="https://mail.example.org/">' in html
    assert '<meta property="og:title"' in html
    assert '<meta name="description" content="' in html
    assert 'type="application/rss+xml"' in html


def test_the_home_page_cannot_be_made_private(client, blog):
    """`get_view_restrictions` asks nothing; so Wagtail must offer nothing to restrict it."""
    assert HomePage.private_page_options == []
