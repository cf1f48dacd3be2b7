"""100 000 personalised mails through the Huey task, on PostgreSQL and Redis, to smtp-sink.

The reference is Postfix's smtp-source over 50 kept connections, with bodies of the same size, to
the same sink, by turns with our runs: it renders nothing, records nothing and does no pipelining.
"""

from benchmarks.report import Goal, conclude, median, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import fast_sink, smtp_source
from benchmarks.stage import Stage


def said(rate: float | None) -> str:
    return f"{rate:.0f}/s" if rate else "missing (apt install postfix)"


def main() -> None:
    chosen = options(count=100_000, connections=200)
    runs, references = [], []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        profile="engine" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            with fast_sink(stage.folder) as sink, stage.take(sink) as take:
                take.start_consumers()
                runs.append(take.send())
                print(runs[-1], flush=True)
                size = take.direct("size")
                take.stop_consumers()
                references.append(smtp_source(sink.port, mails=chosen.count, size=size))
                reference = said(references[-1])
                print(f"  {size} bytes a mail to {sink.kind}; smtp-source {reference}", flush=True)
    found = figures("engine", runs, median(references))
    conclude(
        found,
        Goal("at least 0.8 × smtp-source", (found.ratio or 0) >= 0.8),
        Goal("at most 40 µs of client CPU a mail", (found.client_us or 0) <= 40),
        Goal("at most 25 µs of database CPU a mail", (found.db_us or 0) <= 25),
        Goal("at most 150 MB", (found.rss_mb or 0) <= 150),
        nothing_wrong(*runs),
    )


if __name__ == "__main__":
    main()
