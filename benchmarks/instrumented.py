"""A consumer that adds up where its sending goes, for `bridge`: `run_huey` with watches around a
few methods of the session. What it found goes, when it ends, into the file BRIDGE_FIGURES names.

The watches cost about a microsecond a mail.
"""

import atexit
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import django

took: dict[str, float] = defaultdict(float)


def around(owner: type, name: str, watch: Callable[..., Any]) -> None:
    """Let `watch` be called in place of a method, which it gets as its first argument."""
    method = getattr(owner, name)
    setattr(owner, name, lambda *arguments, **named: watch(method, *arguments, **named))


def timed(key: str, count: str = "") -> Callable[..., Any]:
    def watch(method: Callable[..., Any], *arguments: Any) -> Any:
        began = time.perf_counter()
        try:
            return method(*arguments)
        finally:
            took[key] += time.perf_counter() - began
            if count:
                took[count] += 1

    return watch


def of_thread(key: str) -> Callable[..., Any]:
    def watch(method: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return method(*arguments)
        finally:
            took[key] += time.thread_time()  # the thread is its own, and ends here

    return watch


async def in_loop(method: Callable[..., Any], session: Any) -> Any:
    began = time.thread_time()
    try:
        return await method(session)
    finally:
        took["loop"] += time.thread_time() - began


def watch_connections(pool: type) -> None:
    """Add up how long connections wait from a reply until their next body leaves."""
    answered: dict[Any, float] = {}

    def done(method: Callable[..., Any], pool: Any, connection: Any, *rest: Any) -> Any:
        answered[pool._slots[connection]] = time.perf_counter()
        return method(pool, connection, *rest)

    def begin(method: Callable[..., Any], pool: Any, slot: Any) -> Any:
        if (at := answered.pop(slot, None)) is not None:
            took["wait"] += time.perf_counter() - at
            took["waits"] += 1
        return method(pool, slot)

    around(pool, "done", done)
    around(pool, "_begin_body", begin)


def main() -> None:
    django.setup()
    from django.core.management import execute_from_command_line

    from mailings.delivery.session.buffer import Buffer
    from mailings.delivery.session.connection_pool import ConnectionPool
    from mailings.delivery.session.feeder import Feeder
    from mailings.delivery.session.recorder import Recorder
    from mailings.delivery.session.session import Session

    around(Buffer, "mail", timed("rendering"))
    around(Recorder, "_write", timed("recorder_busy", "commits"))
    around(Recorder, "run", of_thread("recording"))
    around(Feeder, "run", of_thread("reading"))
    around(Session, "run", in_loop)
    watch_connections(ConnectionPool)
    file = Path(os.environ["BRIDGE_FIGURES"])
    atexit.register(lambda: file.write_text(json.dumps(took)))
    execute_from_command_line([sys.argv[0], "run_huey"])


if __name__ == "__main__":
    main()
