"""A clock that is set while it is held is not heeded; before and afterwards it is."""

import time
from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from mailings.timing import steady

HOURS = [timedelta(hours=2), timedelta(hours=-2)]
MOMENT = timedelta(seconds=5)


@pytest.mark.parametrize("jump", HOURS, ids=["forward", "back"])
def test_a_jump_is_not_followed_while_the_clock_is_held(jump):
    before = datetime.now(UTC)
    with steady.held(), time_machine.travel(before + jump, tick=True):
        assert abs(steady.now() - before) < MOMENT
        with steady.held():  # by a second session, which begins after the jump
            assert abs(steady.now() - before) < MOMENT
        assert abs(steady.now() - before) < MOMENT


@pytest.mark.parametrize("jump", HOURS, ids=["forward", "back"])
def test_the_host_is_believed_again_when_nobody_holds_the_clock(jump):
    before = datetime.now(UTC)
    with steady.held():
        pass
    with time_machine.travel(before + jump, tick=True):
        assert abs(steady.now() - before - jump) < MOMENT


def test_it_goes_on_by_itself():
    with steady.held():
        began, at = time.monotonic(), steady.now()
        time.sleep(0.05)
        passed, took = (steady.now() - at).total_seconds(), time.monotonic() - began
    assert abs(passed - took) < 0.02
    assert abs(steady.epoch() + time.monotonic() - time.time()) < 0.02
