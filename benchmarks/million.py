"""1 000 000 recipients against a tenth of them: neither the rate nor the memory may care."""

from benchmarks.report import Goal, conclude, median, options
from benchmarks.sending import figures, nothing_wrong
from benchmarks.sinks import fast_sink
from benchmarks.stage import Stage


def main() -> None:
    chosen = options(count=1_000_000, connections=50)
    few, many = [], []
    with Stage(
        clients=chosen.count,
        lists={"all": chosen.count, "tenth": max(1, chosen.count // 10)},
        connections=chosen.connections,
        profile="million" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            for audience, runs in (("tenth", few), ("all", many)):
                with fast_sink(stage.folder) as sink:
                    runs.append(stage.once(sink, audience=audience))
    found = figures("million", many, median([run.rate for run in few]))
    growth = (found.rss_mb or 0) - (median([run.rss_mb for run in few]) or 0)
    conclude(
        found,
        Goal("at least 0.9 × the rate of a tenth", (found.ratio or 0) >= 0.9),
        Goal(f"at most 20 MB more than a tenth takes (now {growth:.0f} MB)", growth <= 20),
        nothing_wrong(*few, *many),
    )


if __name__ == "__main__":
    main()
