"""What a session has read and not settled yet: whose turn it is, what was made and came back, and
how much of each chunk is left."""

from dataclasses import dataclass, field
from datetime import datetime

from mailings.delivery.queue.claims import Claimed
from mailings.delivery.queue.fairness import Turns
from mailings.delivery.queue.feeder import Portion, RunContent
from mailings.delivery.runs import composing
from mailings.delivery.session.connection_pool import Line, Slot
from mailings.delivery.session.recording import Batch
from mailings.delivery.transports.smtp.mail import Mail


@dataclass(slots=True)
class _ChunkLeft:
    ours: set[Claimed] = field(default_factory=set)
    is_settled: bool = True  # False: some of them will be left to others


@dataclass(slots=True)
class Gathering:
    """What the next batch will hold, and the connections on which it was answered."""

    batch: Batch = field(default_factory=Batch)
    answered: list[tuple[Line, Slot]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        batch = self.batch
        return not (
            batch.results or batch.finished_chunks or batch.released_chunks or batch.given_back
        )


class Stock:
    """Used by the session's thread; `waiting` may be asked from the feeder's."""

    def __init__(self) -> None:
        self.unwanted: set[Claimed] = set()  # skipped while they waited again
        self._turns = Turns()
        self._contents: dict[int, RunContent] = {}
        self._chunks: dict[int, _ChunkLeft] = {}
        self._returned: dict[Claimed, Mail] = {}  # made, and given back by a connection
        self._aside: dict[Claimed, None] = {}  # their domains take no more for the moment

    @property
    def size(self) -> int:
        """How many may be taken."""
        return self._turns.size

    @property
    def is_empty(self) -> bool:
        return not self._turns.size and not self._aside

    def waiting(self, run_id: int) -> int:
        """Return how many deliveries of a run are in memory; what is set aside counts less, so
        that one slow domain does not hold up all the others of a run."""
        aside = sum(claimed.run_id == run_id for claimed in tuple(self._aside))
        return self._turns.waiting(run_id) + aside // 4

    def add(self, portion: Portion) -> None:
        self._contents[portion.run_id] = portion.content
        chunk_id = portion.claimed[0].chunk_id
        if chunk_id is not None:
            left = self._chunks.setdefault(chunk_id, _ChunkLeft())
            left.ours.update(portion.claimed)
        self._turns.add(portion.claimed)

    def take(self) -> Claimed | None:
        """Return whose turn it is."""
        return self._turns.take()

    def put_back(self, claimed: Claimed, mail: Mail | None = None) -> None:
        """Let it be the next one again; `mail`: it was made already."""
        if mail is not None:
            self._returned[claimed] = mail
        self._turns.put_back(claimed)

    def set_aside(self, claimed: Claimed) -> None:
        """Let others pass one whose domain takes no more for the moment."""
        self._aside[claimed] = None

    def bring_back(self, claimed: Claimed) -> bool:
        """Return whether it was still set aside; it is the next one now."""
        if claimed not in self._aside:
            return False
        del self._aside[claimed]
        self._turns.put_back(claimed)
        return True

    def mail(self, claimed: Claimed, now: datetime) -> Mail:
        """Return the mail that was made before, or render it just in time: that raises whatever
        one client's values do."""
        mail = self._returned.pop(claimed, None) if self._returned else None
        if mail is None:
            content = self._contents[claimed.run_id]
            body = composing.render(content.compiled, claimed, now)
            mail = Mail(content.sender, claimed.address, body, claimed)
        return mail

    def drop(self, run_id: int) -> list[Claimed]:
        """Forget and return what waits of a run."""
        aside = [claimed for claimed in self._aside if claimed.run_id == run_id]
        for claimed in aside:
            del self._aside[claimed]
        return self._forgotten(self._turns.drop(run_id) + aside)

    def drop_all(self) -> list[Claimed]:
        """Forget and return all that waits."""
        waiting = [*self._turns.drop_all(), *self._aside]
        self._aside.clear()
        return self._forgotten(waiting)

    def _forgotten(self, waiting: list[Claimed]) -> list[Claimed]:
        for claimed in waiting:
            self._returned.pop(claimed, None)
        return waiting

    def let_go(self, claimed: Claimed, batch: Batch, *, is_settled: bool) -> None:
        """Note in the batch that a delivery is no longer ours: settled, or left to others.

        Raises `KeyError` if it was let go before: counted twice, its chunk would be left to others
        while some of it is in the air.
        """
        if claimed.chunk_id is None:
            if not is_settled:
                batch.given_back.append(claimed.pk)
            return
        left = self._chunks[claimed.chunk_id]
        left.ours.remove(claimed)
        left.is_settled &= is_settled
        if not left.ours:
            del self._chunks[claimed.chunk_id]
            over = batch.finished_chunks if left.is_settled else batch.released_chunks
            over.append(claimed.chunk_id)
