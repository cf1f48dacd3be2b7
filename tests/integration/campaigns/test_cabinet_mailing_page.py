"""The page of a mailing, its actions, its runs, the overview and the report."""

from datetime import datetime, timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.campaigns import services
from mailings.models import Mailing
from mailings.reports import bars
from tests import factories
from tests.integration.cabinet import in_language, make_cabinet, speak

LIVE = {"HX-Request": "true", "HX-Target": "live"}


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return make_cabinet(owner)


@pytest.fixture
def draft(client, owner) -> Mailing:
    client.force_login(owner)
    start = timezone.now() + timedelta(days=7)
    people = factories.make_clients(owner, 2)
    return factories.make_mailing(owner, clients=people, start_at=start, frequency="daily")


def act(client, mailing, action):
    return client.post(reverse(f"mailings:mailing_{action}", args=[mailing.pk]), follow=True)


def status(mailing) -> str:
    return Mailing.objects.get(pk=mailing.pk).status


def test_a_mailing_goes_through_its_life(client, draft):
    for action, expected in [
        ("schedule", "created"),
        ("unschedule", "draft"),
        ("schedule", "created"),
        ("pause", "paused"),
        ("resume", "created"),
        ("cancel", "cancelled"),
    ]:
        page = act(client, draft, action)
        assert status(draft) == expected
        assert page.context["mailing"].status == expected
        assert draft.name in str(next(iter(page.context["messages"])))
    act(client, draft, "delete")
    assert not Mailing.objects.filter(pk=draft.pk).exists()


@pytest.mark.parametrize(
    "action", ["schedule", "unschedule", "pause", "resume", "cancel", "delete"]
)
def test_looking_at_an_action_does_nothing(client, draft, action):
    services.schedule_mailing(mailing=draft, by=draft.owner)
    response = client.get(reverse(f"mailings:mailing_{action}", args=[draft.pk]))
    assert response.status_code == (200 if action in ("cancel", "delete") else 302)
    assert status(draft) == "created"


@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_the_rules_refuse_is_said(client, owner, draft, language):
    speak(owner, language)
    page = act(client, draft, "resume")  # a draft cannot be resumed
    said = in_language(
        language,
        "The mailing's status does not allow this, or has just changed. Reload the page.",
    )
    assert [str(message) for message in page.context["messages"]] == [said]
    assert status(draft) == "draft"


def test_cancelling_says_what_is_lost_and_what_is_not(client, owner, cabinet):
    speak(owner, "en")
    factories.make_run(cabinet.mailing, targeted=10, sent_count=4, deferred_count=1)
    page = client.get(reverse("mailings:mailing_cancel", args=[cabinet.mailing.pk]))
    said = page.content.decode()
    assert "6 messages that wait are not sent" in said
    assert "4 messages are with the mail service already" in said
    assert "pause it" in said


def test_the_reason_of_a_stop_stands_on_the_page(client, owner, cabinet):
    Mailing.objects.filter(pk=cabinet.mailing.pk).update(
        status="stopped", status_actor="manager", status_reason="жалобы <b>"
    )
    page = client.get(cabinet.mailing.get_absolute_url()).content.decode()
    assert "жалобы &lt;b&gt;" in page
    overview = client.get(reverse("mailings:dashboard")).content.decode()
    assert "жалобы &lt;b&gt;" in overview


def test_figures_add_up_to_the_recipients(client, owner, cabinet):
    run = factories.make_run(
        cabinet.mailing, targeted=36, sent_count=1, deferred_count=2, failed_count=3,
        uncertain_count=4, skipped_count=5, expired_count=6, cancelled_count=7,
    )  # fmt: skip
    numbers = [number for _status, number in bars.figures(run)]
    assert sum(numbers) == 36
    parts = bars.segments(run)
    assert sum(part.number for part in parts) == 36 - run.pending_count
    assert float(parts[-1].left[:-1]) + float(parts[-1].width[:-1]) == pytest.approx(
        (36 - run.pending_count) / 36 * 100, abs=0.1
    )


def test_the_live_part_asks_again_while_a_run_sends_and_then_stops(client, cabinet):
    url = cabinet.mailing.get_absolute_url()
    sending = client.get(url, headers=LIVE).content.decode()
    assert 'hx-trigger="every 2s"' in sending
    assert "<html" not in sending
    run = cabinet.run
    run.status, run.finished_at = "done", timezone.now()
    run.save(update_fields=["status", "finished_at"])
    done = client.get(url, headers=LIVE).content.decode()
    assert "every 2s" not in done
    assert 'hx-swap-oob="true"' in done


def test_a_paused_mailing_is_not_watched(client, cabinet):
    Mailing.objects.filter(pk=cabinet.mailing.pk).update(status="paused")
    page = client.get(cabinet.mailing.get_absolute_url()).content.decode()
    assert "every 2s" not in page


def test_failures_are_grouped_by_reason_biggest_first(client, owner, cabinet):
    speak(owner, "en")
    for _ in range(2):
        delivery = factories.make_delivery(cabinet.run, status="failed", attempt_count=2)
        factories.make_attempt(delivery, number=1, outcome="temporary", code=451)
        factories.make_attempt(
            delivery, number=2, outcome="permanent", code=554, enhanced_code="5.7.1", step="dot",
            reply="Rejected <script>",
        )  # fmt: skip
    factories.make_delivery(cabinet.run, status="skipped", reason="suppressed")
    page = client.get(cabinet.run.get_absolute_url())
    found = [(reason.number, reason.code) for reason in page.context["not_sent"]]
    assert found == [(2, "554 5.7.1"), (1, ""), (1, "550 5.1.1")]
    assert "Rejected &lt;script&gt;" in page.content.decode()


