"""A mail service has its day: so many mails, more from day to day while it is new; the rest waits,
and everybody who looks is told."""

from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from mailings.campaigns import forecast, services
from mailings.delivery.queue import backlog, claiming, daily_limit, lease
from mailings.delivery.runs import planning
from mailings.delivery.session import daily_meter
from mailings.delivery.session.daily_meter import DailyMeter
from mailings.models import Chunk, Delivery, Run, Transport
from mailings.models.transport import BreakerState
from mailings.reports import progress
from mailings.signals import deliveries_ready
from mailings.states import Outcome
from mailings.timing import clock
from tests import factories
from tests.integration.delivery.test_session import (  # noqa: F401 - a fixture
    arrived,
    running,
    send,
    server,
    statuses,
)

pytestmark = pytest.mark.django_db(transaction=True)

NOON = datetime(2026, 12, 1, 9, tzinfo=UTC)  # in Moscow
DAY = timedelta(days=1)


def service(**fields) -> Transport:
    row = Transport.objects.first() or Transport.objects.create(name="S")
    Transport.objects.filter(pk=row.pk).update(**fields)
    row.refresh_from_db()
    return row


def a_day(row: Transport, now: datetime, mails: int) -> tuple[int | None, int]:
    """Send so many on a day; return what it allowed and what it gave."""
    allowed = daily_limit.today(row, now).allowed
    given = 0
    while given < mails and (got := daily_limit.take(row.pk, now).mails):
        given += got
    if given > mails:
        daily_limit.give_back(row.pk, given - mails, daily_limit.today(row, now).day)
        given = mails
    row.refresh_from_db()
    return allowed, given


# ---------------------------------------------------------------- how a day grows


def test_each_day_that_is_used_doubles_the_next_up_to_the_limit():
    row = service(warm_up_from=200, mails_per_day=1_000)
    found = [a_day(row, NOON + n * DAY, 9_999) for n in range(5)]
    assert found == [(200, 200), (400, 400), (800, 800), (1_000, 1_000), (1_000, 1_000)]
    assert not daily_limit.today(row, NOON + 4 * DAY).is_warm_up


def test_without_a_limit_it_is_over_after_two_weeks():
    row = service(warm_up_from=1, warm_up_step=13)
    assert a_day(row, NOON, 10_000) == (2**13, 2**13)
    assert daily_limit.today(row, NOON + DAY).allowed is None


def test_a_day_on_which_little_went_is_no_step():
    row = service(warm_up_from=200)
    assert a_day(row, NOON, 99) == (200, 99)
    assert a_day(row, NOON + DAY, 100) == (200, 100)
    assert daily_limit.today(row, NOON + 30 * DAY).allowed == 400


def test_days_are_those_of_the_service():
    row = service(mails_per_day=5)
    evening = datetime(2026, 12, 1, 20, 59, tzinfo=UTC)  # 23:59 in Moscow
    a_day(row, evening, 5)
    assert daily_limit.today(row, evening).is_used_up
    assert daily_limit.today(row, evening).ends_at == evening + timedelta(minutes=1)
    assert daily_limit.today(row, evening + timedelta(minutes=1)).left == 5


@pytest.mark.parametrize("jump", [timedelta(hours=-20), timedelta(days=-400)])
def test_a_clock_that_is_set_back_gives_nothing_anew_and_loses_no_day(jump):
    row = service(warm_up_from=200)
    a_day(row, NOON, 200)
    assert daily_limit.today(row, NOON + jump).is_used_up
    assert daily_limit.take(row.pk, NOON + jump).mails == 0
    assert daily_limit.today(row, NOON + DAY).allowed == 400


def test_a_clock_that_jumps_ahead_is_one_step_at_most():
    row = service(warm_up_from=200)
    a_day(row, NOON, 200)
    assert a_day(row, NOON + 300 * DAY, 400) == (400, 400)
    assert daily_limit.today(row, NOON + DAY).is_used_up  # set right again: the same day still
    assert daily_limit.take(row.pk, NOON + DAY).mails == 0


