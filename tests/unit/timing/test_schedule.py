"""Wall-clock recurrence. Each case says in a comment what it guards."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.timing import schedule
from mailings.timing.schedule import Rule

MOSCOW = ZoneInfo("Europe/Moscow")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


def local(zone: ZoneInfo, text: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def walls(rule: Rule, numbers: range | list[int]) -> list[str]:
    found = [schedule.occurrence(rule, k) for k in numbers]
    return [at.astimezone(rule.zone).strftime("%Y-%m-%d %H:%M") for at in found if at]


def rule(start: str, frequency: str, zone: ZoneInfo = MOSCOW, end: str | None = None) -> Rule:
    return Rule(local(zone, start), zone, frequency, local(zone, end) if end else None)


@pytest.mark.parametrize(
    ("given_rule", "numbers", "expected"),
    [
        # The 31st is clamped, and comes back: computed from the anchor, not from February.
        (
            rule("2027-01-31 10:00", "monthly"),
            range(5),
            [
                "2027-01-31 10:00",
                "2027-02-28 10:00",
                "2027-03-31 10:00",
                "2027-04-30 10:00",
                "2027-05-31 10:00",
            ],
        ),
        # The same in a leap year.
        (
            rule("2028-01-31 10:00", "monthly"),
            range(3),
            ["2028-01-31 10:00", "2028-02-29 10:00", "2028-03-31 10:00"],
        ),
        # Begun on 29 February: the 29th of each month, the 28th in short Februaries.
        (
            rule("2028-02-29 09:30", "monthly"),
            [0, 1, 12, 48],
            ["2028-02-29 09:30", "2028-03-29 09:30", "2029-02-28 09:30", "2032-02-29 09:30"],
        ),
        # December to January.
        (rule("2027-11-30 00:00", "monthly"), [1, 2, 3],
         ["2027-12-30 00:00", "2028-01-30 00:00", "2028-02-29 00:00"]),
        # Over both DST changes the wall clock stays.
        (rule("2027-03-27 09:00", "daily", BERLIN), range(3),
         ["2027-03-27 09:00", "2027-03-28 09:00", "2027-03-29 09:00"]),
        (rule("2027-10-30 09:00", "daily", BERLIN), range(3),
         ["2027-10-30 09:00", "2027-10-31 09:00", "2027-11-01 09:00"]),
        # 02:30 does not exist on 28 March 2027: the first instant after the gap, then 02:30 again.
        (rule("2027-03-27 02:30", "daily", BERLIN), range(3),
         ["2027-03-27 02:30", "2027-03-28 03:00", "2027-03-29 02:30"]),
        # Weekly into New York's gap.
        (rule("2027-03-07 02:15", "weekly", NEW_YORK), range(3),
         ["2027-03-07 02:15", "2027-03-14 03:00", "2027-03-21 02:15"]),
        # Monthly into a gap.
        (rule("2027-02-28 02:59", "monthly", BERLIN), range(3),
         ["2027-02-28 02:59", "2027-03-28 03:00", "2027-04-28 02:59"]),
        # A change of half an hour.
        (rule("2027-10-02 02:10", "daily", LORD_HOWE), range(3),
         ["2027-10-02 02:10", "2027-10-03 02:30", "2027-10-04 02:10"]),
        # Samoa had no 30 December 2011 at all.
        (rule("2011-12-29 12:00", "daily", APIA), range(3),
         ["2011-12-29 12:00", "2011-12-31 00:00", "2011-12-31 12:00"]),
        # Once is once.
        (rule("2027-01-31 10:00", "once"), range(3), ["2027-01-31 10:00"]),
        # The end is exclusive.
        (rule("2027-01-01 10:00", "daily", end="2027-01-03 10:00"), range(5),
         ["2027-01-01 10:00", "2027-01-02 10:00"]),
        (rule("2027-01-01 10:00", "daily", end="2027-01-03 10:01"), range(5),
         ["2027-01-01 10:00", "2027-01-02 10:00", "2027-01-03 10:00"]),
    ],
)  # fmt: skip
def test_occurrences_keep_the_wall_clock(given_rule, numbers, expected):
    assert walls(given_rule, numbers) == expected


def test_a_time_that_happens_twice_counts_the_first_time_once():
    daily = rule("2027-10-30 02:30", "daily", BERLIN)
    assert schedule.occurrence(daily, 1) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC)
    just_before_the_second = datetime(2027, 10, 31, 1, 25, tzinfo=UTC)
    assert schedule.following(daily, just_before_the_second) == (
        2,
        datetime(2027, 11, 1, 1, 30, tzinfo=UTC),
    )


def test_a_start_in_the_second_of_two_equal_hours_stays_where_the_owner_put_it():
    start = local(BERLIN, "2027-10-31 02:30", fold=1)
    assert schedule.occurrence(Rule(start, BERLIN, "daily"), 0) == start.astimezone(UTC)


def test_the_gap_ends_on_the_exact_instant_whatever_the_seconds():
    daily = Rule(datetime(2027, 3, 27, 2, 59, 59, 999_999, tzinfo=BERLIN), BERLIN, "daily")
    assert schedule.occurrence(daily, 1) == datetime(2027, 3, 28, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("2027-01-31 09:59", (0, "2027-01-31 10:00")),
        ("2027-01-31 10:00", (1, "2027-02-28 10:00")),  # strictly after
        ("2027-03-15 00:00", (2, "2027-03-31 10:00")),
        ("2026-06-01 00:00", (0, "2027-01-31 10:00")),  # long before
        ("2127-01-31 10:00", (1201, "2127-02-28 10:00")),  # a hundred years on, at once
    ],
)
def test_following_is_the_first_strictly_after(after, expected):
    found = schedule.following(rule("2027-01-31 10:00", "monthly"), local(MOSCOW, after))
    assert found == (expected[0], local(MOSCOW, expected[1]))


def test_downtime_over_several_occurrences_leaves_one_latest():
    daily = rule("2027-01-01 10:00", "daily")
    assert schedule.latest(daily, local(MOSCOW, "2027-01-04 09:00")) == (
        2,
        local(MOSCOW, "2027-01-03 10:00"),
    )
    assert schedule.latest(daily, local(MOSCOW, "2027-01-01 09:59")) is None


def test_nothing_follows_the_end():
    daily = rule("2027-01-01 10:00", "daily", end="2027-01-03 10:00")
    assert schedule.following(daily, local(MOSCOW, "2027-01-02 10:00")) is None
    assert schedule.following(rule("2027-01-01 10:00", "once"), local(MOSCOW, "2027-01-02")) is None


def test_upcoming_stops_at_the_limit_or_the_end():
    weekly = rule("2027-01-01 10:00", "weekly", end="2027-01-20 00:00")
    before = local(MOSCOW, "2026-12-31 00:00")
    assert len(schedule.upcoming(weekly, before, 2)) == 2
    assert len(schedule.upcoming(weekly, before, 10)) == 3


@pytest.mark.parametrize(
    ("given_rule", "expected"),
    [
        (rule("2027-01-01 10:00", "once"), 1),
        (rule("2027-01-01 10:00", "daily"), None),
        (rule("2027-01-01 10:00", "daily", end="2027-01-01 10:01"), 1),
        (rule("2027-01-01 10:00", "daily", end="2028-01-01 10:00"), 365),
        (rule("2027-01-31 10:00", "monthly", end="2027-03-31 10:00"), 2),
        (rule("2027-01-31 10:00", "monthly", end="2027-03-31 10:01"), 3),
        (rule("2027-01-01 10:00", "weekly", end="2127-01-01 00:00"), 5218),
    ],
)
def test_count_is_exact(given_rule, expected):
    assert schedule.count(given_rule) == expected


def test_the_end_of_the_calendar_is_an_end():
    assert schedule.occurrence(rule("9999-12-01 00:00", "monthly"), 1) is None


@given(
    year=st.integers(2000, 2090),
    into_year=st.timedeltas(timedelta(0), timedelta(days=366)),
    zone=st.sampled_from([MOSCOW, BERLIN, NEW_YORK, APIA, LORD_HOWE]),
    frequency=st.sampled_from(["daily", "weekly", "monthly"]),
    k=st.integers(0, 2000),
)
def test_following_agrees_with_occurrence(year, into_year, zone, frequency, k):
    series = Rule(datetime(year, 1, 1, tzinfo=zone) + into_year, zone, frequency)
    at = schedule.occurrence(series, k)
    number, found = schedule.following(series, at - timedelta(microseconds=1))
    assert found == at
    # Only a skipped day makes two numbers share an instant.
    assert number == k or (zone is APIA and schedule.occurrence(series, number) == at)
    assert schedule.latest(series, at)[1] == at
