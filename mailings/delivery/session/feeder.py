"""The thread that reads for a session: leases chunks a little ahead of the connections, fairly
among runs, and settles what has come to its end.
"""

import logging
import math
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import DatabaseError, InterfaceError, connection

from accounts import site_address
from mailings.delivery import signing
from mailings.delivery.queue import chunks, claiming, fairness, lease
from mailings.delivery.queue.claims import Claimed
from mailings.delivery.queue.fairness import DueRun
from mailings.delivery.runs import closing, composing, holding
from mailings.models import Run
from mailings.rendering import compiler, dkim
from mailings.timing import clock

log = logging.getLogger(__name__)

LOW = chunks.SIZE
"""Deliveries of a run waiting in memory; with fewer the next chunk is read."""
RUNS_MOST = 40
"""Runs of which deliveries wait in memory at the same time."""
SIGNED_MOST = 64 * 1024 * 1024
"""Bytes of signed mails that wait in memory; what is more the loop signs when its turn comes."""
RUNS_KEPT = 100
"""Runs whose content stays compiled."""
LOOK_EVERY = 0.25  # seconds: how soon a mailing that has just begun gets its turn
SHARE_EVERY = 1.0  # seconds
SETTLE_EVERY = 1.0
"""Seconds. The session's end settles what ended after the last time."""
COMPLETED_AT_ONCE = 10  # mailings
DUE_LASTS = 0.2
"""Seconds for which the list of due runs is believed, while each claim from it brings something and
nothing is heard of a run that may not send; the commit asks that again."""
LOOK_APART = 0.01  # seconds at least between two looks
AWAY = 1.0  # seconds between looks while the database is away


@dataclass(frozen=True, slots=True)
class RunContent:
    """What every mail of a run has in common."""

    sender: str
    compiled: compiler.Compiled
    keys: tuple[dkim.Key, ...] = ()
    """What signs them."""
    standing: object = None
    """`signing.standing_of` its sender, when the keys were read."""

    def make(self, delivery: composing.Addressed, now: datetime) -> bytes:
        """Return a mail as it leaves."""
        mail = composing.render(self.compiled, delivery, now)
        return dkim.sign(mail, self.keys, now) if self.keys else mail


@dataclass(frozen=True, slots=True)
class Prefetched:
    """Deliveries of one run, for the connections."""

    run_id: int
    content: RunContent
    claimed: list[Claimed]
    signed: Mapping[Claimed, bytes] = field(default_factory=dict)
    """Mails that are made already, because signing them takes long."""


