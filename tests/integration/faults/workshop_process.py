"""The process behind `Workshop`: one JSON command a line, one JSON answer.

Imports nothing of the tests: `tests.services` would start servers.
"""

import json
import os
import signal
import sys
import threading
import time
import traceback
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.parse import urlsplit

from tests.integration.faults.child import die_with_parent

SWEEP = 0.2  # seconds between rescues


def main() -> None:
    die_with_parent()
    import django

    django.setup()
    import mailings.delivery.runs.invariants
    import mailings.tasks  # noqa: F401 - everything a child will need
    import tests.factories  # noqa: F401

    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"value": obey(command)}
        except Exception:  # noqa: BLE001 - told to the test
            answer = {"error": traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def obey(command: dict[str, Any]) -> Any:
    match command.pop("do"):
        case "work":
            code = command.pop("code")
            return fork(lambda: work(code), **command)
        case "serve":
            port = command.pop("port")
            return fork(lambda: serve(port), **command)
        case "begin":
            code = command.pop("code")
            return fork(lambda: exec(code, {}), **command)
        case "poll":
            pid, status = os.waitpid(command["pid"], os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if pid else None
        case "wait":
            return os.waitstatus_to_exitcode(os.waitpid(command["pid"], 0)[1])
        case "run":
            reading, writing = os.pipe()
            code = command.pop("code")
            pid = fork(lambda: execute(code, writing), **command)
            os.close(writing)
            with os.fdopen(reading) as pipe:
                text = pipe.read()
            os.waitpid(pid, 0)
            answer = json.loads(text or '{"error": "The code ended its process."}')
            if "error" in answer:
                raise RuntimeError(answer["error"])
            return answer["value"]


def fork(what: Any, *, database: str, settings: dict[str, Any]) -> int:
    sys.stdout.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        become_a_worker_of(parent)
        configure(database, settings)
        what()
        code = 0
    except BaseException:  # noqa: BLE001 - the child must not go on as a second workshop
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def become_a_worker_of(parent: int) -> None:
    die_with_parent(parent)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(2, 1)


def configure(database: str, overrides: dict[str, Any]) -> None:
    from django.conf import settings
    from django.db import connections

    parts = urlsplit(database)
    connections.settings["default"] |= {"NAME": parts.path[1:], "PORT": parts.port}
    for name, value in overrides.items():
        setattr(settings, name, value)


def execute(code: str, pipe: int) -> None:
    space: dict[str, Any] = {}
    try:
        exec(code, space)
        answer = {"value": space.get("result")}
    except BaseException:  # noqa: BLE001 - told to the test
        answer = {"error": traceback.format_exc()}
    os.write(pipe, json.dumps(answer).encode())


def serve(port: int) -> None:
    """Be a web process, one thread a request."""
    from django.core.servers import basehttp

    from site_config.wsgi import application

    basehttp.run("127.0.0.1", port, application, threading=True)


def work(before: str) -> NoReturn:
    """Rescue, plan and deliver, each in its thread, until SIGTERM; as `run_huey` does."""
    from mailings import tasks

    exec(before, {})
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    tasks._consumers.append(SimpleNamespace(stop_flag=stop))  # type: ignore[arg-type]

    def repeat(*chores: Any) -> None:
        while not stop.is_set():
            for chore in chores:
                try:
                    chore.func()
                except Exception:  # noqa: BLE001 - Huey logs it too, and the next minute comes
                    traceback.print_exc()
            stop.wait(SWEEP)

    sweeper = threading.Thread(target=repeat, args=[tasks.rescue, tasks.plan], daemon=True)
    sender = threading.Thread(target=repeat, args=[tasks.deliver], daemon=True)
    sweeper.start()
    sender.start()
    while sender.is_alive():  # the main thread stays free for signals
        time.sleep(0.02)
    sweeper.join()
    os._exit(0)


if __name__ == "__main__":
    main()
