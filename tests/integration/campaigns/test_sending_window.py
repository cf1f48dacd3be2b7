"""Mail is never sent by surprise: now or at a time, a button that says which, and a while to take
an immediate start back, in which nothing leaves."""

import threading
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connections
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import follow_ups, services
from mailings.delivery.runs import planning
from mailings.errors import Refused
from mailings.models import Delivery, Mailing, Run
from mailings.states import MailingStatus
from tests import factories
from tests.integration.cabinet import in_language, mailing_data, make_cabinet, speak

NEW = reverse("mailings:mailing_create")
WINDOW = timedelta(seconds=30)
SECOND = timedelta(seconds=1)
M = MailingStatus
LIVE = {"HX-Request": "true", "HX-Target": "forecast"}


@pytest.fixture(autouse=True)
def window(settings):
    settings.UNDO_SECONDS = 30


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    speak(owner, "en")
    return make_cabinet(owner)


def now_data(cabinet, **fields):
    return mailing_data(
        cabinet, **({"when": "now", "start_at": "", "end_at": "", "frequency": "once"} | fields)
    )


def made() -> Mailing:
    return Mailing.objects.get(name="Декабрьский адвент")


def held(owner, **fields) -> Mailing:
    fields.setdefault("clients", factories.make_clients(owner, 2))
    mailing = factories.make_mailing(owner, **fields)
    services.schedule_mailing(mailing=mailing, by=owner, hold=WINDOW)
    return mailing


# ------------------------------------------------------------------ the while


def test_the_owners_click_starts_a_mailing_half_a_minute_later(client, cabinet):
    response = client.post(NEW, now_data(cabinet), follow=True)
    mailing = made()
    assert mailing.status == M.CREATED
    assert abs(mailing.next_run_at - timezone.now() - WINDOW) < 5 * SECOND
    assert "Sending begins in" in response.content.decode()
    assert planning.plan(mailing.next_run_at - SECOND) == 0
    assert not Run.objects.filter(mailing=mailing).exists()
    assert planning.plan(mailing.next_run_at) == 1


@pytest.mark.parametrize("start", ["2020-01-01T09:00", ""])
def test_a_past_date_is_an_immediate_start_too(client, cabinet, start):
    when = "at" if start else "now"
    client.post(NEW, now_data(cabinet, when=when, start_at=start, frequency="daily"))
    assert made().next_run_at > timezone.now() + WINDOW / 2


def test_a_mailing_taken_back_is_a_draft_with_all_that_was_written(client, cabinet):
    client.post(NEW, now_data(cabinet))
    mailing = made()
    before = Mailing.objects.filter(pk=mailing.pk).values(
        "name", "message", "sender_name", "reply_to", "frequency", "time_zone", "end_at", "start_at"
    )[0]
    client.post(reverse("mailings:mailing_unschedule", args=[mailing.pk]))
    mailing.refresh_from_db()
    assert (mailing.status, mailing.next_run_at) == (M.DRAFT, None)
    assert planning.plan(timezone.now() + timedelta(days=1)) == 0
    assert Mailing.objects.filter(pk=mailing.pk).values(*before)[0] == before
    assert list(mailing.lists.all()) == [cabinet.list]
    form = client.get(reverse("mailings:mailing_update", args=[mailing.pk])).context["form"]
    assert (form["when"].value(), form["start_at"].value()) == ("now", None)


def test_a_draft_that_starts_at_once_counts_from_when_it_is_sent(owner):
    mailing = factories.make_mailing(
        owner, clients=factories.make_clients(owner, 1), starts_at_once=True, frequency="daily",
        start_at=timezone.now() - timedelta(days=3),
    )  # fmt: skip
    services.schedule_mailing(mailing=mailing, by=owner)
    mailing.refresh_from_db()
    assert abs(mailing.start_at - timezone.now()) < 5 * SECOND


def test_services_without_a_window_send_at_once(owner):
    mailing = factories.make_mailing(owner, clients=factories.make_clients(owner, 1))
    services.schedule_mailing(mailing=mailing, by=owner)
    assert planning.plan(timezone.now()) == 1


def test_a_time_ahead_is_kept_however_near(owner):
    start = timezone.now() + 8 * SECOND
    mailing = held(owner, start_at=start)
    assert mailing.next_run_at == start


def test_without_a_window_it_starts_at_once(client, cabinet, settings):
    settings.UNDO_SECONDS = 0
    client.post(NEW, now_data(cabinet))
    assert made().next_run_at <= timezone.now()


def test_the_command_keeps_to_the_window(owner):
    mailing = held(owner)
    out = StringIO()
    call_command("sending_mail_command", mailing=mailing.pk, stdout=out)
    assert "Runs begun: 0" in out.getvalue()
    assert not Delivery.objects.exists()


