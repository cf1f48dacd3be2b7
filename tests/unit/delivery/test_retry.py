"""What follows from an outcome. Chance is fixed in the middle of the jitter unless said."""

from datetime import UTC, datetime, timedelta

import pytest

from mailings.delivery import retry
from mailings.delivery.retry import Done, GiveUp, History, PauseMailing, Retry, Suppress
from mailings.delivery.transports import base
from mailings.delivery.transports.base import SendResult, Step

NOW = datetime(2027, 3, 1, 12, 0, tzinfo=UTC)


def result(kind: type[SendResult], step: Step = Step.DOT, **fields) -> SendResult:
    return kind(step=step, started_at=NOW, **fields)


def decide(kind: type[SendResult], chance: float = 0.5, step: Step = Step.DOT, **history):
    return retry.decide(result(kind, step), History(**history), NOW, chance=lambda: chance)


def test_accepted_is_done():
    assert decide(base.Accepted) == Done()


@pytest.mark.parametrize(
    ("tries", "minutes"),
    [(0, 5), (1, 15), (2, 30), (3, 60), (4, 120), (5, 240), (6, 240), (8, 240)],
)
def test_refusals_wait_longer_each_time(tries, minutes):
    assert decide(base.Temporary, tries=tries) == Retry(
        NOW + timedelta(minutes=minutes), charged=True
    )


@pytest.mark.parametrize(("chance", "minutes"), [(0.0, 4), (1.0, 6)])
def test_waits_are_spread_by_a_fifth(chance, minutes):
    decision = decide(base.Temporary, chance)
    assert abs(decision.at - NOW - timedelta(minutes=minutes)) < timedelta(microseconds=10)


def test_the_tenth_refusal_is_the_last():
    assert isinstance(decide(base.Temporary, tries=8), Retry)
    assert decide(base.Temporary, tries=9) == GiveUp()


def test_refusals_end_a_day_after_the_first():
    long_ago = NOW - timedelta(hours=23, minutes=50)
    assert isinstance(decide(base.Temporary, first_refused_at=long_ago), Retry)
    assert decide(base.Temporary, tries=1, first_refused_at=long_ago) == GiveUp()


def test_no_retry_at_or_after_the_end_or_the_next_occurrence():
    assert decide(base.Temporary, until=NOW + timedelta(minutes=5)) == GiveUp()
    assert isinstance(decide(base.Temporary, until=NOW + timedelta(minutes=6)), Retry)


def test_an_absent_service_charges_nobody_and_has_patience():
    first, later = (decide(base.Unavailable, attempts=n, tries=9) for n in (0, 50))
    assert first == Retry(NOW + timedelta(minutes=1), charged=False)
    assert later == Retry(NOW + timedelta(minutes=15), charged=False)
    assert decide(base.Unavailable, attempts=retry.MAX_ATTEMPTS) == GiveUp()


def test_uncertain_is_sent_again_as_often_as_allowed():
    assert decide(base.Uncertain, resends_left=1) == Retry(
        NOW + timedelta(minutes=15), charged=True
    )
    assert decide(base.Uncertain, resends_left=0) == GiveUp()


@pytest.mark.parametrize(
    ("step", "code", "enhanced", "expected"),
    [
        (Step.RCPT, 550, "5.1.1", Suppress()),  # no such mailbox
        (Step.RCPT, 550, "5.1.10", Suppress()),  # null MX
        (Step.DOT, 550, "5.1.1", Suppress()),  # told late
        (Step.RCPT, 550, "", GiveUp()),  # nobody said that it does not exist
        (Step.RCPT, 550, "5.7.1", GiveUp()),  # policy
        (Step.DOT, 552, "5.3.4", GiveUp()),  # too big
        (Step.DOT, 554, "5.6.0", GiveUp()),  # content
        (Step.MAIL, 550, "5.7.1", PauseMailing("no")),  # the sender
        (Step.MAIL, 550, "5.1.1", PauseMailing("no")),  # never suppresses a recipient
        (Step.RCPT, 550, "5.1.8", PauseMailing("no")),  # the sender, told at RCPT
    ],
)
def test_permanent_refusals(step, code, enhanced, expected):
    given = result(base.Permanent, step, code=code, enhanced_code=enhanced, reply="no")
    assert retry.decide(given, History(), NOW) == expected


@pytest.mark.parametrize("kind", base.SendResult.__subclasses__())
def test_every_result_is_decided(kind):
    assert decide(kind)
