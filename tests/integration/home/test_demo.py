"""`load_demo`: a whole, signed-in-able, repeatable demo."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django.utils.html import strip_tags
from wagtail.images.models import Image

from accounts.models import User
from blog.counters import ArticleViews
from blog.models import BlogPage
from home.demo import DEMO_ACCOUNTS
from home.demo.accounts import BOOKSHOP, existing_accounts
from mailings import permissions
from mailings.delivery.runs import planning
from mailings.messages import content
from mailings.models import (
    Attempt,
    Client,
    Delivery,
    Event,
    Mailing,
    Message,
    Run,
    Suppression,
)
from mailings.states import DeliveryStatus, EventKind, MailingStatus, RunStatus
from tests.articles import make_site_root
from tests.integration.demo import load

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def loaded(django_db_setup, django_db_blocker) -> Iterator[str]:
    """The demo, once for all tests here; what each of them changes is undone."""
    with django_db_blocker.unblock(), transaction.atomic():
        make_site_root()
        yield load()
        transaction.set_rollback(True)


@pytest.fixture
def demo(loaded, db) -> str:
    """What was said when the demo was loaded."""
    return loaded


def counts() -> dict[str, int]:
    models = (User, Client, Message, Mailing, BlogPage, Image)
    return {model.__name__: model.objects.count() for model in models}


@pytest.mark.parametrize("account", DEMO_ACCOUNTS, ids=lambda account: account.role)
def test_each_account_can_sign_in(client, demo, account):
    client.post("/accounts/login/", {"login": account.email, "password": account.password})
    assert client.get("/").wsgi_request.user.email == account.email
    assert f"{account.email} " in demo
    assert account.password in demo


def test_the_roles_have_their_rights(demo):
    users = {user.email.split("@")[0]: user for user in User.objects.all()}
    assert users["admin"].is_superuser
    assert permissions.is_manager(users["manager"])
    assert users["editor"].has_perm("wagtailadmin.access_admin")
    assert not permissions.is_manager(users["editor"])
    for name in ("maria", "pavel"):
        assert not users[name].has_perm("wagtailadmin.access_admin")


def test_existing_accounts_are_told_to_who_starts_the_service(demo):
    User.objects.filter(email="editor@vestnik.example").delete()
    told = [account.email for account in existing_accounts()]
    assert "editor@vestnik.example" not in told
    assert len(told) == len(DEMO_ACCOUNTS) - 1


def test_a_second_load_adds_nothing_and_keeps_what_was_changed(demo):
    before = counts()
    Client.objects.filter(owner__email=BOOKSHOP).update(comment="звонила")
    BlogPage.objects.get(slug="consent").unpublish()
    Mailing.objects.filter(status=MailingStatus.DRAFT).update(time_zone="Asia/Tomsk")
    load()
    assert counts() == before
    assert Client.objects.filter(comment="звонила").count() == 60
    assert not BlogPage.objects.get(slug="consent").live
    assert Mailing.objects.filter(time_zone="Asia/Tomsk").count() == 1


def test_what_was_deleted_comes_back(demo):
    before = counts()
    BlogPage.objects.get(slug="consent").delete()
    Client.objects.filter(owner__email=BOOKSHOP).first().delete()
    load()
    assert counts() == before


def test_clients_live_on_domains_that_cannot_exist(demo):
    assert Client.objects.filter(owner__email=BOOKSHOP).count() == 60
    assert Client.objects.exclude(owner__email=BOOKSHOP).count() == 8
    assert not Client.objects.exclude(email__endswith=".example").exists()
    assert not Client.objects.exclude(email__regex=r"^[a-z.]+@[a-z.]+$").exists()


def test_there_is_a_mailing_in_each_state_a_newcomer_should_see(demo):
    assert sorted(Mailing.objects.values_list("status", flat=True)) == [
        "completed", "created", "draft", "paused", "paused", "running", "running", "running",
    ]  # fmt: skip
    now = timezone.now()
    due = Mailing.objects.get(next_run_at__lte=now)
    assert due.name == "Новинки недели"
    daily = Mailing.objects.get(name="Утренний отрывок")
    local = daily.next_run_at.astimezone(daily.zone)
    assert (local.hour, local.minute, daily.frequency) == (9, 0, "daily")
    assert now < daily.next_run_at < now + timedelta(days=1)


def test_the_history_shows_what_can_become_of_a_letter(demo):
    statuses = Counter(Delivery.objects.values_list("status", flat=True))
    assert set(statuses) == {"sent", "failed", "skipped", "deferred", "pending"}
    outcomes = set(Attempt.objects.values_list("outcome", flat=True))
    assert outcomes >= {"accepted", "temporary", "permanent", "unavailable", "uncertain"}
    reasons = Counter(Suppression.objects.values_list("reason", flat=True))
    assert reasons == {"unsubscribed": 5, "bounced": 2, "complained": 1}
    paused = Mailing.objects.get(name="Каталог на лето")
    assert paused.is_paused_by_system
    assert "Message rejected as spam" in paused.status_reason


def test_two_letters_still_wait_for_the_worker(demo):
    run = Mailing.objects.get(name="Вечер стихов").runs.get()
    waiting = run.deliveries.filter(status=DeliveryStatus.DEFERRED)
    assert waiting.count() == 2
    due = waiting.latest("next_attempt_at").next_attempt_at
    assert timezone.now() < due < timezone.now() + timedelta(hours=1)
    assert Mailing.objects.get(name="Вечер стихов").status == MailingStatus.RUNNING


def test_one_mailing_goes_out_when_the_worker_comes(demo):
    planning.plan(timezone.now())
    run = Mailing.objects.get(name="Новинки недели").runs.get()
    assert run.status == RunStatus.SENDING
    assert Delivery.objects.filter(run=run).count() == 24


def test_the_letters_have_no_problems(demo):
    for message in Message.objects.all():
        attributes = {name for client in message.owner.clients.all() for name in client.attributes}
        assert content.problems(message.subject, message.preheader, message.body, attributes) == []


def test_articles_are_whole_and_honest(client, demo):
    assert BlogPage.objects.live().count() == 6
    assert ArticleViews.objects.filter(count__gt=0).count() == 6
    for article in BlogPage.objects.live():
        page = client.get(article.url)
        assert page.status_code == 200
        words = strip_tags(str(article.body)).split()
        assert 280 <= len(words) <= 520, f"{article.slug}: {len(words)}"
        assert article.first_published_at < timezone.now()
        assert len(article.contents) >= 3
        assert (article.image.width, article.image.height) == (1200, 800)
        assert article.image_alt
        assert article.writer.about
        assert article.category.about
        assert len(article.summary) <= 160, article.slug
        assert "!" not in strip_tags(str(article.body)), article.slug


def test_articles_are_dated_one_after_the_other(demo):
    dates = BlogPage.objects.order_by("-first_published_at").values_list("slug", flat=True)
    assert list(dates)[:3] == ["clean-list", "subject-line", "when-to-send"]


def test_letters_came_back_in_every_way_there_is(demo):
    kinds = set(Event.objects.values_list("kind", flat=True))
    assert kinds == set(EventKind.values)
    dead = Event.objects.get(kind=EventKind.BOUNCED_HARD)
    entry = Suppression.objects.get(address=dead.delivery.address)
    assert (entry.reason, entry.run_id) == ("bounced", dead.run_id)


def test_one_mailing_tells_who_opened_it_and_followed_which_link(demo):
    run = Run.objects.get(mailing__name="Книжная ярмарка")
    assert (run.track_opens, run.track_clicks) == (True, True)
    people = run.hits.filter(is_machine=False)
    assert people.filter(kind="clicked", link=0).count() > 0
    assert people.filter(kind="clicked", link=0).count() < people.filter(kind="opened").count()
    assert people.filter(kind="opened").count() < run.sent_count
    assert run.hits.filter(is_machine=True).exists()
    assert set(run.links.values_list("position", flat=True)) == set(
        people.filter(link__gt=0).values_list("link", flat=True)
    )
