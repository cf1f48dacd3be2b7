"""100 000 personalised mails through the Huey task, on PostgreSQL and Redis, to smtp-sink.

The reference is Postfix's smtp-source over 50 kept connections, with bodies of the same size, to
the same sink, by turns with our runs: it renders nothing, records nothing and does no pipelining.
"""

from benchmarks.report import Figures, Goal, conclude, median, options, worst
from benchmarks.sinks import fast_sink, smtp_source
from benchmarks.stage import Stage


def said(rate: float | None) -> str:
    return f"{rate:.0f}/s" if rate else "missing (apt install postfix)"


def main() -> None:
    chosen = options(count=100_000, connections=50)
    runs, references = [], []
    profile = "engine" if chosen.profile else ""
    with Stage(clients=chosen.count, connections=chosen.connections, profile=profile) as stage:
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
    rate, reference = median([run.rate for run in runs]), median(references)
    figures = Figures(
        "engine", rate, "mails/s", reference,
        ratio=rate / reference if reference else None,
        client_us=median([run.client_us for run in runs]),
        db_us=median([run.db_us for run in runs]),
        rss_mb=median([run.rss_mb for run in runs]),
        lost=worst([run.lost for run in runs]),
        copies=worst([run.copies for run in runs]),
    )  # fmt: skip
    conclude(
        figures,
        Goal("at least 0.8 × smtp-source", (figures.ratio or 0) >= 0.8),
        Goal("at most 40 µs of client CPU a mail", figures.client_us <= 40),
        Goal("at most 25 µs of database CPU a mail", figures.db_us <= 25),
        Goal("at most 150 MB", figures.rss_mb <= 150),
        Goal("nothing lost, no copies", not figures.lost and not figures.copies),
    )


if __name__ == "__main__":
    main()
