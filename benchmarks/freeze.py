"""How long it takes to make a run of a million recipients, and whether memory stays flat."""

from benchmarks import usage
from benchmarks.report import Figures, Goal, conclude, median, medians, options
from benchmarks.stage import Stage, Take


def freeze(take: Take) -> tuple[float, Figures]:
    """Plan one mailing as the task does; return by how much the memory grew, and the rest."""
    mailing = take.direct("draft", name="To all", audience="all")
    take.direct("start", mailing=mailing)  # no consumer is there to plan it
    pid, database = take.direct.process.pid, take.database.cpu() or 0
    usage.forget_peak(pid)
    before = usage.memory(pid).now
    took = take.direct("plan")
    peak, database = usage.memory(pid).peak, (take.database.cpu() or 0) - database
    run = take.run_of(mailing)
    targeted = run["targeted"] if run else 0
    print(
        f"{targeted} recipients frozen in {took['seconds']:.2f} s; client {took['cpu']:.2f} s, "
        f"database {database:.2f} s; {peak:.0f} MB, {peak - before:+.1f} MB meanwhile",
        flush=True,
    )
    return peak - before, Figures(
        "freeze", took["seconds"], "s",
        client_us=took["cpu"] / max(1, targeted) * 1e6,
        db_us=database / max(1, targeted) * 1e6,
        rss_mb=peak,
        lost=take.stage.clients - targeted,
    )  # fmt: skip


def main() -> None:
    chosen = options(count=1_000_000)
    runs, growths = [], []
    with Stage(clients=chosen.count) as stage:
        for _ in range(chosen.runs):
            with stage.take(None) as take:
                growth, run = freeze(take)
                runs.append(run)
                growths.append(growth)
    growth = median(growths) or 0
    found = medians(runs)
    conclude(
        found,
        Goal("at most 15 s", (found.value or 0) <= 15),
        Goal(f"memory flat: at most 10 MB more meanwhile (now {growth:.1f} MB)", growth <= 10),
        Goal("every recipient frozen", not found.lost),
    )


if __name__ == "__main__":
    main()
