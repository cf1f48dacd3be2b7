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
        (Step.RCPT, 550, "5.1.0", GiveUp()),  # said of senders as often as of recipients
        (Step.RCPT, 550, "5.2.1", GiveUp()),  # disabled, perhaps for a time
        (Step.MAIL, 552, "5.3.4", PauseMailing("no", is_of_letter=True)),  # RFC 1870
    ],
)
def test_permanent_refusals(step, code, enhanced, expected):
    given = result(base.Permanent, step, code=code, enhanced_code=enhanced, reply="no")
    assert retry.decide(given, History(), NOW) == expected


@pytest.mark.parametrize("kind", base.SendResult.__subclasses__())
def test_every_result_is_decided(kind):
    assert decide(kind)


@pytest.mark.parametrize(
    ("step", "code", "enhanced", "reply", "expected"),
    [
        (Step.RCPT, 550, "5.7.1", "5.7.1 No such user!", Suppress()),
        (Step.RCPT, 550, "", "Message was not accepted -- invalid mailbox", Suppress()),
        (Step.DOT, 554, "", "delivery error: dd This user doesn't have a x account", Suppress()),
        (Step.RCPT, 550, "5.4.1", "5.4.1 Recipient address rejected: Access denied", Suppress()),
        (Step.RCPT, 550, "5.2.1", "5.2.1 The user is receiving mail at a rate", GiveUp()),
        (Step.RCPT, 552, "5.1.1", "5.1.1 Recipient overquota", GiveUp()),  # full
        (Step.RCPT, 550, "5.1.1", "5.1.1 blocked using zen.spamhaus.org", GiveUp()),
        (Step.DOT, 550, "", "spam message rejected", GiveUp()),
        (Step.DOT, 550, "5.7.26", "5.7.26 sender is unauthenticated", GiveUp()),
    ],
)
def test_words_tell_whether_a_mailbox_is_dead(step, code, enhanced, reply, expected):
    given = result(base.Permanent, step, code=code, enhanced_code=enhanced, reply=reply)
    assert retry.decide(given, History(), NOW) == expected


POLICY = {"step": Step.RCPT, "code": 550, "enhanced_code": "5.7.1", "reply": "5.7.1 our policy"}


def refused(alike: int, fields=POLICY, **history):
    given = result(base.Permanent, **fields)
    return retry.decide(given, History(**history), NOW, alike=alike, chance=lambda: 0.5)


def test_what_is_refused_like_those_before_it_waits_and_is_not_charged():
    again = Retry(NOW + timedelta(minutes=5), charged=False)
    assert refused(alike=0) == GiveUp()  # the first, which nobody can know
    assert refused(alike=1) == again
    assert refused(alike=9, tries=8) == again


def test_it_does_not_wait_for_ever_nor_beyond_the_end():
    assert refused(alike=3, attempts=9) == GiveUp()
    assert refused(alike=3, until=NOW + timedelta(minutes=4)) == GiveUp()


def test_a_mailbox_or_a_letter_that_is_refused_like_others_does_not_wait():
    dead = POLICY | {"reply": "5.7.1 No such user!"}
    full = POLICY | {"reply": "5.7.1 mailbox is full"}
    letter = POLICY | {"step": Step.DOT}
    assert [refused(3, fields) for fields in (dead, full, letter)] == [
        Suppress(),
        GiveUp(),
        GiveUp(),
    ]


def test_one_that_the_service_does_not_pass_on_is_given_up_while_it_works():
    denied = result(base.Unavailable, Step.RCPT, code=554, reply="Relay access denied")

    def decide(attempts: int, *, is_working: bool):
        return retry.decide(denied, History(attempts=attempts), NOW, is_working=is_working)

    assert isinstance(decide(8, is_working=True), Retry)
    assert decide(9, is_working=True) == GiveUp()
    assert isinstance(decide(9, is_working=False), Retry)
    closing = result(base.Unavailable, Step.RCPT, code=421)
    assert isinstance(
        retry.decide(closing, History(attempts=9), NOW, is_working=True), Retry
    )  # the connection is meant, not the mail


@pytest.mark.parametrize("step", [Step.MAIL, Step.RCPT, Step.DATA, Step.DOT])
@pytest.mark.parametrize(
    ("code", "text"),
    [
        (554, "5.7.1 Relay access denied"),
        (450, "4.7.1 daily quota exceeded"),
        (552, "quota of the account is used up"),
        (530, ""),
    ],
)
def test_relay_and_quota_are_the_services_own(step, code, text):
    assert base.classify(step, code, base.enhanced_code(code, text), text) is base.Unavailable


@pytest.mark.parametrize(
    ("step", "code", "text", "kind"),
    [
        (Step.DOT, 250, "daily quota exceeded", base.Accepted),
        (Step.RCPT, 452, "4.2.2 over quota", base.Temporary),
        (Step.RCPT, 552, "5.2.2 quota exceeded", base.Temporary),
        (Step.RCPT, 550, "5.7.1 No such user!", base.Permanent),
        (Step.RCPT, 550, "5.7.1 AuthRequired; RESOLVER.RST.AuthRequired", base.Permanent),
    ],
)
def test_others_are_the_recipients_or_the_letters(step, code, text, kind):
    assert base.classify(step, code, base.enhanced_code(code, text), text) is kind


def resting(rest: float, **history):
    given = result(base.Temporary, Step.RCPT, code=450, enhanced_code="4.7.28")
    return retry.decide(given, History(**history), NOW, rest=rest)


def test_who_is_refused_because_a_receiver_wants_fewer_mails_waits_for_it_uncharged():
    assert resting(30.0) == Retry(NOW + timedelta(seconds=30), charged=False)
    assert resting(30.0, tries=9, attempts=50) == Retry(NOW + timedelta(seconds=30), charged=False)
    assert resting(1e9) == Retry(NOW + timedelta(hours=1), charged=False)


def test_that_ends_after_a_day_and_with_the_mailing():
    long_ago = NOW - timedelta(hours=23, minutes=50)
    assert isinstance(resting(500.0, first_refused_at=long_ago), Retry)
    assert resting(700.0, first_refused_at=long_ago) == GiveUp()
    assert resting(700.0, until=NOW + timedelta(minutes=10)) == GiveUp()
    assert resting(30.0, attempts=499) == GiveUp()