def test_an_end_within_the_window_is_refused_in_words(owner):
    with pytest.raises(Refused, match=r".+"):
        held(owner, end_at=timezone.now() + 20 * SECOND)
    assert not Mailing.objects.exclude(status=M.DRAFT).exists()


def test_an_occurrence_that_comes_within_the_window_is_not_sent_twice(owner):
    start = timezone.now() - timedelta(days=3) + 10 * SECOND
    mailing = held(owner, start_at=start, frequency="daily")
    assert planning.plan(mailing.next_run_at) == 1
    run = Run.objects.get()
    assert (run.occurrence, run.scheduled_for) == (3, start + timedelta(days=3))


def test_a_pause_within_the_window_holds_it_and_going_on_opens_another(owner):
    mailing = held(owner)
    services.pause_mailing(mailing=mailing, by=owner)
    assert planning.plan(timezone.now() + timedelta(hours=1)) == 0
    services.resume_mailing(mailing=mailing, by=owner, hold=WINDOW)
    assert mailing.next_run_at > timezone.now() + WINDOW / 2
    services.unschedule_mailing(mailing=mailing, by=owner)
    assert mailing.status == M.DRAFT


def test_a_manager_and_a_block_within_the_window_hold_it(owner, manager):
    mailing = held(owner)
    owner.is_active = False
    owner.save()
    assert planning.plan(mailing.next_run_at) == 0
    owner.is_active = True
    owner.save()
    services.stop_mailing(mailing=mailing, by=manager, reason="spam")
    assert planning.plan(timezone.now() + timedelta(hours=1)) == 0
    with pytest.raises(Refused):
        services.unschedule_mailing(mailing=mailing, by=owner)


def test_new_times_within_the_window_open_another(owner):
    mailing = held(owner)
    Mailing.objects.filter(pk=mailing.pk).update(start_at=timezone.now() - timedelta(days=1))
    mailing.refresh_from_db()
    services.reschedule_mailing(mailing=mailing, by=owner, hold=WINDOW)
    assert mailing.next_run_at > timezone.now() + WINDOW / 2


def test_a_changed_text_within_the_window_leaves_the_moment_alone(client, cabinet):
    client.post(NEW, now_data(cabinet))
    mailing = made()
    url = reverse("mailings:mailing_update", args=[mailing.pk])
    client.post(url, now_data(cabinet, action="save", sender_name="Другое"))
    assert (made().sender_name, made().next_run_at) == ("Другое", mailing.next_run_at)


def test_once_it_has_begun_it_cannot_be_taken_back(client, cabinet):
    client.post(NEW, now_data(cabinet))
    mailing = made()
    planning.plan(mailing.next_run_at)
    url = reverse("mailings:mailing_unschedule", args=[mailing.pk])
    page = client.post(url, follow=True).content.decode()
    assert "The sending has begun already." in page
    mailing.refresh_from_db()
    assert mailing.status == M.RUNNING


@pytest.mark.django_db(transaction=True)
def test_taken_back_at_the_very_moment_it_is_either_a_draft_or_sent(owner):
    mailing = held(owner)
    begin, begun = threading.Barrier(2), []

    def start() -> None:
        begin.wait()
        begun.append(planning.plan(mailing.next_run_at))
        connections.close_all()

    thread = threading.Thread(target=start)
    thread.start()
    begin.wait()
    try:
        services.unschedule_mailing(mailing=Mailing.objects.get(), by=owner)
        taken = True
    except Refused:
        taken = False
    thread.join()
    after = Mailing.objects.get()
    assert begun == [0 if taken else 1]
    assert after.status == (M.DRAFT if taken else M.RUNNING)
    assert Run.objects.count() == (0 if taken else 1)


def test_a_second_click_on_send_changes_nothing(client, cabinet):
    client.post(NEW, now_data(cabinet))
    mailing = made()
    url = reverse("mailings:mailing_schedule", args=[mailing.pk])
    client.post(url, {"agreed": "now:9"})
    assert made().next_run_at == mailing.next_run_at


def test_a_follow_up_by_a_click_can_be_taken_back_too(client, owner, cabinet):
    cabinet.run.__class__.objects.filter(pk=cabinet.run.pk).update(
        status="done", finished_at=timezone.now()
    )
    added = factories.make_client(owner)
    cabinet.list.clients.add(added)
    client.post(reverse("mailings:mailing_send_to_added", args=[cabinet.mailing.pk]))
    follow_up = Mailing.objects.exclude(follows=None).get()
    assert follow_up.next_run_at > timezone.now() + WINDOW / 2
    services.unschedule_mailing(mailing=follow_up, by=owner)
    assert added in follow_up.clients.all()
    assert follow_ups.came_since(cabinet.run).count() == 0  # they wait in the draft


# ------------------------------------------------------------------ two choices


