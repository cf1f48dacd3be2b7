"""The claim of each delivery that a session has read ends once, and its chunk with the last."""

import pytest

from mailings.delivery.queue.claims import Claimed
from mailings.delivery.session.batches import Batch
from mailings.delivery.session.buffer import Buffer
from mailings.delivery.session.feeder import Prefetched
from mailings.states import DeliveryStatus

CHUNK = 7


def claimed(pk: int, *, chunk: int | None = CHUNK) -> Claimed:
    before = DeliveryStatus.PENDING if chunk else DeliveryStatus.DEFERRED
    return Claimed(pk, 1, 1, 1, f"c{pk}@example.org", "", {}, 0.0, chunk_id=chunk, before=before)


def buffer_of(*found: Claimed) -> Buffer:
    buffer = Buffer()
    buffer.add(Prefetched(1, None, list(found)))  # type: ignore[arg-type]  # nothing is made here
    return buffer


def test_chunk_is_finished_with_its_last_delivery():
    one, two = claimed(1), claimed(2)
    buffer, batch = buffer_of(one, two), Batch()
    buffer.end_claim(one, batch, is_settled=True)
    assert batch == Batch()
    buffer.end_claim(two, batch, is_settled=True)
    assert (batch.finished_chunks, batch.released_chunks) == ([CHUNK], [])


def test_chunk_of_which_anything_is_left_is_released():
    one, two = claimed(1), claimed(2)
    buffer, batch = buffer_of(one, two), Batch()
    buffer.end_claim(one, batch, is_settled=False)
    buffer.end_claim(two, batch, is_settled=True)
    assert (batch.finished_chunks, batch.released_chunks) == ([], [CHUNK])


def test_ending_a_claim_twice_is_an_error_and_never_a_chunk_too_soon():
    one, two = claimed(1), claimed(2)
    buffer, batch = buffer_of(one, two), Batch()
    buffer.end_claim(one, batch, is_settled=False)
    with pytest.raises(KeyError):
        buffer.end_claim(one, batch, is_settled=False)
    assert batch == Batch(), "two is still in flight"


def test_retries_are_given_back_one_by_one_unless_they_are_settled():
    one, two = claimed(1, chunk=None), claimed(2, chunk=None)
    buffer, batch = buffer_of(one, two), Batch()
    buffer.end_claim(one, batch, is_settled=False)
    buffer.end_claim(two, batch, is_settled=True)
    assert batch.released_deliveries == [1]


@pytest.mark.parametrize("place", ["waiting", "requeued", "throttled"])
def test_whatever_waits_is_dropped_with_its_run(place):
    one, other = claimed(1), claimed(2)
    buffer = buffer_of(one, other)
    assert buffer.take() is one
    if place == "requeued":
        buffer.requeue(one, object())  # type: ignore[arg-type]
    elif place == "throttled":
        buffer.throttle(one)
    left = buffer.drop(1)
    assert set(left) == ({other} if place == "waiting" else {one, other})
    assert buffer.is_empty
    assert not buffer.unthrottle(one)
