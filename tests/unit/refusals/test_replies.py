"""The gathered replies: nearly all are read right, and nobody living is taken for dead."""

from benchmarks import refusals
from mailings.refusals import RefusalKind

REPLIES = refusals.gathered()
DEAD = {"unknown_mailbox", "disabled_mailbox", "bad_domain"}


def test_there_are_enough_of_enough_receivers_each_with_its_source():
    assert len(REPLIES) >= 150
    assert len({reply.domain for reply in REPLIES}) >= 25
    assert all(reply.source for reply in REPLIES)
    assert {kind for reply in REPLIES for kind in reply.kinds} <= set(RefusalKind)


def test_nearly_all_are_read_right():
    wrong = [reply for reply in REPLIES if not reply.is_right]
    assert len(wrong) / len(REPLIES) <= 0.05, wrong


def test_those_held_back_are_read_as_well_as_the_others():
    held = [reply for reply in REPLIES if reply.is_held_back]
    assert len(held) >= 50
    assert sum(reply.is_right for reply in held) / len(held) >= 0.95


def test_nobody_living_is_taken_for_dead():
    assert [reply for reply in REPLIES if reply.kills_a_living_one] == []


def test_the_dead_are_found():
    dead = [reply for reply in REPLIES if set(reply.kinds) <= DEAD and reply.code >= 500]
    assert len([reply for reply in dead if reply.said.is_dead_mailbox]) / len(dead) >= 0.95