def test_a_clock_that_was_ahead_does_not_stop_the_mail_until_then():
    row = service(mails_per_day=5)
    a_day(row, NOON + 300 * DAY, 5)
    daily_limit.set_right(row, NOON)
    assert daily_limit.today(row, NOON).is_used_up
    assert daily_limit.today(row, NOON + DAY).left == 5
    row.refresh_from_db()
    assert row.counted_on == NOON.date()


def test_a_clock_that_goes_back_over_midnight_and_on_again_begins_no_second_day():
    row = service(mails_per_day=100)
    a_day(row, NOON, 60)
    assert a_day(row, NOON - DAY / 2, 20)[1] == 20  # on the evening before
    assert daily_limit.today(row, NOON).left == 20
    assert daily_limit.today(row, NOON - DAY / 2).ends_at == daily_limit.today(row, NOON).ends_at


def test_the_last_day_of_a_big_mailing():
    row = service(warm_up_from=200)
    first_midnight = daily_limit.today(row, NOON).ends_at
    assert daily_limit.done_on(row, NOON, 200) is None
    assert daily_limit.done_on(row, NOON, 600) == first_midnight
    assert daily_limit.done_on(row, NOON, 601) == first_midnight + DAY
    service(warm_up_from=None, mails_per_day=1)
    row.refresh_from_db()
    assert daily_limit.done_on(row, NOON, 100_000) is None


# ---------------------------------------------------------------- many workers


def test_workers_together_take_no_more_than_the_day():
    row = service(mails_per_day=500)
    barrier, taken = Barrier(4), []

    def work() -> None:
        barrier.wait()
        try:
            while got := daily_limit.take(row.pk, NOON).mails:
                taken.append(got)
        finally:
            connection.close()

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) == 500
    assert max(taken) <= 125


def test_a_mail_costs_no_query_and_what_is_left_goes_back():
    row = service(mails_per_day=100)
    meter = DailyMeter(row)
    assert not meter.take()
    meter.top_up()
    with CaptureQueriesContext(connection) as queries:
        assert all(meter.take() for _ in range(5))
        meter.refund()
    assert not queries
    meter.close()
    row.refresh_from_db()
    assert (row.counted, meter.left) == (4, 0)


def test_what_a_worker_holds_at_midnight_is_not_sent_on_top_of_the_next_day(monkeypatch):
    row = service(mails_per_day=100)
    instant = datetime(2026, 12, 1, 20, 59, 50, tzinfo=UTC)  # ten seconds are left in Moscow
    seconds = 0.0
    monkeypatch.setattr(clock, "now", lambda: instant + timedelta(seconds=seconds))
    monkeypatch.setattr(daily_meter, "monotonic", lambda: seconds)
    meter = DailyMeter(row)
    meter.top_up()
    assert all(meter.take() for _ in range(5))
    seconds = 10.0
    assert not meter.take()
    row.refresh_from_db()
    meter.top_up()
    row.refresh_from_db()
    assert (row.counted_on.day, row.counted, meter.left) == (2, 25, 25)
    assert meter.take()
    meter.close()
    row.refresh_from_db()
    assert row.counted == 1


def test_a_day_that_was_used_up_is_not_when_the_next_has_begun(monkeypatch):
    row = service(mails_per_day=10, counted_on=datetime(2026, 12, 1, tzinfo=UTC), counted=10)
    instant = datetime(2026, 12, 1, 20, 59, 50, tzinfo=UTC)
    seconds = 0.0
    monkeypatch.setattr(clock, "now", lambda: instant + timedelta(seconds=seconds))
    monkeypatch.setattr(daily_meter, "monotonic", lambda: seconds)
    meter = DailyMeter(row)
    meter.top_up()
    assert meter.is_used_up
    seconds = 11.0
    assert not meter.is_used_up
    meter.top_up()
    assert meter.left == 10


