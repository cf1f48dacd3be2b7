"""The benchmarks work: each, made tiny, measures a real run and ends with its line of JSON.

They bring their own servers, so they run once. Figures mean nothing here and are not looked at.
"""

import json
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.report import Figures
from tests.site import ROOT, environment_of, wait_for

KEYS = [field.name for field in fields(Figures)]


def play(name: str, count: int, runs: int = 1) -> list[dict[str, object]]:
    """Run a tiny benchmark; return its lines of JSON."""
    command = [sys.executable, "-m", "benchmarks", name]
    command += ["--runs", str(runs), "--count", str(count)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def test_the_keys_are_those_that_were_agreed():
    assert KEYS == [
        "name", "value", "unit", "reference", "ratio", "client_us", "db_us", "rss_mb", "lost",
        "copies",
    ]  # fmt: skip


def test_every_benchmark_that_is_listed_exists():
    assert [n for n in NAMES if not (ROOT / "benchmarks" / f"{n}.py").exists()] == []


def test_every_benchmark_is_explained():
    text = (ROOT / "docs/benchmarks.md").read_text()
    assert [name for name in NAMES if f"| `{name}`" not in text] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["engine", "sqlite"])
def test_a_sending_benchmark_loses_and_copies_nothing(name):
    (figures,) = play(name, 200, runs=2)
    assert list(figures) == KEYS
    assert figures["name"] == name
    assert figures["value"] > 0
    assert figures["client_us"] > 0
    assert (figures["lost"], figures["copies"]) == (0, 0)


@pytest.mark.slow
def test_an_import_is_measured_with_its_exports():
    (figures,) = play("importing", 300)
    assert list(figures) == KEYS
    assert (figures["lost"], figures["copies"]) == (0, 0)
    assert figures["value"] > 0


@pytest.mark.slow
def test_rendering_is_compared_with_django():
    (figures,) = play("render", 400)
    assert list(figures) == KEYS
    assert figures["ratio"] == pytest.approx(figures["value"] / figures["reference"], rel=0.05)


def test_a_benchmark_says_in_one_line_which_program_it_lacks(tmp_path):
    command = [sys.executable, "-m", "benchmarks.lighthouse"]
    done = subprocess.run(
        command, cwd=ROOT, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "Node is missing: apt install nodejs npm\n"


@pytest.mark.slow
def test_an_interrupted_benchmark_leaves_nothing_behind(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "sqlite", "--runs", "1", "--count", "20000"],
        cwd=ROOT, env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(
            lambda: working_in(tmp_path, "run_huey"), timeout=300, message="no consumer started"
        )
    finally:
        process.send_signal(signal.SIGINT)
        code = process.wait(60)
    assert code == 130
    deadline = time.monotonic() + 30
    while working_in(tmp_path, "") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert working_in(tmp_path, "") == []
    assert list(tmp_path.iterdir()) == []


def working_in(folder: Path, what: str) -> list[str]:
    """Return the commands of living processes that were told of this folder."""
    mark = str(folder).encode()
    return [
        command
        for process in Path("/proc").glob("[0-9]*")
        if mark in environment_of(process) and what in (command := command_of(process))
    ]


def command_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:  # ended meanwhile
        return ""
