"""One receiver that says “slow down” is left alone and comes back step by step; no other waits."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailings.delivery.session import receivers as module
from mailings.delivery.session.receivers import (
    FORGOTTEN_AFTER,
    GROUPS_MOST,
    GROW_AFTER,
    GROW_EVERY,
    LINE_MOST,
    PATIENCE,
    QUANTUM,
    RATE,
    RATE_FREE,
    RATE_LEAST,
    REST,
    REST_MOST,
    REST_OF_UNKNOWN,
    Receivers,
    Whose,
)
from mailings.delivery.transports import base
from mailings.delivery.transports.base import Permanent, SendResult, Step, Temporary

NOW = datetime(2026, 8, 1, tzinfo=UTC)
GMAIL = "4.7.28 Our system has detected an unusual rate of unsolicited mail. d2si gsmtp"

S775 = (
    "4.7.650 The mail server [192.0.2.1] has been temporarily rate limited due to IP reputation."
    " For e-mail delivery information, see https://postmaster.live.com (S775)"
)
TSS04 = (
    "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume or user"
    " complaints; see https://postmaster.yahooinc.com/error-codes"
)


def answer(text: str, code: int = 450, step: Step = Step.RCPT, **fields) -> SendResult:
    kind = base.classify(step, code, base.enhanced_code(code, text), text)
    return kind(
        step=step, started_at=NOW, code=code, enhanced_code=base.enhanced_code(code, text),
        reply=text, **fields,
    )  # fmt: skip


SLOW = answer(GMAIL)


def slow_gmail(now: float = 0.0) -> Receivers:
    receivers = Receivers()
    assert receivers.heed("gmail.com", SLOW, now) is Whose.RECEIVER
    return receivers


# ---------------------------------------------------------------- whose it is


@pytest.mark.parametrize(
    ("domain", "code", "text", "group"),
    [
        ("gmail.com", 421, GMAIL, "gmail"),
        ("googlemail.com", 450, GMAIL, "gmail"),
        ("shop.example", 421, GMAIL, "gmail"),
        ("inbox.ru", 451, "4.7.1 Ratelimit exceeded, see https://help.mail.ru/x", "mail.ru"),
        ("ya.ru", 451, "4.7.1 Too many messages, try again later", "yandex"),
        (
            "hotmail.co.uk",
            451,
            S775,
            "microsoft",
        ),
        (
            "yahoo.de",
            421,
            TSS04,
            "yahoo",
        ),
        ("me.com", 451, "4.7.1 too many messages", "icloud"),
    ],
)
def test_the_receiver_is_told_by_its_words_or_the_domain(domain, code, text, group):
    receivers = Receivers()
    assert receivers.heed(domain, answer(text, code, Step.DOT), 0.0) is Whose.RECEIVER
    assert list(receivers.slow) == [group]
    assert receivers.wait(domain, 0.0) == REST
    assert receivers.wait("example.org", 0.0) == 0.0


def test_a_421_that_names_nobody_is_the_services_own():
    assert type(answer("4.7.0 Too many messages", 421)) is base.Unavailable
    assert type(answer(GMAIL, 421, Step.MAIL)) is base.Unavailable
    assert type(answer("2.0.0 google.com gsmtp closing", 421)) is base.Unavailable


def test_an_accounts_quota_is_the_services():
    assert type(answer("4.7.1 daily quota exceeded")) is base.Unavailable
    assert Receivers().heed("gmail.com", answer("4.7.1 daily quota exceeded"), 0.0) is Whose.NOBODY


@pytest.mark.parametrize(
    "result",
    [
        answer("4.2.1 The user you are trying to contact is receiving mail at a rate that … gsmtp"),
        answer("4.7.1 Greylisted, try again in five minutes"),
        answer("4.2.2 mailbox full"),
        answer("5.7.1 unusual rate of unsolicited mail gsmtp", 550),
        answer("5.1.1 no such user", 550),
    ],
)
def test_what_is_said_of_one_mailbox_or_for_good_slows_nobody_down(result):
    receivers = Receivers()
    assert receivers.heed("gmail.com", result, 0.0) is Whose.NOBODY
    assert not receivers.slow


def test_who_speaks_of_another_receivers_mail_is_our_service():
    """Yandex as the mail service, of a mail for Gmail."""
    receivers = Receivers()
    result = answer("4.7.1 Too many messages, see https://yandex.ru/support")
    assert receivers.heed("gmail.com", result, 0.0) is Whose.SERVICE
    assert not receivers.slow


def test_where_nobody_says_who_it_is_the_second_receiver_means_the_service():
    receivers, result = Receivers(), answer("4.7.1 too many mails, slow down")
    assert receivers.heed("one.example", result, 0.0) is Whose.UNKNOWN_RECEIVER
    assert receivers.wait("one.example", 0.0) == REST_OF_UNKNOWN
    assert receivers.heed("one.example", result, 1.0) is Whose.UNKNOWN_RECEIVER
    assert receivers.heed("two.example", result, 1.0) is Whose.SERVICE
    assert receivers.heed("gmail.com", answer(GMAIL), 1.0) is Whose.RECEIVER
    assert receivers.heed("two.example", result, 2 + REST_OF_UNKNOWN) is Whose.UNKNOWN_RECEIVER


def test_domains_of_one_receiver_wait_together_once_its_words_have_told():
    receivers = slow_gmail()
    assert receivers.wait("shop.example", 1.0) == 0.0
    assert receivers.heed("shop.example", SLOW, 1.0) is Whose.RECEIVER
    assert receivers.wait("SHOP.example", 1.0) == REST - 1
    assert list(receivers.slow) == ["gmail"]


def test_domains_with_the_same_mx_hosts_wait_together():
    receivers = Receivers({"shop.example": "gmail"}.get)  # type: ignore[arg-type]
    receivers.heed("gmail.com", SLOW, 0.0)
    assert receivers.wait("shop.example", 1.0) == REST - 1
    assert receivers.wait("other.example", 1.0) == 0.0


# ---------------------------------------------------------------- how fast


def test_what_is_on_its_way_says_the_same_slow_down_once_more():
    receivers = slow_gmail()
    for second in range(1, 20):
        receivers.heed("gmail.com", SLOW, float(second))
    assert receivers.wait("gmail.com", 20.0) == REST - 20
    assert receivers.slow["gmail"].rate == RATE


def test_each_slow_down_halves_the_rate_and_doubles_the_rest():
    receivers, now, rest, rate = slow_gmail(), 0.0, REST, RATE
    for _ in range(12):
        now += rest
        assert receivers.wait("gmail.com", now) == 0.0
        receivers.heed("gmail.com", SLOW, now)
        rest, rate = min(2 * rest, REST_MOST), max(rate / 2, RATE_LEAST)
        assert receivers.wait("gmail.com", now) == pytest.approx(rest)
        assert receivers.slow["gmail"].rate == rate


def test_it_rests_for_what_it_asks_within_reason():
    receivers = Receivers()
    receivers.heed("gmail.com", answer(GMAIL, wait=300.0), 0.0)
    assert receivers.wait("gmail.com", 0.0) == 300.0
    receivers.heed("mail.ru", answer("4.7.1 too many, mail.ru", wait=1e9), 0.0)
    assert receivers.wait("mail.ru", 0.0) == module.PAUSE_MOST


def test_after_its_rest_it_gets_its_rate_and_is_free_step_by_step():
    receivers, now, sent = slow_gmail(), REST, []
    while receivers.slow:
        wait = receivers.wait("gmail.com", now)
        if wait:
            now += wait
            continue
        receivers.sent("gmail.com", now)
        sent.append(now)
        if receivers.slow["gmail"].rate == RATE:
            assert len(sent) <= RATE * (now - REST) + 1.001
        receivers.accepted("gmail.com", now)
    assert now - REST >= 3 * GROW_EVERY
    assert len(sent) > 3 * GROW_AFTER
    assert receivers.wait("gmail.com", now) == 0.0


def test_what_had_left_before_does_not_speed_up_one_that_rests():
    receivers = slow_gmail()
    for _ in range(1000):
        receivers.accepted("gmail.com", REST - 1)
    assert receivers.slow["gmail"].rate == RATE
    assert receivers.wait("gmail.com", REST - 1) == 1.0


def test_who_waits_comes_back_in_line_ten_seconds_worth_at_once():
    receivers = slow_gmail()
    waits = [receivers.line_up("gmail.com", 0.0) for _ in range(10_000)]
    at_once = int(RATE * QUANTUM)
    assert waits[: 2 * at_once + 1] == [REST] * at_once + [REST + QUANTUM] * at_once + [
        REST + 2 * QUANTUM
    ]
    assert waits == sorted(waits)
    assert max(waits) <= REST + LINE_MOST
    assert receivers.line_up("example.org", 0.0) == 0.0


def test_nobody_comes_due_before_one_of_the_line_may_go():
    receivers, now = slow_gmail(), 0.0
    for _ in range(9):
        now += receivers.wait("gmail.com", now)
        receivers.heed("gmail.com", SLOW, now)
    now += receivers.wait("gmail.com", now)
    receivers.sent("gmail.com", now)
    assert receivers.line_up("gmail.com", now) == pytest.approx(1 / RATE_LEAST)
    assert receivers.line_up("gmail.com", now) == pytest.approx(2 / RATE_LEAST, abs=QUANTUM)


def test_the_line_begins_behind_those_that_wait_in_memory():
    assert slow_gmail().line_up("gmail.com", 0.0, ahead=80) == REST + 80 / RATE


def test_one_that_is_not_heard_of_is_forgotten():
    receivers = slow_gmail()
    assert receivers.wait("gmail.com", REST + FORGOTTEN_AFTER + 1) == 0.0
    assert not receivers.slow


def test_one_that_takes_nothing_for_a_day_holds_nobody_back_any_more():
    receivers, now = slow_gmail(), 0.0
    while now <= PATIENCE:
        now += max(1.0, receivers.wait("gmail.com", now))
        receivers.heed("gmail.com", SLOW, now)
    assert receivers.heed("gmail.com", SLOW, now) is Whose.NOBODY
    assert receivers.wait("gmail.com", now) == 0.0


def test_memory_is_bounded():
    receivers, result = Receivers(), answer("4.7.1 too many mails gsmtp")
    for n in range(GROUPS_MOST + 10):
        name = f"d{n}.example"
        receivers.heed(name, answer(f"4.7.1 too many mails at {name}"), n * 10.0)
    assert len(receivers.slow) == GROUPS_MOST
    for n in range(module.LEARNED_MOST + 10):
        receivers.heed(f"l{n}.example", result, 0.0)
    assert len(receivers._learned) == module.LEARNED_MOST


DOMAINS = ["gmail.com", "mail.ru", "example.org", "shop.example"]


@given(
    st.lists(
        st.one_of(
            st.tuples(
                st.just("refused"),
                st.sampled_from(DOMAINS),
                st.sampled_from(
                    [SLOW, answer("4.7.1 too many"), answer(GMAIL, 421), answer("4.2.2 full")]
                ),
            ),
            st.tuples(st.just("sent"), st.sampled_from(DOMAINS), st.just(0)),
            st.tuples(st.just("taken"), st.sampled_from(DOMAINS), st.just(0)),
            st.tuples(st.just("line"), st.sampled_from(DOMAINS), st.just(0)),
            st.tuples(st.just("pass"), st.just(""), st.floats(0, 2000)),
        ),
        max_size=80,
    )
)
def test_whatever_happens_waits_end_and_a_receiver_that_said_nothing_never_waits(events):
    receivers, now, told = Receivers(), 0.0, set()
    for what, domain, value in events:
        if what == "refused":
            if receivers.heed(domain, value, now) in (Whose.RECEIVER, Whose.UNKNOWN_RECEIVER):
                told.add(receivers.group_of(domain))
                assert receivers.wait(domain, now) > 0
        elif what == "sent":
            receivers.sent(domain, now)
        elif what == "taken":
            receivers.accepted(domain, now)
        elif what == "line":
            assert 0 <= receivers.line_up(domain, now) <= REST_MOST + LINE_MOST + 1 / RATE_LEAST
        else:
            now += value
        assert set(receivers.slow) <= told
        for group in receivers.slow.values():
            assert RATE_LEAST <= group.rate < RATE_FREE
            assert group.rest_until - now <= REST_MOST
        for one in DOMAINS:
            wait = receivers.wait(one, now)
            assert wait == 0.0 or receivers.group_of(one) in told
    assert all(receivers.wait(one, now + REST_MOST + 10_000) == 0.0 for one in DOMAINS)


def test_permanent_and_accepted_answers_never_name_a_receiver():
    assert issubclass(type(answer("5.7.1 too many", 550)), Permanent)
    assert issubclass(type(answer(GMAIL, 421)), Temporary)
