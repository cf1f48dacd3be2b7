"""A process that keeps little gives back what it freed, also what threads freed."""

import ctypes
import subprocess
import sys

import pytest

from tests.site import ROOT

THREADS = """
import ctypes, threading
from pathlib import Path
from site_config import memory
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4 // 1024
def work():
    libc.free(libc.malloc(24_000_000))  # from now on the library takes 24 MB for usual
    blocks = [libc.malloc(200_000) for _ in range(100)]
    for block in blocks:
        ctypes.memset(block, 1, 200_000)
    kept.append(libc.malloc(500))  # behind them, so that they are not the end
    for block in blocks:
        libc.free(block)
kept = []
{first}
before = resident()
for _ in range(3):
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
print(resident() - before)
"""


def kept_by(first: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", THREADS.replace("{first}", first)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs the GNU C library")
def test_what_is_freed_is_given_back():
    usual, little = kept_by(""), kept_by("memory.keep_little()")
    assert usual > 15, "nothing to be given back: the test shows nothing"
    assert little < 5
