"""Requests over a few connections that stay open, as fast as they are answered: python -m
benchmarks.http_load PORT SECONDS, the requests (as JSON, each a whole request in text) on stdin.

A process of its own, on uvloop, so that it takes as little as it can of what is measured. Like
`wrk` it sends the next request of a connection when the answer before is whole. Requests are gone
through in turn, once or again and again.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import uvloop

from benchmarks.sinks import ROOT

CONNECTIONS = 8
END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"


@dataclass
class Load:
    """What was answered within the time."""

    answers: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    statuses: dict[str, int]

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


def load(port: int, requests: list[str], *, seconds: float, once: bool = False) -> Load:
    """Send the requests for so long, again and again unless `once`; return what came of it."""
    command = [sys.executable, "-m", "benchmarks.http_load", str(port), str(seconds)]
    done = subprocess.run(
        command, cwd=ROOT, input=json.dumps({"requests": requests, "once": once}),
        stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return Load(**json.loads(done.stdout))


class Connection(asyncio.Protocol):
    def __init__(self, run: "Run") -> None:
        self.run, self.buffer, self.whole = run, b"", 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.ask()

    def ask(self) -> None:
        request = self.run.next()
        if request is None:
            self.transport.close()
            return
        self.buffer, self.whole, self.began = b"", 0, time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.whole:
            end = self.buffer.find(END_OF_HEAD)
            if end < 0:
                return
            head = self.buffer[:end].lower() + b"\r\n"
            at = head.find(LENGTH)
            length = int(head[at + len(LENGTH) : head.index(b"\r\n", at + 2)]) if at >= 0 else 0
            self.whole = end + len(END_OF_HEAD) + length
        if len(self.buffer) >= self.whole:
            self.run.note(self.buffer[9:12].decode(), time.perf_counter() - self.began)
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        self.run.lost()


class Run:
    def __init__(self, port: int, seconds: float, requests: list[str], *, once: bool) -> None:
        self.port, self.seconds = port, seconds
        encoded = [request.encode() for request in requests]
        self.requests = iter(encoded) if once else cycle(encoded)
        self.took: list[float] = []
        self.statuses: dict[str, int] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def __call__(self) -> Load:
        self.over = asyncio.Event()
        self.began = self.last = time.perf_counter()
        self.open = 0
        for _ in range(CONNECTIONS):
            await self.connect()
        await self.over.wait()
        centiles = statistics.quantiles(self.took, n=100)
        return Load(
            len(self.took), self.last - self.began,
            centiles[49] * 1000, centiles[98] * 1000, self.statuses,
        )  # fmt: skip

    async def connect(self) -> None:
        self.open += 1
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: Connection(self), "127.0.0.1", self.port)

    def next(self) -> bytes | None:
        if time.perf_counter() - self.began > self.seconds:
            return None
        return next(self.requests, None)

    def note(self, status: str, seconds: float) -> None:
        self.took.append(seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.last = time.perf_counter()

    def lost(self) -> None:
        """A connection is closed, by the server too, which ends one now and then."""
        self.open -= 1
        if time.perf_counter() - self.began <= self.seconds and self.took:
            task = asyncio.get_running_loop().create_task(self.connect())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        elif not self.open:
            self.over.set()


def main() -> None:
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    asked = json.load(sys.stdin)
    found = uvloop.run(Run(port, seconds, asked["requests"], once=asked["once"])())
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
