"""How a benchmark speaks: options, readable lines, and its one line of JSON at the end."""

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import FrameType

RUNS = 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass
class Options:
    runs: int
    count: int
    connections: int
    profile: bool


def options(*, count: int, connections: int = 0, noun: str = "recipients") -> Options:
    """Read the command line and say on what is measured; a signal from now on ends in order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--count", type=int, default=count)
    parser.add_argument("--connections", type=int, default=connections)
    parser.add_argument("--profile", action="store_true")
    chosen = Options(**vars(parser.parse_args()))
    for number in SIGNALS:
        signal.signal(number, end_in_order)
    print(machine())
    words = [f"{chosen.runs} runs", f"{chosen.count} {noun}"]
    if chosen.connections:
        words.append(f"{chosen.connections} connections")
    print(", ".join(words), flush=True)
    return chosen


def already_ending(number: int, _frame: FrameType | None) -> None:
    """Do nothing more."""


def end_in_order(number: int, _frame: FrameType | None) -> None:
    """Unwind, so that everything is cleaned up; whoever is impatient cannot interrupt that."""
    for each in SIGNALS:
        signal.signal(each, already_ending)
    sys.exit(128 + number)


def machine() -> str:
    model = next(
        (
            line.partition(": ")[2]
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**30
    names = ("Django", "huey", "psycopg2-binary")
    packages = ", ".join(f"{name} {version(name)}" for name in names)
    load = os.getloadavg()[0]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} × {model}, {memory} GB, load {load:.1f}\n"
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"{packages}, commit {commit()}"
    )


def commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    try:
        return subprocess.run(
            asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def worst(values: Sequence[int | None]) -> int | None:
    """Of losses and copies no median makes harmless what happened once."""
    return max((value for value in values if value is not None), default=None)


@dataclass
class Figures:
    """The keys of the JSON, the same for all; None where a figure does not apply."""

    name: str
    value: float | None
    unit: str
    reference: float | None = None
    ratio: float | None = None
    client_us: float | None = None
    db_us: float | None = None
    rss_mb: float | None = None
    lost: int | None = None
    copies: int | None = None


def medians(runs: Sequence[Figures]) -> Figures:
    """Return the median of each figure of some runs; of lost mails and copies the worst."""
    return replace(
        runs[0],
        value=median([run.value for run in runs]),
        reference=median([run.reference for run in runs]),
        ratio=median([run.ratio for run in runs]),
        client_us=median([run.client_us for run in runs]),
        db_us=median([run.db_us for run in runs]),
        rss_mb=median([run.rss_mb for run in runs]),
        lost=worst([run.lost for run in runs]),
        copies=worst([run.copies for run in runs]),
    )


@dataclass
class Goal:
    words: str
    is_met: bool


def conclude(figures: Figures, *goals: Goal) -> None:
    """Print each goal with the verdict, then the figures as the last line."""
    for goal in goals:
        print(f"{'met' if goal.is_met else 'NOT met'}: {goal.words}")
    rounded = {
        name: _short(value) if isinstance(value, float) else value
        for name, value in asdict(figures).items()
    }
    print(json.dumps(rounded, ensure_ascii=False), flush=True)


def _short(value: float) -> float:
    return round(value) if abs(value) >= 1000 else round(value, 2 if abs(value) < 10 else 1)