def test_a_limit_that_is_lifted_meanwhile_takes_nothing_off_the_count():
    row = service(mails_per_day=100)
    a_day(row, clock.now(), 80)
    meter = DailyMeter(row)
    service(mails_per_day=None)
    meter.top_up()
    assert meter.take()
    meter.close()
    row.refresh_from_db()
    assert row.counted == 81


# ---------------------------------------------------------------- sending


def next_day() -> None:
    Transport.objects.update(counted_on=clock.now().date() - 2 * DAY)


def test_the_rest_waits_for_tomorrow_and_a_worker_is_woken_then(owner, server):  # noqa: F811
    run = running(owner, 60, connections=4)
    service(warm_up_from=20)
    rung = []

    def listen(**kwargs) -> None:
        rung.append(kwargs["at"])

    deliveries_ready.connect(listen)
    try:
        assert send() == {Outcome.ACCEPTED: 20}
        assert send() == {}, "nothing is begun while the day is used up"
    finally:
        deliveries_ready.disconnect(listen)
    assert statuses(run) == {"sent": 20, "pending": 40}
    row = Transport.objects.get()
    assert row.counted == 20
    midnight = daily_limit.today(row, clock.now()).ends_at
    assert rung == [midnight, midnight]
    assert not Chunk.objects.exclude(worker=None).exists()

    next_day()
    assert send() == {Outcome.ACCEPTED: 40}
    assert statuses(run) == {"sent": 60}
    assert set(arrived(server).values()) == {1}


def test_a_day_that_is_used_up_is_no_stand_still(owner, server):  # noqa: F811
    run = running(owner, 30)
    service(mails_per_day=10)
    send()
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.update(created_at=long_ago)
    run.mailing.__class__.objects.update(status_at=long_ago)
    service(last_ok_at=long_ago)
    assert not backlog.stuck_runs(timezone.now())
    next_day()
    assert list(backlog.stuck_runs(timezone.now())) == [run]


def test_what_is_refused_counts_and_what_finds_no_service_does_not(owner, server):  # noqa: F811
    running(owner, 10, connections=1)
    service(mails_per_day=100)
    server.script["rcpt"] = ["550 5.1.1 No such user"]
    send()
    assert Transport.objects.get().counted == 10


def test_a_service_that_is_away_uses_up_nothing(owner, server):  # noqa: F811
    running(owner, 10, connections=2)
    service(mails_per_day=100)
    server.script["banner"] = ["554 no"] * 50
    send()
    assert Transport.objects.get().counted == 0
    assert not Delivery.objects.filter(tries__gt=0).exists()


def test_what_a_pause_takes_back_is_not_counted(owner, server, monkeypatch):  # noqa: F811
    run = running(owner, 40, connections=4)
    service(mails_per_day=100)
    claim = claiming.claim

    def claim_and_pause(*arguments):
        claimed = claim(*arguments)
        services.pause_mailing(mailing=run.mailing, by=owner)
        return claimed

    monkeypatch.setattr(claiming, "claim", claim_and_pause)
    assert send() == {}
    assert server.count_of("MAIL") > 0
    assert statuses(run) == {"pending": 40}
    assert Transport.objects.get().counted == 0


def test_a_session_that_fails_by_a_fault_of_our_own_keeps_no_mails(owner, server, monkeypatch):  # noqa: F811
    running(owner, 5)
    service(mails_per_day=100)

    def fail(*arguments):
        raise RuntimeError("a fault")

    monkeypatch.setattr(claiming, "claim", fail)
    send()
    assert Transport.objects.get().counted == 0


def test_without_a_limit_nothing_is_counted(owner, server):  # noqa: F811
    running(owner, 5)
    assert send() == {Outcome.ACCEPTED: 5}
    row = Transport.objects.get()
    assert (row.counted_on, row.counted) == (None, 0)


# ---------------------------------------------------------------- what is said of it


def test_the_pages_say_when_the_rest_goes(client, owner, server):  # noqa: F811
    run = running(owner, 70)
    service(warm_up_from=10)
    send()
    owner.language = "en"
    owner.save()
    client.force_login(owner)
    for url in (run.mailing.get_absolute_url(), run.get_absolute_url(), "/app/"):
        page = " ".join(client.get(url).content.decode().split())
        assert "The mail service is being warmed up: 10 messages today, the rest goes from" in page
        assert "The last ones go on" in page
        assert "ill be done at about" not in page


