"""What processes used: processor time and memory, read from /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")  # seconds
# Fields of /proc/<pid>/stat (man 5 proc_pid_stat), counted behind the command's closing bracket.
PARENT, USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM = 1, 11, 12, 13, 14


def stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:  # it has ended
        return []


def tree(root: int) -> list[int]:
    """Return the process and all below it."""
    parents = {
        int(folder.name): int(fields[PARENT])
        for folder in Path("/proc").glob("[0-9]*")
        if (fields := stat(int(folder.name)))
    }
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu(roots: Iterable[int]) -> float:
    """Return the seconds of processor that the process trees used, ended children included."""
    ticks = 0
    for root in roots:
        for pid in tree(root):
            # A child's own time moves to its parent's CHILDREN_… when it ends.
            fields = stat(pid)
            if fields:
                ticks += sum(
                    int(fields[at]) for at in (USER, SYSTEM, CHILDREN_USER, CHILDREN_SYSTEM)
                )
    return ticks * TICK


@dataclass
class Memory:
    """Megabytes of a process tree: resident now, and at most since its start."""

    now: float
    peak: float


def memory(root: int) -> Memory:
    sums = {"VmRSS": 0, "VmHWM": 0}
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name in sums:
                sums[name] += int(value.split()[0])
    return Memory(sums["VmRSS"] / 1024, sums["VmHWM"] / 1024)


def forget_peak(pid: int) -> None:
    """Let the peak of a process begin again at what it has now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")
