"""50 mailings due in the same second: how late each arrives, with Redis and embedded."""

import math
import time

from benchmarks.report import Figures, Goal, Options, conclude, median, options, worst
from benchmarks.sinks import OurSink
from benchmarks.stage import Stage, Take

MAILINGS = 50
HEAD_START = 15  # seconds to make the mailings in
PATIENCE = 90  # seconds after which a mail counts as lost


def lateness(take: Take, sink: OurSink, count: int) -> list[float]:
    """Return, sorted, by how many seconds each mail arrived after its time."""
    start_at = math.ceil(time.time()) + HEAD_START
    due = take.direct("due_together", count=count, start_at=start_at)
    if time.time() > start_at - 2:
        raise RuntimeError("The mailings were not made in time; the machine is too busy.")
    while sink.accepted() < count and time.time() < start_at + PATIENCE:
        time.sleep(0.5)
    arrivals = sink.arrivals()
    return sorted(at - due[address] for address, at in arrivals.items())


def told(late: list[float], count: int) -> str:
    shown = ", ".join(
        f"{percentile(late, share):.3f} s ({word})"
        for share, word in ((0.5, "median"), (0.95, "95 %"), (1, "most"))
    )
    return f"{len(late)} of {count} arrived; late by {shown}."


def percentile(late: list[float], share: float) -> float:
    return late[max(0, math.ceil(share * len(late)) - 1)] if late else math.inf


def measure(name: str, chosen: Options, *, embedded: bool, most: float) -> None:
    values, lost, copies = [], [], []
    with Stage(clients=chosen.count, connections=chosen.connections, embedded=embedded) as stage:
        for _ in range(chosen.runs):
            with OurSink(keeps_times=True) as sink, stage.take(sink) as take:
                take.start_consumers()
                late = lateness(take, sink, chosen.count)
                lost.append(chosen.count - len(late))
                copies.append(sink.accepted() - len(late))
                values.append(percentile(late, 0.95))
                print(told(late, chosen.count), take.direct("check"), flush=True)
    figures = Figures(
        name, median(values), "s, 95th percentile", lost=worst(lost), copies=worst(copies)
    )
    conclude(
        figures,
        Goal(f"95 % at most {most:g} s late", (figures.value or 0) <= most),
        Goal("nothing lost, no copies", not figures.lost and not figures.copies),
    )


def main() -> None:
    chosen = options(count=MAILINGS, noun="mailings")
    chosen.count = min(chosen.count, MAILINGS)  # more could not be made in the head start
    print("With PostgreSQL and Redis:")
    measure("lateness_redis", chosen, embedded=False, most=1)
    print("Embedded (SQLite):")
    measure("lateness_sqlite", chosen, embedded=True, most=2)


if __name__ == "__main__":
    main()
