"""What a session has read ahead and not settled yet: which delivery is next, mails that were made
and came back, and how much of each chunk is left."""

from dataclasses import dataclass, field
from datetime import datetime

from mailings.delivery import bounce_addresses
from mailings.delivery.queue.claims import Claimed
from mailings.delivery.queue.fairness import RoundRobin
from mailings.delivery.session.feeder import Prefetched, RunContent
from mailings.delivery.session.recording import Batch
from mailings.delivery.transports.mail import Mail


@dataclass(slots=True)
class _OpenChunk:
    unsettled: set[Claimed] = field(default_factory=set)
    is_settled: bool = True  # False: some of them will be left to others


class Buffer:
    """Used by the session's thread; `waiting` and `signed_bytes` may be asked from the feeder's."""

    def __init__(self) -> None:
        self.unwanted: set[Claimed] = set()  # skipped while they waited again
        self._round_robin = RoundRobin()
        self._contents: dict[int, RunContent] = {}
        self._chunks: dict[int, _OpenChunk] = {}
        self._signed: dict[Claimed, bytes] = {}  # made ahead, because that takes long
        self.signed_bytes = 0
        """What these take; asked for by the feeder, too."""
        self._rendered: dict[Claimed, Mail] = {}  # made, and given back by a connection
        self._throttled: dict[Claimed, None] = {}  # their domains take no more for the moment

    @property
    def size(self) -> int:
        """How many may be taken."""
        return self._round_robin.size

    @property
    def is_empty(self) -> bool:
        return not self._round_robin.size and not self._throttled

    def waiting(self, run_id: int) -> int:
        """Return how many deliveries of a run are in memory; what is throttled counts less, so
        that one slow domain does not hold up all the others of a run."""
        throttled = sum(claimed.run_id == run_id for claimed in tuple(self._throttled))
        return self._round_robin.waiting(run_id) + throttled // 4

    def add(self, prefetched: Prefetched) -> None:
        self._contents[prefetched.run_id] = prefetched.content
        chunk_id = prefetched.claimed[0].chunk_id
        if chunk_id is not None:
            left = self._chunks.setdefault(chunk_id, _OpenChunk())
            left.unsettled.update(prefetched.claimed)
        self._signed.update(prefetched.signed)
        self.signed_bytes += sum(map(len, prefetched.signed.values()))
        self._round_robin.add(prefetched.claimed)

    def take(self) -> Claimed | None:
        """Return the next one."""
        return self._round_robin.take()

    def requeue(self, claimed: Claimed, mail: Mail | None = None) -> None:
        """Let it be the next one again; `mail`: it was made already."""
        if mail is not None:
            self._rendered[claimed] = mail
        self._round_robin.requeue(claimed)

    def throttle(self, claimed: Claimed) -> None:
        """Let others pass one whose domain takes no more for the moment."""
        self._throttled[claimed] = None

    def unthrottle(self, claimed: Claimed) -> bool:
        """Return whether it was still throttled; it is the next one now."""
        if claimed not in self._throttled:
            return False
        del self._throttled[claimed]
        self._round_robin.requeue(claimed)
        return True

    def is_throttled(self, claimed: Claimed) -> bool:
        return claimed in self._throttled

    def forget(self, claimed: Claimed) -> None:
        """It will not be sent in this session."""
        self._throttled.pop(claimed, None)
        self._pop_signed(claimed)
        self._rendered.pop(claimed, None)

    def mail(self, claimed: Claimed, now: datetime) -> Mail:
        """Return the mail that was made before, or render it just in time: that raises whatever
        one client's values do."""
        mail = self._rendered.pop(claimed, None) if self._rendered else None
        if mail is None:
            content = self._contents[claimed.run_id]
            body = self._pop_signed(claimed)
            if body is None:
                body = content.make(claimed, now)
            sender = bounce_addresses.sender(content.sender, claimed.pk, claimed.address)
            token = bounce_addresses.for_webhooks(claimed.pk, claimed.address)
            mail = Mail(sender, claimed.address, body, claimed, token=token)
        return mail

    def _pop_signed(self, claimed: Claimed) -> bytes | None:
        body = self._signed.pop(claimed, None) if self._signed else None
        if body is not None:
            self.signed_bytes -= len(body)
        return body

    def drop(self, run_id: int) -> list[Claimed]:
        """Forget and return what waits of a run."""
        throttled = [claimed for claimed in self._throttled if claimed.run_id == run_id]
        for claimed in throttled:
            del self._throttled[claimed]
        return self._forgotten(self._round_robin.drop(run_id) + throttled)

    def drop_all(self) -> list[Claimed]:
        """Forget and return all that waits."""
        waiting = [*self._round_robin.drop_all(), *self._throttled]
        self._throttled.clear()
        return self._forgotten(waiting)

    def _forgotten(self, waiting: list[Claimed]) -> list[Claimed]:
        for claimed in waiting:
            self._pop_signed(claimed)
            self._rendered.pop(claimed, None)
        return waiting

    def end_claim(self, claimed: Claimed, batch: Batch, *, is_settled: bool) -> None:
        """Note in the batch that a delivery is no longer ours: settled, or left to others.

        Raises `KeyError` if it ended before: counted twice, its chunk would be left to others
        while some of it is in flight.
        """
        self._pop_signed(claimed)
        if claimed.chunk_id is None:
            if not is_settled:
                batch.released_deliveries.append(claimed.pk)
            return
        left = self._chunks[claimed.chunk_id]
        left.unsettled.remove(claimed)
        left.is_settled &= is_settled
        if not left.unsettled:
            del self._chunks[claimed.chunk_id]
            over = batch.finished_chunks if left.is_settled else batch.released_chunks
            over.append(claimed.chunk_id)