class Feeder(threading.Thread):
    def __init__(
        self,
        *,
        worker: UUID,
        mailing_id: int | None,
        signs: bool,
        waiting: Callable[[int], int],
        signed_bytes: Callable[[], int],
        found: Callable[[Prefetched], None],
        nothing_due: Callable[[], None],
        shares: Callable[[int], None],
        top_up: Callable[[], None],
        more_than_ours: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """`signs`: some mail service does not sign by itself. `waiting(run_id)` tells how many
        deliveries of a run wait in memory, `signed_bytes` how much signed mail does; the others are
        called from this thread: what was `found`, that nothing is due, among how many workers a
        limit is shared, that what is left of a day may be taken, and that others would find work,
        too."""
        super().__init__(name="feeder", daemon=True)
        self._worker, self._mailing_id, self._signs = worker, mailing_id, signs
        self._waiting, self._found, self._nothing_due = waiting, found, nothing_due
        self._signed_bytes = signed_bytes
        self._shares, self._more_than_ours, self._failed = shares, more_than_ours, failed
        self._top_up = top_up
        self._wake = threading.Event()
        self._must_end = False
        self._contents: dict[int, RunContent] = {}
        self._shared_at = -math.inf
        self._settled_at = time.monotonic()
        self._due: list[DueRun] = []
        self._due_until = 0.0
        self._invalidations = self._seen_invalidations = 0

    def look(self) -> None:
        """Look for more now."""
        self._wake.set()

    def invalidate_due(self) -> None:
        """A run that was due may not send any more: ask again which are, before the next claim."""
        self._invalidations += 1

    def end(self) -> None:
        self._must_end = True
        self._wake.set()

    def run(self) -> None:
        try:
            while not self._must_end:
                pause = LOOK_EVERY
                self._wake.clear()
                try:
                    self._read_ahead()
                    self._settle()
                except (DatabaseError, InterfaceError) as error:
                    # The recorder tells the session; here one only waits.
                    log.warning("database_away", extra={"worker": self._worker, "error": error})
                    connection.close()
                    self._due_until = 0.0
                    pause = AWAY
                    self._wake.clear()
                time.sleep(LOOK_APART)
                self._wake.wait(pause)
        except claiming.LeaseLost as error:
            self._failed(error)
        except BaseException as error:
            log.exception("feeder_failed", extra={"worker": self._worker})
            self._failed(error)
        finally:
            connection.close()

    def _read_ahead(self) -> None:
        self._share()
        self._top_up()
        due = self._due_runs()
        if not due:
            self._nothing_due()
            return
        waiting = {run.run_id: self._waiting(run.run_id) for run in due}
        started = sum(count > 0 for count in waiting.values())
        for run in due:
            if self._must_end or waiting[run.run_id] >= LOW:
                continue
            if not waiting[run.run_id]:
                if started >= RUNS_MOST:
                    continue
                started += 1
            self._read(run)
        if any(run.has_chunk and waiting[run.run_id] >= LOW for run in due):
            self._more_than_ours()

    def _due_runs(self) -> list[DueRun]:
        invalidations = self._invalidations
        is_valid = invalidations == self._seen_invalidations and time.monotonic() < self._due_until
        if not self._due or not is_valid:
            self._seen_invalidations = invalidations
            self._due = fairness.due_runs(clock.now(), mailing_id=self._mailing_id)
            self._due_until = time.monotonic() + DUE_LASTS
        return self._due

    def _read(self, run: DueRun) -> None:
        try:
            content = self._content(run)
        except compiler.RenderError as error:
            # Planning found this out before, but for content frozen by another version.
            holding.pause_for_message(run.mailing_id, str(error))
            self._due_until = 0.0
            return
        except signing.SenderNotAllowed as error:
            holding.pause_for_domain(
                run.mailing_id, error.domain, are_keys_lost=error.are_keys_lost
            )
            self._due_until = 0.0
            return
        claimed = claiming.claim(run, self._worker, clock.now())
        if not claimed:
            self._due_until = 0.0
            return
        first = claimed[0]
        if first.is_suspect and first.chunk_id is not None:
            self._render_for_trial(content, claimed, first.chunk_id)
        signed = self._sign(content, claimed) if content.keys else {}
        self._found(Prefetched(run.run_id, content, claimed, signed))

    def _sign(self, content: RunContent, claimed: list[Claimed]) -> dict[Claimed, bytes]:
        """Make and sign the mails of a chunk here, so that the event loop need not. Where one
        cannot be made, or we are to end, it is left to the loop, which tells what is wrong."""
        now = clock.now()
        room = SIGNED_MOST - self._signed_bytes()
        signed = {}
        for one in claimed:
            if self._must_end or room <= 0:
                break
            with suppress(Exception):
                signed[one] = content.make(one, now)
                room -= len(signed[one])
        return signed

    def _render_for_trial(self, content: RunContent, claimed: list[Claimed], chunk: int) -> None:
        """Make the mails of a chunk with which a worker died, before any of it is given
        to a connection. Who dies of that counts against the chunk; whoever dies later does not,
        however often."""
        now = clock.now()
        for one in claimed:
            with suppress(Exception):  # told when its turn comes
                composing.render(content.compiled, one, now)
        chunks.reset_losses(chunk, self._worker)

    def _share(self) -> None:
        """Find out, now and then and before the first mail, how many share the limits."""
        if time.monotonic() - self._shared_at >= SHARE_EVERY:
            self._shared_at = time.monotonic()
            site_address.url()  # for the letters: they are rendered where it cannot be asked
            self._shares(max(1, lease.count_sending(clock.now())))

    def _settle(self) -> None:
        """Now and then end what has come to its end, a little at a time: mail waits meanwhile."""
        if time.monotonic() - self._settled_at < SETTLE_EVERY:
            return
        self._settled_at = time.monotonic()
        now = clock.now()
        closing.finish_runs(now)
        closing.complete_mailings(now, most=COMPLETED_AT_ONCE)

    def _content(self, due: DueRun) -> RunContent:
        content = self._contents.get(due.run_id)
        if content is not None:
            # Its domain may be lost by now, or have other keys: a session lasts ten minutes.
            address = content.compiled.content.sender_email
            if content.standing == signing.standing_of(due.owner_id, address):
                return content
        if len(self._contents) >= RUNS_KEPT:
            self._contents.clear()
        run = Run.objects.get(pk=due.run_id)
        standing = signing.standing_of(due.owner_id, run.sender_email)
        identity = signing.identity_of(run)
        keys = identity.keys if self._signs else ()
        content = RunContent(identity.envelope, composing.compile_run(run), keys, standing)
        self._contents[due.run_id] = content
        return content