def test_what_fits_into_today_is_promised_as_ever(owner, server):  # noqa: F811
    run = running(owner, 10)
    service(warm_up_from=10)
    assert progress.of(run.mailing, run, timezone.now()).day_limit is None


def test_what_a_worker_is_about_to_send_is_not_put_off_to_tomorrow(owner, server):  # noqa: F811
    run = running(owner, 12)
    row = service(mails_per_day=12)
    worker = claiming.enlist(timezone.now())
    assert daily_limit.take(row.pk, timezone.now()).mails == 10
    assert progress.of(run.mailing, run, timezone.now()).day_limit is None
    lease.end(worker)  # killed, and its lot with it
    assert progress.of(run.mailing, run, timezone.now()).day_limit is not None


def test_the_form_says_so_before_it_is_sent(owner):
    service(name="S", mails_per_day=2)
    clients = factories.make_clients(owner, 3)
    mailing = factories.make_mailing(owner, clients=clients)
    said = forecast.of(mailing, timezone.now()).day_limit
    assert said is not None
    assert (said.allowed, said.is_warm_up, said.takes_days) == (2, False, False)
    service(mails_per_day=3)
    assert forecast.of(mailing, timezone.now()).day_limit is None
    services.schedule_mailing(mailing=mailing, by=owner)


@pytest.mark.parametrize(("days", "is_cut_short"), [(1, True), (2, True), (3, False)])
def test_who_ends_a_mailing_before_its_last_ones_can_go_is_told(client, owner, days, is_cut_short):
    row = service(name="S", mails_per_day=2)
    end = daily_limit.today(row, timezone.now()).ends_at + (days - 1) * DAY
    clients = factories.make_clients(owner, 5)
    mailing = factories.make_mailing(owner, clients=clients, end_at=end)
    said = forecast.of(mailing, timezone.now()).day_limit
    assert said is not None
    assert said.is_cut_short == is_cut_short
    services.schedule_mailing(mailing=mailing, by=owner)
    planning.plan(timezone.now())
    owner.language = "en"
    owner.save()
    client.force_login(owner)
    page = client.get(mailing.get_absolute_url()).content.decode()
    assert ("what is left then is not sent" in page) == is_cut_short


def test_of_two_services_the_days_add_up_and_one_without_a_limit_has_none():
    one = service(mails_per_day=10)
    two = Transport.objects.create(name="T", mails_per_day=5)
    assert progress.DayLimit.of([one, two], 15, NOON) is None
    said = progress.DayLimit.of([one, two], 16, NOON)
    assert said is not None
    assert (said.allowed, said.done_on) == (15, None)
    two.mails_per_day = None
    assert progress.DayLimit.of([one, two], 16, NOON) is None


# ---------------------------------------------------------------- the account's own quota


@pytest.mark.parametrize("step", ["mail", "rcpt", "dot"])
def test_a_daily_quota_of_the_account_is_not_run_against(owner, server, step):  # noqa: F811
    run = running(owner, 40, connections=4)
    server.script[step] = ["450 4.7.1 daily quota exceeded"] * 500
    for _ in range(3):
        send()
    assert server.count_of("MAIL") <= 20  # five, and what was on its way, an envelope each
    assert Transport.objects.get().breaker_state == BreakerState.OPEN
    assert run.deliveries.exclude(tries=0).count() == 0
    assert not run.deliveries.filter(status="failed").exists()
    server.script.clear()
    past = timezone.now() - timedelta(seconds=1)
    Transport.objects.update(breaker_until=past)
    Delivery.objects.exclude(next_attempt_at=None).update(next_attempt_at=past)
    send()
    Delivery.objects.exclude(next_attempt_at=None).update(next_attempt_at=past)
    send()
    assert statuses(run) == {"sent": 40}
