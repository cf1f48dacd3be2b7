"""Watches one run from its first mail to its end, and says what it took."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks import usage
from benchmarks.report import Figures, Goal, medians
from benchmarks.sinks import Sink

if TYPE_CHECKING:
    from benchmarks.stage import Take

BEFORE = 0.02  # seconds between looks while the run is being prepared
WHILE = 0.25  # and while it sends
STALL = 180  # seconds without progress after which something is wrong
OVER = frozenset({"done", "cancelled", "expired", "missed", "skipped"})


@dataclass
class Sent:
    """One run. Seconds count from the commit that began it to its recorded end."""

    targeted: int
    sent: int
    accepted: int  # by the sink's own count
    lost: int
    copies: int
    seconds: float
    client_seconds: float
    db_seconds: float | None
    rss_mb: float
    idle_mb: float
    ledger: str = ""

    @property
    def is_sound(self) -> bool:
        return self.ledger.startswith("The ledger is sound")

    @property
    def rate(self) -> float:
        return self.sent / self.seconds

    @property
    def client_us(self) -> float:
        return self.client_seconds / max(1, self.sent) * 1e6

    @property
    def db_us(self) -> float | None:
        return None if self.db_seconds is None else self.db_seconds / max(1, self.sent) * 1e6

    def __str__(self) -> str:
        database = "" if self.db_us is None else f", database {self.db_us:.1f}"
        return (
            f"{self.sent} of {self.targeted} sent in {self.seconds:.2f} s: {self.rate:.0f}/s; "
            f"client {self.client_us:.1f}{database} µs a mail; {self.rss_mb:.0f} MB "
            f"({self.idle_mb:.0f} before); lost {self.lost}, copies {self.copies}; "
            f"{self.ledger}"
        )


def figures(name: str, runs: Sequence[Sent], reference: float | None = None) -> Figures:
    """Return the medians of some runs; of lost mails and copies the worst."""
    return medians([
        Figures(
            name, run.rate, "mails/s", reference,
            ratio=run.rate / reference if reference else None,
            client_us=run.client_us, db_us=run.db_us, rss_mb=run.rss_mb,
            lost=run.lost, copies=run.copies,
        )
        for run in runs
    ])  # fmt: skip


def nothing_wrong(*runs: Sent) -> Goal:
    return Goal(
        "nothing lost, no copies, the ledger sound",
        all(not run.lost and not run.copies and run.is_sound for run in runs),
    )


def watch(take: "Take", sink: Sink, mailing: int) -> Sent:
    pids = [consumer.pid for consumer in take.consumers]
    before = sink.accepted()
    idle = max(usage.memory(pid).now for pid in pids)
    progress(take, mailing, BEFORE, lambda run: run["status"] != "preparing")
    began, client, database = time.time(), usage.cpu(pids), take.database.cpu()
    run = progress(take, mailing, WHILE, lambda run: run["status"] in OVER)
    client_seconds = usage.cpu(pids) - client
    used = take.database.cpu()
    db_seconds = used - database if used is not None and database is not None else None
    peak = max(usage.memory(pid).peak for pid in pids)
    accepted = sink.accepted() - before
    # smtp-sink knows no recipients: there a copy and a loss would make up for each other.
    distinct = sink.distinct()
    different = min(accepted, run["sent_count"]) if distinct is None else distinct
    return Sent(
        targeted=run["targeted"],
        sent=run["sent_count"],
        accepted=accepted,
        lost=run["targeted"] - different,
        copies=accepted - different,
        seconds=max(0.001, run["finished_at"].timestamp() - began),
        client_seconds=client_seconds,
        db_seconds=db_seconds,
        rss_mb=peak,
        idle_mb=idle,
    )


def progress(
    take: "Take", mailing: int, pause: float, is_reached: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Look at the mailing's run until it is as wanted; give up when it does not move."""
    seen, deadline = None, time.monotonic() + STALL
    while time.monotonic() < deadline:
        run = take.run_of(mailing)
        if run is not None and is_reached(run):
            return run
        if run != seen:
            seen, deadline = run, time.monotonic() + STALL
        for consumer in take.consumers:
            consumer.require_alive()
        time.sleep(pause)
    logs = "\n".join(consumer.tail() for consumer in take.consumers)
    raise RuntimeError(f"No progress in {STALL} s at {seen}:\n{logs}")
