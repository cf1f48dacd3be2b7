"""20 000 personalised mails on the embedded default: SQLite for rows and queue, one consumer."""

from benchmarks.report import Figures, Goal, conclude, median, options, worst
from benchmarks.sinks import fast_sink
from benchmarks.stage import Stage


def main() -> None:
    chosen = options(count=20_000, connections=50)
    runs = []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        embedded=True,
        profile="sqlite" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            with fast_sink(stage.folder) as sink, stage.take(sink) as take:
                take.start_consumers()
                runs.append(take.send())
                print(f"{sink.kind}: {runs[-1]}", flush=True)
    rate = median([run.rate for run in runs])
    lost, copies = worst([run.lost for run in runs]), worst([run.copies for run in runs])
    conclude(
        Figures(
            "sqlite", rate, "mails/s",
            client_us=median([run.client_us for run in runs]),
            rss_mb=median([run.rss_mb for run in runs]),
            lost=lost, copies=copies,
        ),
        Goal("at least 3000 mails/s", rate >= 3000),
        Goal("nothing lost, no copies", not lost and not copies),
    )  # fmt: skip


if __name__ == "__main__":
    main()
