"""A relay that takes 100 ms a mail, 200 connections: how near to the 2000/s that it allows."""

from benchmarks.report import Goal, conclude, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import OurSink
from benchmarks.stage import Stage

DELAY_MS = 100


def main() -> None:
    chosen = options(count=40_000, connections=200)
    runs = []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        profile="slow_relay" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            with OurSink(delay_ms=DELAY_MS) as sink:
                runs.append(stage.once(sink))
    found = figures("slow_relay", runs, chosen.connections * 1000 / DELAY_MS)
    conclude(
        found,
        Goal("at least 0.9 × connections ÷ delay", (found.ratio or 0) >= 0.9),
        nothing_wrong(*runs),
    )


if __name__ == "__main__":
    main()
