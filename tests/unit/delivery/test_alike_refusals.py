"""Refusals of a run that say the same, counted until a mail of it is taken."""

from datetime import UTC, datetime

from mailings.delivery.session.alike_refusals import AlikeRefusals
from mailings.delivery.transports.base import Permanent, Step

NOW = datetime(2027, 3, 1, tzinfo=UTC)


def refusal(reply: str = "our policy", code: int = 550, step: Step = Step.RCPT) -> Permanent:
    return Permanent(step=step, started_at=NOW, code=code, reply=reply)


def test_each_is_told_how_many_before_it_said_the_same():
    alike = AlikeRefusals()
    assert not alike
    assert [alike.note(1, refusal("for policy reasons")) for _ in range(3)] == [0, 1, 2]
    assert alike.note(2, refusal("for policy reasons")) == 0  # another run
    assert alike


def test_another_code_or_kind_begins_anew():
    alike = AlikeRefusals()
    alike.note(1, refusal("denied by policy"))
    assert alike.note(1, refusal("denied by policy", code=554)) == 0
    assert alike.note(1, refusal("blocked using zen", code=554)) == 0
    assert alike.note(1, refusal("listed in zen", code=554)) == 1  # the same kind


def test_a_mail_that_is_taken_ends_it():
    alike = AlikeRefusals()
    alike.note(1, refusal())
    alike.forget([1, 7])
    assert alike.note(1, refusal()) == 0


def test_mailboxes_and_letters_are_not_counted_and_do_not_end_it():
    alike = AlikeRefusals()
    alike.note(1, refusal())
    assert alike.note(1, refusal("no such user")) == 0
    assert alike.note(1, refusal(step=Step.DOT)) == 0
    assert alike.note(1, refusal()) == 1