@pytest.mark.parametrize("action", ["schedule", "save"])
def test_a_time_demands_a_date(client, cabinet, action):
    page = client.post(NEW, now_data(cabinet, when="at", action=action))
    assert page.context["form"].errors["start_at"] == [
        "Choose the date and time of the first run, or “Now” above."
    ]
    assert not Mailing.objects.filter(name="Декабрьский адвент").exists()


def test_a_date_that_was_written_is_meant_whatever_is_chosen_beside_it(client, cabinet):
    """Without JavaScript the choice does not follow the date; rather too late than by surprise."""
    client.post(NEW, now_data(cabinet, start_at="2040-12-01T09:00", agreed="now:2"))
    assert made().next_run_at.year == 2040
    assert not made().starts_at_once


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Send to 2 clients now"),
        ({"when": "at", "start_at": "2020-01-01T09:00"}, "Send to 2 clients now"),
        ({"when": "at", "start_at": "2040-12-01T09:00"}, "Plan for %(moment)s"),
        ({"lists": None}, "Send now"),
    ],
)
def test_the_button_says_what_it_will_do(client, owner, cabinet, fields, words, language):
    speak(owner, language)
    part = client.post(NEW, now_data(cabinet, action=None, **fields), headers=LIVE)
    button = part.context["forecast"].button
    if "%" in words:
        assert in_language(language, words).partition("%")[0] in button
        assert "09:00" in button
        assert "2040" in button
    elif "2" in words:
        assert button == {"en": words, "ru": "Отправить 2 клиентам сейчас"}[language]
    else:
        assert button == in_language(language, words)
    assert button in part.content.decode()


@pytest.mark.parametrize("said", ["at", "save", "now:1", "nonsense"])
def test_what_the_button_did_not_say_is_asked_again(client, cabinet, said):
    """Without JavaScript the button speaks of the form as it was."""
    page = client.post(NEW, now_data(cabinet, agreed=said))
    assert page.status_code == 200
    assert not Mailing.objects.filter(name="Декабрьский адвент").exists()
    shown = page.content.decode()
    assert "Nothing is sent yet." in shown
    assert "Send to 2 clients now" in shown
    assert 'name="agreed" value="now:2"' in shown
    assert client.post(NEW, now_data(cabinet, agreed="now:2")).status_code == 302


@pytest.mark.parametrize("said", ["now:2", "now:3", "now", "now:0"])
def test_what_the_button_said_is_done(client, cabinet, said):
    client.post(NEW, now_data(cabinet, agreed=said))
    assert made().status == M.CREATED


def test_a_draft_whose_time_has_passed_meanwhile_is_asked_for_again(client, owner, cabinet):
    start = timezone.now() + timedelta(days=1)
    mailing = factories.make_mailing(owner, lists=[cabinet.list], start_at=start)
    page = client.get(mailing.get_absolute_url()).content.decode()
    assert 'name="agreed" value="at"' in page
    Mailing.objects.filter(pk=mailing.pk).update(start_at=timezone.now() - SECOND)
    url = reverse("mailings:mailing_schedule", args=[mailing.pk])
    page = client.post(url, {"agreed": "at"}, follow=True).content.decode()
    mailing.refresh_from_db()
    assert mailing.status == M.DRAFT
    assert "Send to 2 clients now" in page
    client.post(url, {"agreed": "now:2"})
    mailing.refresh_from_db()
    assert mailing.status == M.CREATED


def test_saving_a_planned_mailing_with_a_past_date_says_that_it_sends(client, cabinet):
    client.post(NEW, mailing_data(cabinet))
    mailing = made()
    url = reverse("mailings:mailing_update", args=[mailing.pk])
    data = mailing_data(cabinet, action="save", start_at="2020-01-01T09:00", agreed="save")
    page = client.post(url, data)
    assert "Save and send to 2 clients now" in page.content.decode()
    assert made().start_at == mailing.start_at
    client.post(url, data | {"agreed": "now:2"})
    assert made().next_run_at > timezone.now() + WINDOW / 2


# ------------------------------------------------------------------ the page meanwhile


def test_within_the_window_the_page_offers_to_take_it_back_and_nothing_else(client, owner, cabinet):
    mailing = held(owner)
    page = client.get(mailing.get_absolute_url()).content.decode()
    assert reverse("mailings:mailing_unschedule", args=[mailing.pk]) in page
    assert reverse("mailings:mailing_update", args=[mailing.pk]) not in page
    assert 'hx-trigger="every 1s"' in page


def test_the_page_follows_when_it_begins(client, owner, cabinet):
    mailing = held(owner)
    page = client.get(mailing.get_absolute_url())
    look = {"state": page.context["state"]}
    headers = {"HX-Request": "true", "HX-Target": "live"}
    assert "HX-Refresh" not in client.get(mailing.get_absolute_url(), look, headers=headers)
    planning.plan(mailing.next_run_at)
    answer = client.get(mailing.get_absolute_url(), look, headers=headers)
    assert answer["HX-Refresh"] == "true"
