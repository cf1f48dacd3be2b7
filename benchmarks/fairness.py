"""A mailing to 10 recipients that starts while a huge one of the same owner is being sent."""

import time

from benchmarks.report import Figures, Goal, conclude, median, options, worst
from benchmarks.sending import OVER, progress
from benchmarks.sinks import fast_sink
from benchmarks.stage import Stage, Take

FEW = 10
UNDER_WAY = 2  # seconds that the huge one sends before the small one starts


def small(take: Take) -> tuple[float, int]:
    """Start the small mailing; return the seconds until its run was done, and how many it lost."""
    mailing = take.direct("draft", name="To few", audience="few")
    began = time.time()
    take.direct("start", mailing=mailing)
    run = progress(take, mailing, 0.05, lambda run: run["status"] in OVER)
    return run["finished_at"].timestamp() - began, FEW - run["sent_count"]


def beside_the_huge(take: Take) -> tuple[float, int]:
    huge = take.direct("draft", name="To all", audience="all")
    take.direct("start", mailing=huge)
    progress(take, huge, 0.05, lambda run: run["sent_count"] > 0)
    time.sleep(UNDER_WAY)
    found = small(take)
    run = take.run_of(huge)
    assert run is not None
    print(f"  the huge one: {run['sent_count']} of {run['targeted']} sent, {run['status']}")
    if run["status"] in OVER:
        print("  It was over too soon: take a greater COUNT.")
    return found


def main() -> None:
    chosen = options(count=1_000_000, connections=50)
    alone, beside, lost = [], [], []
    with Stage(
        clients=chosen.count,
        lists={"all": chosen.count, "few": FEW},
        connections=chosen.connections,
        profile="fairness" if chosen.profile else "",
    ) as stage:
        for _ in range(chosen.runs):
            for play, seconds in ((small, alone), (beside_the_huge, beside)):
                with fast_sink(stage.folder) as sink, stage.take(sink) as take:
                    take.start_consumers()
                    took, missing = play(take)
                    seconds.append(took)
                    lost.append(missing)
                    print(f"{play.__name__.replace('_', ' ')}: {took:.2f} s", flush=True)
    value, reference = median(beside) or 0, median(alone) or 0
    conclude(
        Figures(
            "fairness", value, "s until its run is done", reference,
            ratio=value / reference if reference else None, lost=worst(lost),
        ),
        Goal("within 3 s", value <= 3),
        Goal("nothing lost", not worst(lost)),
    )  # fmt: skip


if __name__ == "__main__":
    main()
