"""Run one benchmark by name, or all of them; each ends with its figures as a line of JSON.

Options (`--runs`, `--count`, `--connections`, `--profile`) are passed on to each.
"""

import signal
import subprocess
import sys
from types import FrameType

NAMES = (
    "render", "refusals", "smtp_client", "engine", "bridge", "million", "slow_relay", "tls",
    "sqlite", "two_consumers", "freeze", "lateness", "fairness", "pages", "web", "importing",
    "deleting", "segments", "lighthouse",
)  # fmt: skip


class Interrupted(Exception):  # noqa: N818 - what happened, not an error
    """Somebody wants an end; the benchmark that runs cleans up after itself."""


def run(name: str, options: list[str]) -> int:
    """Run a benchmark in a process of its own, so that memory and settings colour no other."""
    print(f"\n== {name}", flush=True)
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.{name}", *options])
    stops: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        stops.append(number)
        process.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    code = process.wait()
    if stops:
        raise Interrupted
    return code


def main() -> int:
    first_option = next((i for i, word in enumerate(sys.argv) if word.startswith("-")), None)
    names = sys.argv[1:first_option]
    options = sys.argv[first_option:] if first_option else []
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}. There are: {', '.join(NAMES)}.")
        return 2
    try:
        return max([run(name, options) for name in names or NAMES])
    except Interrupted:
        return 130


if __name__ == "__main__":
    sys.exit(main())
