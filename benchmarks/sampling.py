"""Where a process's processor time goes: python -m benchmarks.sampling REPORT manage.py run_huey

Looks at every thread each few milliseconds and charges what the thread used since the last look to
the functions on its stack. Costs a few percent; a C function is charged to the line that calls it.
The report is rewritten every few seconds, so that a killed process leaves one too.
"""

import runpy
import sys
import threading
import time
from collections import Counter, defaultdict
from pathlib import Path
from types import FrameType

EVERY = 0.003  # seconds
WRITE_EVERY = 2.0
SHOWN = 45


class Sampler(threading.Thread):
    def __init__(self, report: Path) -> None:
        super().__init__(name="sampler", daemon=True)
        self.report = report
        self.used: dict[int, float] = {}
        self.by_thread: Counter[str] = Counter()
        self.own: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.total: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def run(self) -> None:
        written = time.monotonic()
        while True:
            time.sleep(EVERY)
            self.look()
            if time.monotonic() - written > WRITE_EVERY:
                self.write()
                written = time.monotonic()

    def look(self) -> None:
        frames = sys._current_frames()
        for thread in threading.enumerate():
            if thread is self or thread.ident is None:
                continue
            try:
                now = time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
            except OSError:  # it ended meanwhile
                continue
            spent = now - self.used.get(thread.ident, now)
            self.used[thread.ident] = now
            frame = frames.get(thread.ident)
            if frame is not None and spent > 0:
                self.charge(thread.name, frame, spent)

    def charge(self, thread: str, frame: FrameType, spent: float) -> None:
        self.by_thread[thread] += spent
        self.own[thread][f"{place(frame)}:{frame.f_lineno}"] += spent
        seen = set()
        above: FrameType | None = frame
        while above is not None:
            seen.add(place(above))
            above = above.f_back
        for name in seen:
            self.total[thread][name] += spent

    def write(self) -> None:
        lines = []
        for thread, spent in self.by_thread.most_common():
            if spent < 0.05:
                continue
            lines.append(f"\n==== thread {thread}: {spent:.2f} s of processor")
            for title, counts in (("own lines", self.own), ("with callees", self.total)):
                lines.append(f"-- {title}")
                lines += [
                    f"{seconds:8.2f} s {100 * seconds / spent:5.1f} %  {name}"
                    for name, seconds in counts[thread].most_common(SHOWN)
                ]
        self.report.write_text("\n".join(lines) + "\n")


def place(frame: FrameType) -> str:
    code = frame.f_code
    file = code.co_filename
    _, inside, rest = file.rpartition("/site-packages/")
    return f"{rest if inside else '/'.join(file.split('/')[-3:])} {code.co_qualname}"


def main() -> None:
    report, script = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    sampler = Sampler(report)
    sampler.start()
    try:
        runpy.run_path(script, run_name="__main__")
    finally:
        sampler.write()
        print(f"Profile: {report}")


if __name__ == "__main__":
    main()