def test_attempts_are_filtered_and_searched(client, owner, cabinet):
    sent = factories.make_delivery(cabinet.run, status="sent", attempt_count=1)
    factories.make_attempt(sent, step="dot", reply="Ok: queued as 4C1F")
    url = cabinet.mailing.get_absolute_url()

    def found(**query):
        return [a.reply for a in client.get(url, query).context["page"]]

    assert len(found()) == 2
    assert found(outcome="accepted") == ["Ok: queued as 4C1F"]
    assert found(step="dot") == ["Ok: queued as 4C1F"]
    assert found(q="4c1f") == ["Ok: queued as 4C1F"]
    assert found(q=sent.address) == ["Ok: queued as 4C1F"]
    assert found(q="ничего") == []
    assert len(found(outcome="nonsense", after="nonsense")) == 2


def test_attempts_go_back_in_time_page_by_page(client, cabinet):
    now = timezone.now()
    for number in range(60):
        delivery = factories.make_delivery(cabinet.run, attempt_count=1)
        factories.make_attempt(delivery, started_at=now - timedelta(seconds=number // 3))
    url, seen, query = cabinet.run.get_absolute_url(), [], {}
    while True:
        page = client.get(url, query).context["page"]
        seen += [(a.started_at, a.pk) for a in page]
        if not page.following:
            break
        query = {"after": page.following}
    assert len(seen) == 61
    assert seen == sorted(seen, reverse=True)


def test_deliveries_show_their_last_attempt_and_are_filtered(client, cabinet):
    delivery = factories.make_delivery(cabinet.run, status="deferred", attempt_count=2)
    factories.make_attempt(delivery, number=1, reply="first")
    factories.make_attempt(delivery, number=2, reply="second")
    url = cabinet.run.get_absolute_url()
    page = client.get(url, {"tab": "deliveries", "status": "deferred"})
    assert [row.last_attempt.reply for row in page.context["page"]] == ["second"]
    assert len(client.get(url, {"tab": "deliveries"}).context["page"]) == 2


def test_times_are_in_the_mailings_zone_and_it_is_named(client, owner, draft):
    draft.time_zone = "Asia/Tokyo"
    draft.start_at = datetime(2040, 12, 1, 9, tzinfo=draft.zone)
    draft.save(update_fields=["time_zone", "start_at"])
    services.schedule_mailing(mailing=draft, by=owner)
    for url in (draft.get_absolute_url(), reverse("mailings:mailing_list")):
        page = client.get(url).content.decode()
        assert "09:00" in page
        assert "Токио" in page


def test_the_overview_of_a_newcomer_says_what_to_do(client, stranger):
    client.force_login(stranger)
    page = client.get(reverse("mailings:dashboard"))
    assert page.context["is_new"]
    done = [done for _what, _where, done in page.context["steps"].all]
    assert done == [True, False, False, False, False]  # no address waits to be confirmed


def test_the_overview_shows_the_week(client, owner, draft):
    draft.start_at = timezone.now() + timedelta(days=1)
    draft.save(update_fields=["start_at"])
    services.schedule_mailing(mailing=draft, by=owner)
    days = client.get(reverse("mailings:dashboard")).context["days"]
    assert len(days) == 7
    assert days[0].is_today
    assert [slot.name for slot in days[1].slots] == [draft.name]
    assert sum(len(day.slots) for day in days) == 6
    services.pause_mailing(mailing=draft, by=owner)
    days = client.get(reverse("mailings:dashboard")).context["days"]
    assert all(slot.is_held for day in days for slot in day.slots)


def test_the_overview_shows_what_sends_and_stops_when_nothing_does(client, cabinet):
    url = reverse("mailings:dashboard")
    headers = {"HX-Request": "true", "HX-Target": "now"}
    assert cabinet.mailing.name in client.get(url, headers=headers).content.decode()
    cabinet.run.status, cabinet.run.finished_at = "done", timezone.now()
    cabinet.run.save(update_fields=["status", "finished_at"])
    assert "every 2s" not in client.get(url, headers=headers).content.decode()


def test_the_report_adds_up(client, owner, stranger, cabinet):
    counts = {"targeted": 10, "sent_count": 6, "failed_count": 1, "skipped_count": 3}
    factories.make_run(cabinet.mailing, **counts)
    other = factories.make_mailing(owner)
    factories.make_run(other, **counts)
    factories.make_run(factories.make_mailing(stranger), **counts)
    context = client.get(reverse("mailings:report")).context
    assert context["total"].number == 3
    assert (context["total"].targeted, context["total"].sent_count) == (21, 12)
    sums = {m.pk: m.sums for m in context["page"]}
    assert (sums[other.pk].targeted, sums[other.pk].skipped_count) == (10, 3)
    assert sums[cabinet.mailing.pk].number == 2


def test_mailings_are_found_by_name_and_status(client, owner, cabinet):
    factories.make_mailing(owner, name="Осенняя")

    def found(**query):
        return len(client.get(reverse("mailings:mailing_list"), query).context["page"])

    assert found() == 2
    assert found(q="осенн") == 1
    assert found(status="running") == 1
    assert found(status="stopped") == 0


def test_a_big_run_says_more_than_without_counting(client, cabinet, monkeypatch):
    monkeypatch.setattr("mailings.web.keyset.COUNT_CAP", 5)
    run = cabinet.run
    run.targeted, run.sent_count = 7, 6
    run.save(update_fields=["targeted", "sent_count"])
    count = client.get(run.get_absolute_url()).context["attempt_count"]
    assert (count.number, count.capped) == (5, True)
