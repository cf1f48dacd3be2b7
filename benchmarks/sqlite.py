"""20 000 personalised mails on the embedded default: SQLite for rows and queue, one consumer."""

from benchmarks.report import Goal, conclude, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import fast_sink
from benchmarks.stage import Stage


def main() -> None:
    chosen = options(count=20_000, connections=200)
    runs = []
    with Stage(
        clients=chosen.count,
        connections=chosen.connections,
        embedded=True,
        profile="sqlite" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            with fast_sink(stage.folder) as sink:
                runs.append(stage.once(sink))
    found = figures("sqlite", runs)
    conclude(found, Goal("at least 3000 mails/s", (found.value or 0) >= 3000), nothing_wrong(*runs))


if __name__ == "__main__":
    main()
