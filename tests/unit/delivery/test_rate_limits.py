"""How fast a mail service may be used: token buckets, shares, slow-downs, an operator's lines."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailings.delivery.session import rate_limits
from mailings.delivery.session.rate_limits import (
    GROW_AFTER,
    BadLimit,
    RateLimits,
    TokenBucket,
    read_domain_limits,
    write_domain_limits,
)

FREE = "example.org"
rates = st.floats(0.001, 100_000)
bursts = st.floats(1, 1000)
instants = st.floats(0, 1e6)
gaps = st.lists(st.floats(0, 10), min_size=1, max_size=60)


def drain(bucket: TokenBucket, now: float, most: int = 5000) -> int:
    """Return how many go at once."""
    for taken in range(most):
        if bucket.take(now):
            return taken
    return most


# ---------------------------------------------------------------- one bucket


def test_a_rested_bucket_gives_its_burst_then_keeps_its_pace():
    bucket = TokenBucket(rate=10, burst=5)
    assert drain(bucket, 100.0) == 5
    assert bucket.take(100.0) == pytest.approx(0.1)
    assert bucket.take(100.1) == 0.0
    assert bucket.take(100.1) == pytest.approx(0.1)
    assert drain(bucket, 200.0) == 5  # a long rest saves up no more than the burst


@given(rates, bursts, instants, gaps)
def test_no_window_sees_more_than_rate_and_burst_allow(rate, burst, start, gaps):
    bucket = TokenBucket(rate, burst)
    now, taken = start, []
    for gap in gaps:
        now += gap
        while len(taken) < 3000 and not bucket.take(now):
            taken.append(now)
    for first in range(0, len(taken), 7):
        for last in range(first, len(taken), 11):
            allowed = (taken[last] - taken[first]) * rate + burst
            assert last - first + 1 <= allowed * (1 + 1e-6) + 1e-6 * rate + 1


@given(rates, bursts, instants)
def test_who_waits_as_long_as_told_is_let_through(rate, burst, now):
    bucket = TokenBucket(rate, burst)
    for _ in range(20):
        wait = bucket.take(now)
        if wait:
            assert bucket.wait(now) == wait
            now += wait
            assert bucket.take(now) == 0.0


@given(rates, bursts, instants, st.integers(1, 50))
def test_asking_takes_nothing(rate, burst, now, times):
    asked, silent = TokenBucket(rate, burst), TokenBucket(rate, burst)
    for _ in range(times):
        asked.wait(now)
    assert drain(asked, now, 2000) == drain(silent, now, 2000)


def test_a_changed_pace_keeps_what_was_taken():
    bucket = TokenBucket(rate=1)
    bucket.take(0.0)
    bucket.set_rate(rate=100)
    assert bucket.take(0.5) == pytest.approx(0.5)
    assert bucket.take(1.0) == 0.0
    assert bucket.take(1.0) == pytest.approx(0.01)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0), (1, 0.5)])
def test_a_bucket_that_could_never_give_is_refused(rate, burst):
    with pytest.raises(ValueError, match="rate"):
        TokenBucket(rate, burst)


# ---------------------------------------------------------------- a transport


def test_without_limits_every_mail_goes():
    free = RateLimits(connections=10)
    assert [free.take(FREE, 0.0) for _ in range(1000)] == [0.0] * 1000
    assert free.waits(0.0) == 0.0
    assert free.connections(0.0) == 10


def test_the_rate_of_the_service_holds_for_all_domains_together():
    slow = RateLimits(connections=10, rate_per_minute=60)
    assert slow.take("a.example", 0.0) == 0.0
    assert slow.take("b.example", 0.0) == pytest.approx(1.0)
    assert slow.waits(0.0) == pytest.approx(1.0)
    assert slow.take("b.example", 1.0) == 0.0


def test_a_domains_rate_holds_up_only_its_own_mails():
    strict = RateLimits(connections=10, domain_limits={"gmail.com": 60})
    assert strict.take("gmail.com", 0.0) == 0.0
    assert strict.take("gmail.com", 0.0) == pytest.approx(1.0)
    assert strict.waits(0.0) == 0.0
    assert strict.take(FREE, 0.0) == 0.0
    assert strict.take("gmail.com", 1.0) == 0.0


def test_a_mail_held_up_by_its_domain_uses_up_nothing_of_the_service():
    both = RateLimits(connections=10, rate_per_minute=120, domain_limits={"gmail.com": 6})
    assert both.take("gmail.com", 0.0) == 0.0
    for _ in range(100):
        assert both.take("gmail.com", 0.5) > 0
    assert both.take(FREE, 0.5) == 0.0


def test_a_mail_held_up_by_the_service_uses_up_nothing_of_its_domain():
    both = RateLimits(connections=10, rate_per_minute=6, domain_limits={"gmail.com": 60})
    both.take(FREE, 0.0)
    for _ in range(100):
        assert both.take("gmail.com", 5.0) > 0
    assert both.take("gmail.com", 10.0) == 0.0


@given(st.integers(1, 40), st.integers(1, 600))
@example(5, 7)
def test_the_shares_of_all_workers_add_up_to_the_limit(workers, rate):
    shares = [
        RateLimits(connections=9, rate_per_minute=rate, workers=workers) for _ in range(workers)
    ]
    for share in shares:
        share.take(FREE, 0.0)
    assert sum(60 / share.waits(0.0) for share in shares) == pytest.approx(rate)


def test_a_new_worker_halves_the_share_without_a_second_burst():
    share = RateLimits(connections=10, rate_per_minute=60)
    share.take(FREE, 0.0)
    share.share_with(workers=2)
    assert share.connections(0.0) == 10  # its own
    assert share.take(FREE, 0.5) == pytest.approx(0.5)
    assert share.take(FREE, 1.0) == 0.0
    assert share.take(FREE, 1.0) == pytest.approx(2.0)


# ---------------------------------------------------------------- slow-downs


def test_a_slow_down_rests_then_goes_on_with_one_connection_less():
    busy = RateLimits(connections=10)
    busy.penalise(until=130.0, now=100.0)
    assert busy.take(FREE, 100.0) == pytest.approx(30.0)
    assert busy.connections(100.0) == 0
    assert busy.take(FREE, 130.0) == 0.0
    assert busy.connections(130.0) == 9


def test_what_all_connections_hear_at_once_counts_once():
    busy = RateLimits(connections=10)
    for _ in range(10):
        busy.penalise(until=130.0, now=100.0)
    assert busy.connections(130.0) == 9
    busy.penalise(until=135.0, now=131.0)
    assert busy.connections(135.0) == 8


def test_a_later_end_of_the_same_rest_counts():
    busy = RateLimits(connections=10)
    busy.penalise(until=110.0, now=100.0)
    busy.penalise(until=150.0, now=101.0)
    busy.penalise(until=120.0, now=102.0)
    assert busy.waits(102.0) == pytest.approx(48.0)


def test_one_connection_is_always_left():
    busy = RateLimits(connections=3)
    for minute in range(20):
        busy.penalise(until=minute * 60.0 + 2, now=minute * 60.0)
    assert busy.connections(5000.0) == 1


def test_successes_bring_the_connections_back_one_by_one_and_no_further():
    busy = RateLimits(connections=4)
    for minute in range(2):
        busy.penalise(until=minute * 60.0 + 2, now=minute * 60.0)
    assert busy.connections(500.0) == 2
    busy.succeeded(2 * GROW_AFTER - 1)
    assert busy.connections(500.0) == 2
    busy.succeeded()
    assert busy.connections(500.0) == 3
    busy.succeeded(3 * GROW_AFTER)
    busy.succeeded(1000 * GROW_AFTER)
    assert busy.connections(500.0) == 4


@pytest.mark.parametrize(("asked", "taken"), [(0.0, 1.0), (-5.0, 1.0), (60.0, 60.0), (1e9, 3600.0)])
def test_what_a_service_asks_for_is_taken_within_reason(asked, taken):
    busy = RateLimits(connections=4)
    busy.penalise(until=100.0 + asked, now=100.0)
    assert busy.waits(100.0) == pytest.approx(taken)


def test_a_slowed_worker_stays_slowed_when_shares_change():
    busy = RateLimits(connections=10)
    busy.penalise(until=2.0, now=0.0)
    busy.penalise(until=12.0, now=10.0)
    busy.share_with(workers=10)
    assert busy.connections(20.0) == 8
    assert busy.waits(11.0) == pytest.approx(1.0)


def test_a_session_that_ends_costs_a_connection_and_no_rest():
    busy = RateLimits(connections=3)
    busy.session_ended()
    assert busy.take(FREE, 0.0) == 0.0
    assert busy.connections(0.0) == 2
    for _ in range(9):
        busy.session_ended()
    assert busy.connections(0.0) == 1


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("take"), st.sampled_from(["gmail.com", FREE])),
            st.tuples(st.just("ok"), st.integers(1, 200)),
            st.tuples(st.just("slow"), st.floats(-10, 5000)),
            st.tuples(st.just("share"), st.integers(1, 8)),
            st.tuples(st.just("pass"), st.floats(0, 100)),
        ),
        max_size=80,
    ),
    st.integers(1, 20),
    st.one_of(st.none(), st.integers(1, 6000)),
)
def test_whatever_happens_connections_stay_within_the_limit_and_waits_end(
    events, connections, rate
):
    tried = RateLimits(
        connections=connections, rate_per_minute=rate, domain_limits={"gmail.com": 30}
    )
    now = 0.0
    for what, value in events:
        if what == "take":
            wait = tried.take(value, now)
            assert 0.0 <= wait <= rate_limits.PAUSE_MOST + 60 * 8
        elif what == "ok":
            tried.succeeded(value)
        elif what == "slow":
            tried.penalise(until=now + value, now=now)
        elif what == "share":
            tried.share_with(value)
        else:
            now += value
        assert 0 <= tried.connections(now) <= connections
    later = now + 2 * rate_limits.PAUSE_MOST
    assert tried.take("gmail.com", later) == 0.0
    assert tried.connections(later) >= 1


# ---------------------------------------------------------------- what an operator writes


def test_lines_become_limits_of_domains_as_addresses_have_them():
    text = "Gmail.com  600\n\n\t@почта.рф 30\r\nmail.ru. 1"
    read = read_domain_limits(text)
    assert read == {"gmail.com": 600, "xn--80a1acny.xn--p1ai": 30, "mail.ru": 1}
    written = write_domain_limits(read)
    assert written == "gmail.com 600\nmail.ru 1\nxn--80a1acny.xn--p1ai 30"
    assert read_domain_limits(written) == read
    assert read_domain_limits(" \n") == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("gmail.com", rate_limits.NOT_TWO),
        ("gmail.com 600 a minute", rate_limits.NOT_TWO),
        ("gmail 600", rate_limits.NO_DOMAIN),
        ("*.example.org 600", rate_limits.NO_DOMAIN),
        ("anna@gmail.com 600", rate_limits.NO_DOMAIN),
        ("-.. 600", rate_limits.NO_DOMAIN),
        ("gmail.com 0", rate_limits.NO_NUMBER),
        ("gmail.com -1", rate_limits.NO_NUMBER),
        ("gmail.com 1.5", rate_limits.NO_NUMBER),
        ("gmail.com ²", rate_limits.NO_NUMBER),
        ("gmail.com 99999999999999999999", rate_limits.NO_NUMBER),
        ("gmail.com 10000000", rate_limits.NO_NUMBER),
        ("GMAIL.com 2\ngmail.com 1", rate_limits.TWICE),
    ],
)
def test_a_line_that_cannot_be_right_is_named(line, reason):
    with pytest.raises(BadLimit) as error:
        read_domain_limits(f"ok.example 1\n{line}")
    assert error.value.reason == reason
    assert error.value.line == line.splitlines()[-1]


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text):
    try:
        read = read_domain_limits(text)
    except BadLimit:
        return
    assert read_domain_limits(write_domain_limits(read)) == read
