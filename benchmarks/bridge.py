"""The product beside an engine that does nothing but its trade, by turns: the same sink, database,
letter and size. Says where each spends its time, a mail, and what each promise of the product's
commit costs the reference.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from statistics import median

from benchmarks.reference_engine import MARKS, PROMISES, mark
from benchmarks.report import Figures, Goal, conclude, options
from benchmarks.sending import nothing_wrong
from benchmarks.sinks import ROOT, Sink, fast_sink, smtp_source
from benchmarks.stage import Stage, Take

Took = dict[str, float]
WORDS = {
    "rate": "mails/s",
    "cpu": "client CPU, µs a mail",
    "loop": "  of it the loop",
    "rendering": "    of it rendering",
    "smtp": "    of it SMTP and all else",
    "reading": "  reading",
    "recording": "  recording",
    "database": "database CPU, µs a mail",
    "commits": "commits/s",
    "batch": "mails a commit",
    "loop_idle": "loop idle, %",
    "recorder_idle": "recorder idle, %",
    "wait": "from a reply to the next body, ms",
}


def said(took: Took, mails: int) -> Took:
    """Return the figures of the table from seconds in all."""
    seconds, each = took["seconds"], 1e6 / mails
    return {
        "rate": mails / seconds,
        "cpu": took["cpu"] * each,
        "loop": took["loop"] * each,
        "rendering": took["rendering"] * each,
        "smtp": (took["loop"] - took["rendering"]) * each,
        "reading": took["reading"] * each,
        "recording": took["recording"] * each,
        "database": took["database"] * each,
        "commits": took["commits"] / seconds,
        "batch": mails / took["commits"],
        "loop_idle": 100 * (1 - took["loop"] / seconds),
        "recorder_idle": 100 * (1 - took["recorder_busy"] / seconds),
        "wait": 1000 * took["wait"] / mails,
    }


def reference(
    take: Take, sink: Sink, count: int, connections: int, promises: Sequence[str]
) -> Took:
    sample = take.direct("letter", values={name: mark(name) for name in MARKS})
    settings = {
        "url": take.database.url, "port": sink.port, "sample": sample, "count": count,
        "connections": connections, "promises": list(promises),
    }  # fmt: skip
    before, database = sink.accepted(), take.database.cpu() or 0.0
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.reference_engine", json.dumps(settings)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    took: Took = json.loads(done.stdout)
    took["database"] = (take.database.cpu() or 0.0) - database
    arrived = sink.accepted() - before
    if not arrived == took["recorded"] == count:
        raise RuntimeError(f"{arrived} arrived, {took['recorded']:.0f} recorded, of {count}")
    return took


def print_table(columns: dict[str, list[Took]]) -> dict[str, Took]:
    medians = {
        name: {key: median(run[key] for run in runs) for key in WORDS}
        for name, runs in columns.items()
    }
    print("\n" + " " * 36 + "".join(f"{name:>16}" for name in medians))
    for key, words in WORDS.items():
        cells = "".join(f"{found[key]:>16.1f}" for found in medians.values())
        print(f"{words:<36}{cells}")
    return medians


def main() -> None:
    chosen = options(count=100_000, connections=200)
    steps = [PROMISES[:number] for number in range(len(PROMISES) + 1)]
    names = ["reference", *(f"+ {name}" for name in PROMISES)]
    columns: dict[str, list[Took]] = {name: [] for name in ["product", *names]}
    sources, runs = [], []
    with Stage(clients=chosen.count, connections=chosen.connections) as stage:
        for _ in range(chosen.runs):
            with fast_sink(stage.folder) as sink, stage.take(sink) as take:
                file = take.data / "bridge.json"
                take.environment["BRIDGE_FIGURES"] = str(file)
                take.start_consumers(command=["-m", "benchmarks.instrumented"])
                runs.append(take.send())
                take.stop_consumers()
                took: Took = json.loads(file.read_text())
                took["seconds"] = runs[-1].seconds
                took["cpu"] = runs[-1].client_seconds
                took["database"] = runs[-1].db_seconds or 0.0
                columns["product"].append(said(took, chosen.count))
                for name, promises in zip(names, steps, strict=True):
                    took = reference(take, sink, chosen.count, chosen.connections, promises)
                    columns[name].append(said(took, chosen.count))
                size = take.direct("size")
                sources.append(smtp_source(sink.port, mails=chosen.count, size=size))
            print_table(columns)
            print(f"smtp-source {sources[-1] or 0:.0f}/s, {size} bytes a mail", flush=True)
    medians = print_table(columns)
    product, bare = medians["product"], medians["reference"]
    ratio = product["rate"] / bare["rate"]
    found = Figures(
        "bridge", product["rate"], "mails/s", bare["rate"], ratio,
        client_us=product["cpu"], db_us=product["database"],
        lost=max(run.lost for run in runs), copies=max(run.copies for run in runs),
    )  # fmt: skip
    conclude(
        found,
        Goal("at least 0.85 × the reference", ratio >= 0.85),
        Goal("at most 1.5 × its client CPU", product["cpu"] <= 1.5 * bare["cpu"]),
        Goal("at most 1.3 × its database CPU", product["database"] <= 1.3 * bare["database"]),
        nothing_wrong(*runs),
    )


if __name__ == "__main__":
    main()
