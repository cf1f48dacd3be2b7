"""Why messages failed, as a shop's owner reads it: by what the answer is about, not by its code."""

import pytest
from django.utils import timezone, translation

from mailings import refusals
from mailings.models import Attempt, Delivery, Run
from mailings.refusals import RefusalKind
from mailings.reports import failures
from mailings.states import DeliveryStatus, Outcome
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def english():
    with translation.override("en"):
        yield


NO_SUCH_USER = (550, "5.7.1", "5.7.1 No such user!")
SPAM = (550, "5.7.1", "5.7.1 Message rejected as spam")
RULES = (550, "5.7.1", "5.7.1 Rejected due to our local policy")


def run_with(owner, *answers, status=DeliveryStatus.FAILED, outcome=Outcome.PERMANENT) -> Run:
    """Make a run whose recipients were answered so, each with a number of their own in it."""
    run = factories.make_run(factories.make_mailing(owner), targeted=len(answers))
    now = timezone.now()
    is_open = status == DeliveryStatus.DEFERRED
    for number, client in enumerate(factories.make_clients(owner, len(answers))):
        code, enhanced, reply = answers[number]
        delivery = Delivery.objects.create(
            run=run,
            client=client,
            address=client.email_normalised,
            status=status,
            attempt_count=1,
            finished_at=None if is_open else now,
            next_attempt_at=now if is_open else None,
        )
        Attempt.objects.create(
            delivery=delivery,
            number=1,
            started_at=now,
            step="rcpt",
            outcome=outcome,
            code=code,
            enhanced_code=enhanced,
            reply=f"{reply} {number}-ioOx63",
        )
    return run


def told(reasons) -> dict[str, int]:
    return {reason.title: reason.number for reason in reasons}


def test_no_such_user_is_not_advised_as_spam(owner):
    (reason,) = failures.of_run(run_with(owner, NO_SUCH_USER, NO_SUCH_USER)).not_sent
    assert reason.title == "The address does not exist"
    assert "typing error" in reason.advice
    assert (reason.number, reason.code) == (2, "550 5.7.1")
    assert reason.reply.startswith("No such user!")


def test_one_code_of_several_receivers_is_told_apart(owner):
    run = run_with(owner, *[NO_SUCH_USER] * 3, *[SPAM] * 2, RULES)
    expected = {
        "The address does not exist": 3,
        "Refused as spam": 2,
        "Refused by the server’s rules": 1,
    }
    assert told(failures.of_run(run).not_sent) == expected
    assert told(failures.over(Run.objects.filter(pk=run.pk))) == expected
    assert not any(reason.is_about for reason in failures.of_run(run).not_sent)


def test_of_more_than_are_read_the_shares_are_told_and_nobody_is_lost(owner, monkeypatch):
    monkeypatch.setattr(failures, "LOOKED_AT", 4)
    run = run_with(owner, NO_SUCH_USER, SPAM, NO_SUCH_USER, NO_SUCH_USER, *[NO_SUCH_USER] * 6)
    reasons = failures.of_run(run).not_sent
    assert sum(reason.number for reason in reasons) == 10
    assert all(reason.is_about for reason in reasons)
    assert told(reasons)["The address does not exist"] == 8


def test_the_reasons_of_a_page_are_two_statements(owner, django_assert_num_queries):
    run = run_with(owner, *[NO_SUCH_USER] * 3, *[SPAM] * 2, RULES)
    with django_assert_num_queries(2):
        failures.over(Run.objects.filter(pk=run.pk))


@pytest.mark.parametrize(
    ("answer", "outcome", "title", "advice"),
    [
        (
            (554, "5.7.1", "5.7.1 Relay access denied"),
            Outcome.UNAVAILABLE,
            "The mail service does not pass our mail on",
            "whoever runs this service",
        ),
        (
            (450, "4.7.1", "4.7.1 daily quota exceeded"),
            Outcome.UNAVAILABLE,
            "The mail service’s limit of messages is used up",
            "goes on by itself",
        ),
        ((421, "", "closing"), Outcome.UNAVAILABLE, "The mail service is not available", "itself"),
        ((450, "4.7.1", "Greylisted"), Outcome.TEMPORARY, "The server asks to come later", "again"),
        ((451, "4.7.650", "rate limited"), Outcome.TEMPORARY, "Too many messages at once", "again"),
        ((452, "4.2.2", "full"), Outcome.TEMPORARY, "The mailbox is full", "for a day"),
        (RULES, Outcome.PERMANENT, "Refused in the same words as those before it", "perhaps all"),
    ],
)
def test_what_still_moves_says_why(owner, answer, outcome, title, advice):
    run = run_with(owner, answer, status=DeliveryStatus.DEFERRED, outcome=outcome)
    (reason,) = failures.of_run(run).still_moving
    assert reason.title == title
    assert advice in reason.advice


@pytest.mark.parametrize("kind", RefusalKind)
def test_every_kind_has_words(kind):
    said = refusals.Refusal(kind, is_permanent=True)
    title, advice = failures.why_failed(Outcome.PERMANENT, "dot", 550, said)
    assert title
    assert advice
