"""When the next commit is due."""

import pytest

from mailings.delivery.session.commit_pacing import BEAT_EVERY, Pace

BEGUN, FREE = 100.0, 100.004


@pytest.fixture
def pace() -> Pace:
    return Pace(begun_at=BEGUN, free_since=FREE)


def test_a_commit_waits_for_its_distance_from_the_last_one(pace):
    assert pace.wait(100.004) == pytest.approx(0.002)
    assert pace.wait(100.010) < 0


def test_after_a_slow_commit_what_it_let_go_is_waited_for(pace):
    pace.free_since = 100.050
    assert pace.wait(100.050) == pytest.approx(0.0015)


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
def test_a_commit_follows_at_once_when_there_is_much(pace, outcomes, connections, after, follows):
    assert pace.follows(outcomes, connections, BEGUN + after) is follows


def test_the_lease_is_prolonged_even_if_there_is_nothing_to_write(pace):
    assert not pace.beat_is_due(BEGUN + BEAT_EVERY)
    assert pace.beat_is_due(BEGUN + BEAT_EVERY + 0.1)
