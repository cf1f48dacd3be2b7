"""The overview: health of the mail service, what needs attention, the calendar, the live part."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import calendar
from mailings.messages import proofs
from mailings.models import Mailing, Run, Suppression, Transport, WorkerLease
from tests import factories
from tests.integration.cabinet import make_cabinet, speak

OVERVIEW = reverse("mailings:dashboard")
LIVE = {"HX-Request": "true", "HX-Target": "now"}


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    return make_cabinet(owner)


def worker(lasts: timedelta = timedelta(minutes=3)) -> WorkerLease:
    now = timezone.now()
    return WorkerLease.objects.create(
        host="h", pid=1, started_at=now, heartbeat_at=now, expires_at=now + lasts
    )


def titles(client) -> list[str]:
    return [note.title for note in client.get(OVERVIEW).context["notes"]]


# ------------------------------------------------------------------ the mail service


def test_the_mail_service_works(client, cabinet):
    worker()
    Transport.objects.create(name="EMAIL_URL", last_ok_at=timezone.now())
    service = client.get(OVERVIEW).context["service"]
    assert service.is_well
    assert service.last_ok_at


def test_a_mail_service_that_is_away_is_told_with_the_time_of_the_next_try(client, owner, cabinet):
    worker()
    Run.objects.update(targeted=10, failed_count=0)
    until = timezone.now() + timedelta(minutes=9)
    Transport.objects.create(name="EMAIL_URL", breaker_state="open", breaker_until=until)
    page = client.get(OVERVIEW)
    assert page.context["service"].is_away
    assert page.context["service"].queued == 10
    assert f"We go on by ourselves at {until.astimezone(owner.zone):%H:%M}" in (
        page.content.decode()
    )
    Transport.objects.create(name="Second")
    assert not client.get(OVERVIEW).context["service"].is_away


def test_nobody_who_sends_is_told_once_mail_is_late(client, cabinet):
    factories.make_delivery(cabinet.run)
    assert "Nothing is sent at present." not in titles(client)
    Run.objects.update(created_at=timezone.now() - timedelta(minutes=5))
    assert "Nothing is sent at present." in titles(client)
    worker()
    assert "Nothing is sent at present." not in titles(client)


def test_nothing_of_the_operators_is_told(client, cabinet):
    Transport.objects.create(
        name="secret-relay", breaker_state="open", last_error="535 password secret-relay"
    )
    assert "secret-relay" not in client.get(OVERVIEW).content.decode()


# ------------------------------------------------------------------ what needs attention


@pytest.mark.parametrize(
    ("counts", "is_told"),
    [
        ({"targeted": 100, "sent_count": 100}, False),
        ({"targeted": 100, "sent_count": 96, "failed_count": 4}, False),
        ({"targeted": 20, "sent_count": 16, "failed_count": 4}, False),
        ({"targeted": 100, "sent_count": 80, "failed_count": 20}, True),
        ({"targeted": 100, "sent_count": 99, "uncertain_count": 1}, True),
    ],
)
def test_many_failures_and_uncertain_ones_are_told(client, owner, counts, is_told):
    client.force_login(owner)
    mailing = factories.make_mailing(owner, name="Утро")
    run = factories.make_run(mailing, status="done", **counts)
    notes = client.get(OVERVIEW).context["notes"]
    assert bool(notes) == is_told
    assert all(note.url == run.get_absolute_url() for note in notes)


def test_of_a_daily_mailing_the_newest_run_speaks(client, owner):
    client.force_login(owner)
    mailing = factories.make_mailing(owner)
    now = timezone.now()
    runs = [
        factories.make_run(
            mailing,
            status="done",
            targeted=9,
            failed_count=9,
            scheduled_for=now - timedelta(days=n),
        )
        for n in (0, 1, 2, 9)
    ]
    notes = client.get(OVERVIEW).context["notes"]
    assert [note.url for note in notes] == [runs[0].get_absolute_url()]


def test_other_peoples_trouble_is_not_told(client, owner, stranger):
    factories.make_run(factories.make_mailing(stranger), targeted=9, failed_count=9)
    client.force_login(owner)
    assert titles(client) == []


# ------------------------------------------------------------------ first steps, calendar, figures


def test_one_step_is_shown_at_a_time_until_a_mailing_is_scheduled(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    address = owner.emailaddress_set.create(email=owner.email, primary=True)

    def shown() -> tuple[int, str]:
        page = client.get(OVERVIEW)
        steps = page.context["steps"]
        assert page.content.decode().count("btn-primary") == 1
        assert f'href="{steps.next.url}"' in page.content.decode()
        return steps.done, steps.next.what

    assert shown() == (0, "Confirm your e-mail address")
    address.verified = True
    address.save()
    assert shown() == (1, "Add clients")
    factories.make_client(owner)
    assert shown() == (2, "Write a message")
    message = factories.make_message(owner)
    assert shown() == (3, "Send a test to yourself")
    proofs.request_proof(message=message, client=None, by=owner)
    assert shown() == (4, "Plan the mailing")
    mailing = factories.make_mailing(owner, message=message)
    assert shown() == (4, "Plan the mailing")  # a draft is not scheduled, but gone on with
    assert client.get(OVERVIEW).context["steps"].next.url == reverse(
        "mailings:mailing_update", args=[mailing.pk]
    )
    Mailing.objects.filter(pk=mailing.pk).update(status="created")
    page = client.get(OVERVIEW)
    assert not page.context["steps"]
    assert 'id="step-h"' not in page.content.decode()


def test_a_form_that_cannot_be_filled_in_says_what_is_missing_and_comes_back(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    new = reverse("mailings:mailing_create")
    first = client.get(new).content.decode()
    assert "First somebody to write to" in first
    way = f"{reverse('mailings:client_create')}?next={new}"
    assert f'href="{way}"' in first
    assert first.count("btn-primary") == 1
    saved = client.post(way, {"email": "anna@mail.example", "full_name": "Анна"})
    assert saved.url == new
    second = client.get(new).content.decode()
    assert "First something to send" in second
    way = f"{reverse('mailings:message_create')}?next={new}"
    assert f'href="{way}"' in second
    saved = client.post(way, {"subject": "Привет", "body": "<p>Здравствуйте</p>"})
    assert saved.url == new
    assert 'name="message"' in client.get(new).content.decode()


@pytest.mark.parametrize("url", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_away_from_the_site(client, owner, url):
    client.force_login(owner)
    way = reverse("mailings:client_create")
    saved = client.post(f"{way}?next={url}", {"email": "anna@mail.example"})
    assert saved.url.startswith("/app/clients/")


def test_the_calendar_looks_four_weeks_ahead_when_asked(client, owner, cabinet):
    Mailing.objects.update(
        frequency="weekly", start_at=timezone.now() + timedelta(days=1), status="created"
    )
    assert len(client.get(OVERVIEW).context["days"]) == 7
    days = client.get(OVERVIEW, {"weeks": "4"}).context["days"]
    assert len(days) == 28
    assert sum(not slot.is_past for day in days for slot in day.slots) == 4
    assert len(client.get(OVERVIEW, {"weeks": "4000"}).context["days"]) == 7


def test_a_full_day_says_how_many_more(client, owner, cabinet):
    soon = timezone.now() + timedelta(days=1)
    for _ in range(calendar.SLOTS_SHOWN + 3):
        factories.make_mailing(owner, start_at=soon, status="created")
    day = client.get(OVERVIEW).context["days"][1]
    assert len(day.shown) + day.more == len(day.slots) == calendar.SLOTS_SHOWN + 3
    assert len(day.shown) < calendar.SLOTS_SHOWN


def test_the_clients_figures(client, owner, cabinet):
    Suppression.objects.create(owner=owner, address_hash="1" * 64, reason="unsubscribed")
    old = Suppression.objects.create(owner=owner, address_hash="2" * 64, reason="unsubscribed")
    Suppression.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=8))
    found = client.get(OVERVIEW).context["clients"]
    numbers = {name: count.number for name, count in found.items()}
    assert numbers == {"total": 2, "new": 2, "left": 1, "suppressed": 2}


# ------------------------------------------------------------------ what lives


def test_a_mailing_about_to_start_is_waited_for(client, owner):
    client.force_login(owner)
    mailing = factories.make_mailing(owner, status="created")
    Mailing.objects.filter(pk=mailing.pk).update(next_run_at=timezone.now() + timedelta(hours=1))
    assert "every 10s" not in client.get(OVERVIEW).content.decode()
    Mailing.objects.filter(pk=mailing.pk).update(next_run_at=timezone.now() + timedelta(seconds=9))
    page = client.get(OVERVIEW).content.decode()
    assert "every 10s" in page
    assert "htmx" in page
    assert "every 10s" in client.get(OVERVIEW, headers=LIVE).content.decode()


def test_the_speed_is_the_change_since_the_last_look(client, cabinet):
    run = cabinet.run
    Run.objects.filter(pk=run.pk).update(
        targeted=1000,
        failed_count=0,
        sent_count=500,
        started_at=timezone.now() - timedelta(hours=1),
    )
    then = timezone.now().timestamp() - 10
    page = client.get(OVERVIEW, {"then": f"{run.pk}_{then}_300_20.0"}, headers=LIVE)
    assert page.context["sending"][0].per_second == pytest.approx(20, abs=2)
    still = client.get(OVERVIEW, {"then": f"{run.pk}_{then}_500_20.0"}, headers=LIVE)
    assert still.context["sending"][0].per_second < 4
    for nonsense in ("", "x", f"{run.pk}_nan_0_inf", f"{run.pk}_9e99_1_1", "1_2_3"):
        page = client.get(OVERVIEW, {"then": nonsense}, headers=LIVE)
        assert page.context["sending"][0].per_second == pytest.approx(500 / 3600, rel=0.1)


def test_a_look_at_a_run_costs_the_same_for_few_and_many(
    client, owner, stranger, django_assert_max_num_queries
):
    live = {"HX-Request": "true", "HX-Target": "live"}
    for person, count in ((owner, 3), (stranger, 30)):
        made = make_cabinet(person, count)
        client.force_login(person)
        client.get(made.mailing.get_absolute_url(), headers=live)
        with django_assert_max_num_queries(9) as captured:
            page = client.get(made.mailing.get_absolute_url(), headers=live)
        assert "not_sent" not in page.context
        assert len(page.context["replies"]) == min(count, 5)
        grouped = [q for q in captured.captured_queries if "GROUP BY" in q["sql"]]
        assert all("mailings_attempt" not in query["sql"] for query in grouped)


def test_the_reasons_come_with_the_last_look(client, cabinet):
    url = cabinet.mailing.get_absolute_url()
    live = {"HX-Request": "true", "HX-Target": "live"}
    assert "hx-swap-oob" not in client.get(url, headers=live).content.decode()
    part = client.get(url, headers={"HX-Request": "true", "HX-Target": "reasons"})
    assert "550 5.1.1" in part.content.decode()
    assert "<html" not in part.content.decode()
    Run.objects.update(status="done", finished_at=timezone.now())
    last = client.get(url, headers=live).content.decode()
    assert '<div id="reasons" hx-swap-oob="true">' in last
    assert "550 5.1.1" in last
