"""Each delivery that a session has read is let go exactly once, and its chunk with the last."""

import pytest

from mailings.delivery.queue.claims import Claimed
from mailings.delivery.queue.feeder import Portion
from mailings.delivery.session.batches import Batch
from mailings.delivery.session.buffer import Stock
from mailings.states import DeliveryStatus

CHUNK = 7


def claimed(pk: int, *, chunk: int | None = CHUNK) -> Claimed:
    before = DeliveryStatus.PENDING if chunk else DeliveryStatus.DEFERRED
    return Claimed(pk, 1, 1, 1, f"c{pk}@example.org", "", {}, 0.0, chunk_id=chunk, before=before)


def stock_of(*found: Claimed) -> Stock:
    stock = Stock()
    stock.add(Portion(1, None, list(found)))  # type: ignore[arg-type]  # nothing is made here
    return stock


def test_chunk_is_finished_with_its_last_delivery():
    one, two = claimed(1), claimed(2)
    stock, batch = stock_of(one, two), Batch()
    stock.let_go(one, batch, is_settled=True)
    assert batch == Batch()
    stock.let_go(two, batch, is_settled=True)
    assert (batch.finished_chunks, batch.released_chunks) == ([CHUNK], [])


def test_chunk_of_which_anything_is_left_is_released():
    one, two = claimed(1), claimed(2)
    stock, batch = stock_of(one, two), Batch()
    stock.let_go(one, batch, is_settled=False)
    stock.let_go(two, batch, is_settled=True)
    assert (batch.finished_chunks, batch.released_chunks) == ([], [CHUNK])


def test_letting_go_twice_is_an_error_and_never_a_chunk_too_soon():
    one, two = claimed(1), claimed(2)
    stock, batch = stock_of(one, two), Batch()
    stock.let_go(one, batch, is_settled=False)
    with pytest.raises(KeyError):
        stock.let_go(one, batch, is_settled=False)
    assert batch == Batch(), "two is still in the air"


def test_retries_are_given_back_one_by_one_unless_they_are_settled():
    one, two = claimed(1, chunk=None), claimed(2, chunk=None)
    stock, batch = stock_of(one, two), Batch()
    stock.let_go(one, batch, is_settled=False)
    stock.let_go(two, batch, is_settled=True)
    assert batch.given_back == [1]


@pytest.mark.parametrize("place", ["waiting", "returned", "aside"])
def test_whatever_waits_is_dropped_with_its_run(place):
    one, other = claimed(1), claimed(2)
    stock = stock_of(one, other)
    assert stock.take() is one
    if place == "returned":
        stock.put_back(one, object())  # type: ignore[arg-type]
    elif place == "aside":
        stock.set_aside(one)
    left = stock.drop(1)
    assert set(left) == ({other} if place == "waiting" else {one, other})
    assert stock.is_empty
    assert not stock.bring_back(one)
