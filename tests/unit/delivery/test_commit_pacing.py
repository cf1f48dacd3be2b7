"""When the next commit is due."""

import pytest

from mailings.delivery.session.commit_pacing import HEARTBEAT_EVERY, CommitPacing

BEGUN, FREE = 100.0, 100.004


@pytest.fixture
def pacing() -> CommitPacing:
    return CommitPacing(begun_at=BEGUN, free_since=FREE)


def test_a_commit_waits_for_its_distance_from_the_last_one(pacing):
    assert pacing.wait(100.004) == pytest.approx(0.002)
    assert pacing.wait(100.010) < 0


def test_after_a_slow_commit_what_it_let_go_is_waited_for(pacing):
    pacing.free_since = 100.050
    assert pacing.wait(100.050) == pytest.approx(0.0015)


@pytest.mark.parametrize(
    ("outcomes", "connections", "after", "follows"),
    [
        (0, 0, 1.0, False),
        (9, 40, 1.0, False),  # less than a quarter
        (10, 40, 1.0, True),
        (10, 40, 0.005, False),  # too soon for so few
        (50, 200, 0.005, True),
    ],
)
def test_a_commit_follows_at_once_when_there_is_much(pacing, outcomes, connections, after, follows):
    assert pacing.follows(outcomes, connections, BEGUN + after) is follows


def test_the_lease_is_prolonged_even_if_there_is_nothing_to_write(pacing):
    assert not pacing.heartbeat_is_due(BEGUN + HEARTBEAT_EVERY)
    assert pacing.heartbeat_is_due(BEGUN + HEARTBEAT_EVERY + 0.1)
