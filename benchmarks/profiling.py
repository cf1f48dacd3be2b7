"""Where a consumer's processor time goes, by py-spy, which looks from outside and costs little."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

from benchmarks.sinks import ROOT

FOLDER = ROOT / "var" / "profiles"
SAMPLES_PER_SECOND = 250
SHOWN = 60


class Profile:
    """Begins when it is made; `stop` writes the stacks and, beside them, a summary of them."""

    def __init__(self, pid: int, name: str) -> None:
        FOLDER.mkdir(parents=True, exist_ok=True)
        self.stacks = FOLDER / f"{name}.stacks"
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        binary = shutil.which("py-spy", path=path)
        self.process = None
        if binary is None:
            print("py-spy is missing, so there is no profile: .venv/bin/pip install py-spy")
            return
        self.process = subprocess.Popen(
            [binary, "record", "--format", "raw", "--threads", "--duration", "100000",
             "--rate", str(SAMPLES_PER_SECOND), "--output", str(self.stacks), "--pid", str(pid)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.stacks.exists():
            summary = self.stacks.with_suffix(".txt")
            summary.write_text(summarise(self.stacks.read_text()))
            print(f"profile: {summary.relative_to(ROOT)}, stacks for a flame graph beside it")


def summarise(stacks: str) -> str:
    """Return, for each thread, the functions that work most: alone, and with what they call."""
    threads: Counter[str] = Counter()
    alone: dict[str, Counter[str]] = {}
    whole: dict[str, Counter[str]] = {}
    for line in stacks.splitlines():
        stack, _, samples = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if not frames:
            continue
        threads[thread] += int(samples)
        alone.setdefault(thread, Counter())[frames[-1]] += int(samples)
        functions = {frame.rpartition(":")[0] + ")" for frame in frames}
        whole.setdefault(thread, Counter()).update(dict.fromkeys(functions, int(samples)))
    every = sum(threads.values())
    lines = [f"{every / SAMPLES_PER_SECOND:.1f} s of work seen in {len(threads)} threads"]
    for thread, samples in threads.most_common():
        if samples < every / 100:
            continue
        lines.append(f"\n== {thread}: {100 * samples / every:.0f} % of it")
        for title, counts in (("lines alone", alone), ("functions with their callees", whole)):
            lines.append(f"-- {title}")
            lines += [
                f"{100 * count / samples:5.1f} %  {name}"
                for name, count in counts[thread].most_common(SHOWN)
            ]
    return "\n".join(lines) + "\n"
