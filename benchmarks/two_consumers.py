"""One mailing through one consumer and through two, to a relay that takes 100 ms a mail.

Each consumer has 50 connections, so the relay is what limits, and a second consumer should double
the rate if they share the work well.
"""

from benchmarks.report import Goal, conclude, median, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import OurSink
from benchmarks.stage import Stage

DELAY_MS = 100


def main() -> None:
    chosen = options(count=20_000, connections=50)
    one, two = [], []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        profile="two_consumers" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            for consumers, runs in ((1, one), (2, two)):
                with OurSink(delay_ms=DELAY_MS) as sink:
                    runs.append(stage.once(sink, consumers=consumers))
    found = figures("two_consumers", two, median([run.rate for run in one]))
    conclude(
        found,
        Goal("at least 1.8 × one consumer", (found.ratio or 0) >= 1.8),
        nothing_wrong(*one, *two),
    )


if __name__ == "__main__":
    main()
