"""Work done once at a time, and once more for those who asked meanwhile."""

import threading

import pytest

from mailings.delivery.single_flight import SingleFlight


def test_who_asks_meanwhile_does_not_wait_and_the_work_is_done_once_more():
    flight, at_work, may_go_on = SingleFlight(), threading.Event(), threading.Event()
    done = []

    def work() -> None:
        at_work.set()
        assert may_go_on.wait(10)
        done.append(threading.current_thread().name)

    first = threading.Thread(target=flight.run, args=[work], name="first")
    first.start()
    assert at_work.wait(10)
    assert flight.is_running
    for _ in range(50):
        flight.run(work)  # returns at once
    assert done == []
    may_go_on.set()
    first.join(10)
    assert done == ["first", "first"]
    assert not flight.is_running


def test_work_that_fails_does_not_keep_others_from_it():
    flight, done = SingleFlight(), []
    with pytest.raises(ZeroDivisionError):
        flight.run(lambda: 1 / 0)
    flight.run(lambda: done.append(1))
    assert done == [1]


def test_nothing_is_begun_when_the_process_stops():
    done = []
    SingleFlight().run(lambda: done.append(1), stopping=lambda: True)
    assert done == []
