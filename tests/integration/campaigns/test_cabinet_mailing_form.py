"""The form of a mailing: what it takes, what it refuses, what it says will happen."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse
from django.utils import timezone

from mailings.models import Mailing
from mailings.models.suppression import SuppressionReason
from mailings.suppression import stop_list
from tests import factories
from tests.integration.cabinet import in_language, mailing_data, make_cabinet, speak

NEW = reverse("mailings:mailing_create")
MOSCOW = ZoneInfo("Europe/Moscow")


@pytest.fixture
def cabinet(client, owner):
    client.force_login(owner)
    return make_cabinet(owner)


def post(client, cabinet, **fields):
    return client.post(NEW, mailing_data(cabinet, **fields))


def options(page, field) -> list[int]:
    return [row.pk for row in page.context["form"].fields[field].queryset]


def made() -> Mailing:
    return Mailing.objects.get(name="Декабрьский адвент")


def live(client, cabinet, target: str, url: str = NEW, **fields):
    data = mailing_data(cabinet, action=None, **fields)
    return client.post(url, data, headers={"HX-Request": "true", "HX-Target": target})


# ------------------------------------------------------------------ what it takes


def test_a_mailing_is_scheduled_and_told(client, owner, cabinet):
    single = factories.make_client(owner)
    response = client.post(NEW, mailing_data(cabinet, clients=[single.pk]), follow=True)
    mailing = made()
    assert mailing.owner == owner
    assert mailing.status == "created"
    assert list(mailing.lists.all()) == [cabinet.list]
    assert list(mailing.clients.all()) == [single]
    assert mailing.next_run_at == datetime(2040, 12, 1, 9, tzinfo=MOSCOW)
    said = str(next(iter(response.context["messages"])))
    assert mailing.name in said
    assert "09:00" in said
    assert "Москва" in said


def test_a_draft_may_be_half_a_mailing(client, cabinet):
    post(client, cabinet, action="save", lists=None, end_at="", start_at="")
    assert made().status == "draft"
    assert made().end_at is None
    assert made().lists.count() == 0


def test_times_are_those_of_the_mailings_zone_not_of_the_reader(client, owner, cabinet):
    assert owner.time_zone == "Europe/Moscow"
    post(client, cabinet, time_zone="Asia/Tokyo", start_at="2040-12-01T09:00")
    assert made().start_at == datetime(2040, 12, 1, 0, 0, tzinfo=UTC)
    page = client.get(reverse("mailings:mailing_update", args=[made().pk]))
    assert 'value="2040-12-01T09:00"' in page.content.decode()


def test_a_start_in_the_past_with_an_end_ahead_goes_at_once(client, cabinet):
    before = timezone.now()
    post(client, cabinet, start_at="2020-01-01T09:00")
    assert made().status == "created"
    assert before <= made().next_run_at <= timezone.now()


def test_an_empty_start_means_at_once(client, cabinet):
    post(client, cabinet, start_at="", end_at="", frequency="once")
    assert abs(made().start_at - timezone.now()) < timedelta(minutes=1)
    assert made().next_run_at <= timezone.now()


@pytest.mark.parametrize("text", ["01.12.2040 09:00", "2040-12-01 09:00", "2040-12-01T09:00:00"])
def test_a_date_may_be_typed(client, cabinet, text):
    post(client, cabinet, start_at=text)
    assert made().start_at == datetime(2040, 12, 1, 9, tzinfo=MOSCOW)


def test_the_earlier_of_two_equal_wall_times_is_meant(client, cabinet):
    post(client, cabinet, time_zone="Europe/Berlin", start_at="2039-10-30T02:30")
    assert made().start_at == datetime(2039, 10, 30, 0, 30, tzinfo=UTC)


# ------------------------------------------------------------------ what it refuses

BAD = {
    "end before start": (
        {"end_at": "2040-11-30T23:59"},
        "end_at",
        "The end comes before the first run. Set a date after %(start)s.",
    ),
    "end at start": (
        {"end_at": "2040-12-01T09:00"},
        "end_at",
        "The end comes before the first run. Set a date after %(start)s.",
    ),
    "both in the past": (
        {"start_at": "2020-01-01T09:00", "end_at": "2020-02-01T09:00"},
        "end_at",
        "The end has passed already. Set a later one, or leave it empty.",
    ),
    "no recipients": (
        {"lists": None},
        "lists",
        "Nobody would get this mailing. Choose a list with clients, a segment, or clients.",
    ),
    "no message": ({"message": ""}, "message", "Choose a message."),
    "not a date": (
        {"start_at": "завтра"},
        "start_at",
        "Write the date and time like 01.12.2026 09:00.",
    ),
    "a year out of reach": (
        {"start_at": "0001-01-01T00:00"},
        "start_at",
        "Write the date and time like 01.12.2026 09:00.",
    ),
    "a time that clocks skip": (
        {"start_at": "2040-03-25T02:30", "time_zone": "Europe/Berlin"},
        "start_at",
        "On %(day)s clocks in %(zone)s skip %(time)s. Choose another time.",
    ),
    "no such zone": (
        {"time_zone": "Mars/Olympus"},
        "time_zone",
        "There is no such time zone. Choose another.",
    ),
    "a header in the name": (
        {"sender_name": "Двор\r\nBcc: b@y.ru"},
        "sender_name",
        "Write it in one line, without special characters.",
    ),
}


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_said_and_nothing_is_lost(client, owner, cabinet, case, language):
    speak(owner, language)
    fields, field, text = BAD[case]
    before = Mailing.objects.count()
    page = post(client, cabinet, **fields)
    assert page.status_code == 200
    said = " ".join(page.context["form"].errors[field])
    for part in in_language(language, text).replace("%(start)s", "\0").split("\0"):
        assert part.split("%(")[0].strip() in said
    shown = page.content.decode()
    assert 'value="Декабрьский адвент"' in shown
    assert 'value="Книжный двор"' in shown or field == "sender_name"
    assert Mailing.objects.count() == before


@pytest.mark.parametrize("field", ["message", "lists", "clients"])
def test_a_foreign_id_is_a_form_error_and_nothing_is_lost(client, cabinet, stranger, field):
    foreign = make_cabinet(stranger)
    kind = {"message": "message", "lists": "list", "clients": "client"}[field]
    before = Mailing.objects.count()
    for value in (foreign.row(kind).pk, 987654321, "x", "1 OR 1=1"):
        page = post(client, cabinet, **{field: value})
        assert page.status_code == 200
        assert page.context["form"].errors[field]
        assert 'value="Декабрьский адвент"' in page.content.decode()
        assert value not in options(page, field)
    assert Mailing.objects.count() == before


def test_everybody_suppressed_is_nobody(client, owner, cabinet):
    alone = factories.make_client(owner)
    stop_list.suppress(alone.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    page = post(client, cabinet, lists=None, clients=[alone.pk])
    assert page.context["form"].errors["lists"]
    assert page.context["forecast"].recipients.suppressed == 1


def test_a_message_with_an_unknown_variable_is_not_scheduled(client, owner, cabinet):
    broken = factories.make_message(owner, subject="{{ zzqq }}")
    page = post(client, cabinet, message=broken.pk)
    assert "zzqq" in page.context["form"].errors["message"][0]
    response = post(client, cabinet, message=broken.pk, action="save")
    assert response.status_code == 302


def test_what_the_rules_refuse_is_said_in_the_form_and_may_be_tried_again(client, owner, cabinet):
    from allauth.account.models import EmailAddress

    EmailAddress.objects.create(user=owner, email=owner.email, verified=False)
    page = post(client, cabinet)
    assert page.context["form"].non_field_errors()
    assert not Mailing.objects.filter(name="Декабрьский адвент").exists()
    assert "object" not in page.context
    EmailAddress.objects.update(verified=True)
    assert post(client, cabinet).status_code == 302


# ------------------------------------------------------------------ changing one


def update(client, mailing, cabinet, **fields):
    url = reverse("mailings:mailing_update", args=[mailing.pk])
    return client.post(url, mailing_data(cabinet, **({"action": "save"} | fields)))


def test_new_times_of_a_created_mailing_move_its_next_run(client, cabinet):
    post(client, cabinet)
    update(client, made(), cabinet, start_at="2040-12-05T10:00")
    assert made().status == "created"
    assert made().next_run_at == datetime(2040, 12, 5, 10, tzinfo=MOSCOW)


def test_a_changed_name_leaves_the_times_alone(client, cabinet):
    post(client, cabinet, start_at="", end_at="", frequency="once")
    mailing = made()
    update(
        client, mailing, cabinet, frequency="once", end_at="", sender_name="Другое",
        start_at=f"{mailing.start_at.astimezone(MOSCOW):%Y-%m-%dT%H:%M}",
    )  # fmt: skip
    assert made().sender_name == "Другое"
    assert made().start_at == mailing.start_at
    assert made().next_run_at == mailing.next_run_at


def test_the_first_run_stays_once_it_has_been(client, owner, cabinet):
    mailing = factories.make_mailing(
        owner, lists=[cabinet.list], status="running", frequency="daily",
        start_at=timezone.now() - timedelta(days=3),
    )  # fmt: skip
    factories.make_run(mailing, scheduled_for=mailing.start_at)
    update(client, mailing, cabinet, start_at="2041-01-01T00:00", time_zone="Asia/Tokyo")
    changed = Mailing.objects.get(pk=mailing.pk)
    assert changed.name == "Декабрьский адвент"
    assert changed.start_at == mailing.start_at
    assert changed.time_zone == mailing.time_zone
    assert changed.end_at == datetime(2040, 12, 24, 9, tzinfo=MOSCOW)


def test_a_status_that_changed_meanwhile_is_not_overwritten(client, owner, cabinet):
    post(client, cabinet)
    mailing = made()
    Mailing.objects.filter(pk=mailing.pk).update(status="running", name="Иначе")
    update(client, mailing, cabinet)
    assert Mailing.objects.get(pk=mailing.pk).status == "running"


@pytest.mark.parametrize("status", ["completed", "cancelled", "stopped"])
def test_what_is_over_is_not_changed(client, owner, cabinet, status):
    mailing = factories.make_mailing(owner, lists=[cabinet.list], status=status)
    response = update(client, mailing, cabinet)
    assert response.url == mailing.get_absolute_url()
    mailing.refresh_from_db()
    assert mailing.name != "Декабрьский адвент"


def test_a_copy_takes_everything_but_the_times(client, owner, cabinet):
    page = client.get(NEW, {"copy": cabinet.mailing.pk})
    form = page.context["form"]
    assert form["message"].value() == cabinet.message.pk
    assert [row.pk for row, ticked in form.list_picks if ticked] == [cabinet.list.pk]
    assert form["start_at"].value() is None


# ------------------------------------------------------------------ what will happen


def test_after_the_first_run_only_what_follows_is_told(client, owner, cabinet):
    start = timezone.now() - timedelta(days=2, hours=1)
    mailing = factories.make_mailing(
        owner, lists=[cabinet.list], status="running", frequency="daily",
        start_at=start, end_at=start + timedelta(days=10),
    )  # fmt: skip
    factories.make_run(mailing, scheduled_for=start)
    page = client.get(reverse("mailings:mailing_update", args=[mailing.pk]))
    forecast = page.context["forecast"]
    assert not forecast.starts_now
    assert forecast.following == start + timedelta(days=3)
    assert forecast.runs == 7


def test_looking_stores_nothing_and_loses_nothing(client, cabinet):
    before = Mailing.objects.count()
    page = post(client, cabinet, action="check", end_at="2040-11-30T00:00")
    assert page.status_code == 200
    assert Mailing.objects.count() == before
    assert page.context["form"].errors["end_at"][0] in page.content.decode()
    assert 'value="Декабрьский адвент"' in page.content.decode()


def test_the_live_part_is_the_same_as_in_the_page(client, cabinet):
    whole = post(client, cabinet, action="check").content.decode()
    part = live(client, cabinet, "forecast").content.decode()
    assert "<form" not in part
    assert part.strip() in whole


def test_the_forecast_counts_everybody_once_without_the_suppressed(client, owner, cabinet):
    both, suppressed, single = factories.make_clients(owner, 3)
    one = factories.make_list(owner, [both, suppressed], name="Раз")
    two = factories.make_list(owner, [both], name="Два")
    stop_list.suppress(suppressed.email, reason=SuppressionReason.UNSUBSCRIBED, owner_id=owner.pk)
    page = live(client, cabinet, "forecast", lists=[one.pk, two.pk], clients=[single.pk, both.pk])
    forecast = page.context["forecast"]
    assert (forecast.recipients.total, forecast.recipients.will_get) == (3, 2)
    assert "Раз" in forecast.to_whom
    assert forecast.runs == 23


@pytest.mark.parametrize(("language", "conjunction"), [("ru", " и "), ("en", " and ")])
def test_lists_and_single_clients_are_joined_in_the_readers_language(
    client, owner, cabinet, language, conjunction
):
    speak(owner, language)
    page = live(client, cabinet, "forecast", clients=[factories.make_client(owner).pk])
    assert page.context["forecast"].to_whom.count(conjunction) == 1


def test_faulty_times_are_said_in_the_forecast(client, owner, cabinet):
    speak(owner, "en")
    page = live(client, cabinet, "forecast", end_at="2040-11-30T00:00")
    assert page.context["forecast"].rule is None
    assert "The end comes before the first run." in page.content.decode()


def test_an_empty_form_is_not_blamed(client, owner, cabinet):
    data = {"frequency": "once", "time_zone": "Europe/Moscow"}
    page = client.post(NEW, data, headers={"HX-Request": "true", "HX-Target": "forecast"})
    assert page.status_code == 200
    assert page.context["forecast"].faults == []


def test_single_clients_are_found_and_the_chosen_stay(client, owner, stranger, cabinet):
    chosen = factories.make_client(owner, full_name="Выбранный")
    factories.make_client(owner, full_name="Иванова Анна")
    factories.make_client(stranger, full_name="Иванова Чужая")
    page = live(client, cabinet, "client-picks", clients=[chosen.pk], find="иванова")
    picks = {c.full_name: ticked for c, ticked in page.context["form"].client_picks}
    assert picks == {"Выбранный": True, "Иванова Анна": False}
    whole = post(client, cabinet, action="find", clients=[chosen.pk], find="иванова", name="")
    assert "Иванова Анна" in whole.content.decode()
    assert not whole.context["form"].errors


def test_a_live_part_after_the_session_ended_reloads_the_page(client, cabinet):
    client.logout()
    response = live(client, cabinet, "forecast")
    assert response.status_code == 204
    assert response["HX-Refresh"] == "true"
