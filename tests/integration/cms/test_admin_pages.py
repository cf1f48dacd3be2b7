"""Pages of one row and the dashboard: what they say, in both languages, whatever is in the rows."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailings.cms.overview import overview
from mailings.models import Attempt, Delivery, Mailing, Run, Transport, WorkerLease
from mailings.states import Actor, DeliveryStatus, Frequency, MailingStatus, RunStatus
from tests import factories
from tests.integration.desk import LISTS, make_desk

ATTACK = '"><script>alert(1)</script><img src=x onerror=alert(2)>{{ settings }}{% debug %}'


def page(client, name: str, pk: object) -> str:
    return client.get(reverse(f"cms_{name}:inspect", args=[pk])).content.decode()


def test_hostile_content_is_escaped_everywhere(client, superuser, owner):
    desk = make_desk(owner)
    Mailing.objects.update(name=ATTACK[:120], status_reason=ATTACK, sender_name=ATTACK[:120])
    Attempt.objects.update(reply=ATTACK, step=ATTACK[:12], enhanced_code=ATTACK[:12])
    Delivery.objects.update(address=ATTACK, full_name=ATTACK)
    Run.objects.update(subject=ATTACK, html=ATTACK, reason=ATTACK, sender_name=ATTACK)
    Transport.objects.update(name=ATTACK[:80], last_error=ATTACK, url=ATTACK)
    WorkerLease.objects.update(host=ATTACK)
    for row in (desk.client, desk.message):
        fields = {"subject": ATTACK} if row is desk.message else {"full_name": ATTACK}
        type(row).objects.filter(pk=row.pk).update(**fields)
    type(desk.message).objects.update(body=ATTACK, preheader=ATTACK)
    type(desk.client).objects.update(
        comment=ATTACK, attributes={ATTACK: ATTACK}, consent_source=ATTACK
    )
    type(desk.suppression).objects.update(address=ATTACK, source=ATTACK)
    owner.full_name = ATTACK[:150]
    owner.save(update_fields=["full_name"])
    client.force_login(superuser)
    Mailing.objects.update(status=MailingStatus.PAUSED, status_actor=Actor.SYSTEM)
    urls = ["/cms/", reverse("attempts_report")]
    for name in LISTS:
        urls.append(reverse(f"cms_{name}:index"))
        urls.append(reverse(f"cms_{name}:inspect", args=[desk.row(name).pk]))
        urls.append(reverse(f"cms_{name}:history", args=[desk.row(name).pk]))
    urls.append(reverse("cms_mailing:stop", args=[desk.mailing.pk]))
    for url in urls:
        html = client.get(url).content.decode()
        assert "<script>alert(1)" not in html, url
        assert "<img src=x" not in html, url


def test_letter_is_shown_in_a_frame_that_may_do_nothing(client, manager, owner):
    message = factories.make_message(owner, body="<p>Hello</p><script>alert(1)</script>")
    client.force_login(manager)
    html = page(client, "message", message.pk)
    assert "<iframe" in html
    frame = html[html.index("<iframe") : html.index("</iframe>")]
    assert " sandbox " in frame
    assert "allow-" not in frame
    # The whole letter stands inside one attribute: nothing of it becomes part of our page.
    assert frame.count('"') == 2 * len(("class", "srcdoc", "title"))
    assert "Hello" in frame


def test_page_of_a_stopped_mailing_says_who_when_and_why(client, manager, owner):
    desk = make_desk(owner)
    Mailing.objects.filter(pk=desk.mailing.pk).update(
        status=MailingStatus.STOPPED,
        status_actor=Actor.MANAGER,
        status_by=manager,
        status_reason="Spam",
        status_at=datetime(2026, 11, 24, 9, 5, tzinfo=UTC),
    )
    client.force_login(manager)
    html = page(client, "mailing", desk.mailing.pk)
    assert "Spam" in html
    assert "Марина Строгая" in html
    assert "12:05" in html  # 9:05 UTC on the manager's clock in Moscow
    assert owner.email in html
    assert reverse("cms_run:inspect", args=[desk.run.pk]) in html
    assert reverse("cms_delivery:inspect", args=[desk.delivery.pk]) in html


def test_figures_of_a_run_add_up_to_its_recipients(client, manager, owner):
    run = factories.make_run(
        factories.make_mailing(owner),
        targeted=100, sent_count=40, deferred_count=5, failed_count=4, uncertain_count=3,
        skipped_count=2, expired_count=1, cancelled_count=6,
    )  # fmt: skip
    client.force_login(manager)
    answer = client.get(reverse("cms_run:inspect", args=[run.pk]))
    recipients, *others = [value for _label, value in answer.context["figures"]]
    assert recipients == 100
    assert sum(others) == 100


def test_schedule_is_said_in_words_on_the_owners_clock(client, manager, owner):
    manager.language, manager.time_zone = "en", "America/New_York"
    manager.save(update_fields=["language", "time_zone"])
    mailing = factories.make_mailing(
        owner,
        start_at=datetime(2027, 1, 31, 6, 0, tzinfo=UTC),
        frequency=Frequency.WEEKLY,
        time_zone="Europe/Moscow",
    )
    client.force_login(manager)
    assert "Every Sunday at 09:00 (Moscow)" in page(client, "mailing", mailing.pk)


@pytest.mark.parametrize(("language", "word"), [("ru", "Панель управления"), ("en", "Dashboard")])
def test_admin_speaks_the_users_language(client, manager, language, word):
    manager.language = language
    manager.save(update_fields=["language"])
    client.force_login(manager)
    html = client.get("/cms/").content.decode()
    assert f'<html lang="{language}"' in html
    assert word in html


def test_admin_keeps_the_users_language_and_clock_over_wagtails_profile(client, manager, owner):
    from wagtail.users.models import UserProfile

    UserProfile.objects.create(
        user=manager, preferred_language="ru", current_time_zone="Asia/Tokyo"
    )
    manager.language, manager.time_zone = "en", "America/New_York"
    manager.save(update_fields=["language", "time_zone"])
    run = factories.make_run(
        factories.make_mailing(owner), scheduled_for=datetime(2026, 11, 24, 17, 30, tzinfo=UTC)
    )
    client.force_login(manager)
    html = page(client, "run", run.pk)
    assert '<html lang="en"' in html
    assert "12:30" in html


def test_dashboard_counts_from_counters_with_a_fixed_number_of_queries(manager, owner):
    now = timezone.now()
    for _ in range(3):
        mailing = factories.make_mailing(owner)
        Mailing.objects.filter(pk=mailing.pk).update(
            status=MailingStatus.RUNNING, next_run_at=now + timedelta(seconds=1)
        )
        factories.make_run(
            mailing, targeted=10, sent_count=2, failed_count=1, deferred_count=3, skipped_count=1
        )
    factories.make_run(
        mailing, status=RunStatus.DONE, targeted=5, failed_count=5,
        finished_at=now - timedelta(days=2),
    )  # fmt: skip
    WorkerLease.objects.create(
        host="a", pid=1, started_at=now, heartbeat_at=now, expires_at=now + timedelta(minutes=1)
    )
    WorkerLease.objects.create(
        host="b", pid=2, started_at=now, heartbeat_at=now - timedelta(hours=1), expires_at=now
    )
    manager.has_perm("mailings.stop_mailing")  # its two queries are not the dashboard's
    with CaptureQueriesContext(connection) as queries:
        figures = overview(manager, now)
    assert len(queries) == 2
    assert (figures.running, figures.failed, figures.queued) == (3, 3, 18)
    assert (figures.workers, figures.heartbeat_at) == (1, now)


def test_dashboard_is_quiet_when_all_is_well(client, manager):
    client.force_login(manager)
    assert "mailings-attention" not in client.get("/cms/").content.decode()


def test_dashboard_names_what_waits_for_a_person(client, manager, owner):
    mailing = factories.make_mailing(owner, name="Sender refused")
    Mailing.objects.filter(pk=mailing.pk).update(
        status=MailingStatus.PAUSED, status_actor=Actor.SYSTEM, status_reason="550 not allowed"
    )
    Transport.objects.create(name="Slow relay", breaker_state="open", last_error="421 busy")
    client.force_login(manager)
    html = client.get("/cms/").content.decode()
    for word in ("mailings-attention", "Sender refused", "550 not allowed", "Slow relay", "421"):
        assert word in html


@pytest.mark.parametrize(
    ("worker_alive", "minutes_due", "expected"),
    [
        (False, 10, True),  # due for ten minutes, and nobody is there
        (True, 10, False),  # a worker is there: it is merely busy
        (False, -10, False),  # not due yet
    ],
)
def test_dashboard_tells_when_deliveries_are_due_and_nobody_sends(
    client, manager, owner, worker_alive, minutes_due, expected
):
    now = timezone.now()
    mailing = factories.make_mailing(owner)
    Mailing.objects.filter(pk=mailing.pk).update(status=MailingStatus.RUNNING)
    factories.make_delivery(
        factories.make_run(mailing),
        status=DeliveryStatus.DEFERRED,
        next_attempt_at=now - timedelta(minutes=minutes_due),
    )
    if worker_alive:
        WorkerLease.objects.create(
            host="a", pid=1, started_at=now, heartbeat_at=now, expires_at=now + timedelta(hours=1)
        )
    client.force_login(manager)
    assert ("mailings-attention" in client.get("/cms/").content.decode()) is expected


def test_dashboard_costs_the_same_with_more_of_everything(client, manager, owner):
    client.force_login(manager)
    make_desk(owner, 2)
    client.get("/cms/")
    with CaptureQueriesContext(connection) as few:
        client.get("/cms/")
    make_desk(factories.make_user(), 20)
    with CaptureQueriesContext(connection) as many:
        client.get("/cms/")
    assert len(many) == len(few)


def test_editor_sees_no_mailings_on_the_dashboard(client, editor, owner):
    make_desk(owner)
    Transport.objects.update(breaker_state="open")
    client.force_login(editor)
    html = client.get("/cms/").content.decode()
    assert "mailings-attention" not in html
    assert "v-summary" not in html
