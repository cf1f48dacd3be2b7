"""Addresses of mail servers, looked up in a thread of our own.

The event loop's own threads will not do: a resolver that hangs would fill their pool and hold up
the end of the process. Here one daemon thread a name is asked, whoever waits has a deadline, and
known addresses keep serving while they are asked for anew.
"""

import asyncio
import socket
import threading
import time
from concurrent.futures import Future

FRESH = 60.0
"""Seconds an answer is used before the name is asked again, in the background."""

_lock = threading.Lock()
_known: dict[tuple[str, int], tuple[float, list[str]]] = {}
_lookups: dict[tuple[str, int], Future[list[str]]] = {}


async def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of `host`, at least one. Raises `OSError`."""
    known = _known.get((host, port))
    if known is not None and time.monotonic() - known[0] < FRESH:
        return known[1]
    lookup = _start_lookup(host, port)
    return known[1] if known is not None else await asyncio.wrap_future(lookup)


def _start_lookup(host: str, port: int) -> Future[list[str]]:
    with _lock:
        lookup = _lookups.get((host, port))
        if lookup is None:
            lookup = _lookups[host, port] = Future()
            # From now on one impatient waiter cannot cancel it for the others.
            lookup.set_running_or_notify_cancel()
            thread = threading.Thread(target=_look_up, args=(host, port, lookup), daemon=True)
            thread.start()
    return lookup


def _look_up(host: str, port: int, lookup: Future[list[str]]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    except OSError as error:
        outcome: OSError | None = error
    except UnicodeError:
        outcome = OSError(f"{host!r} is not a host name")
    else:
        outcome = None
        _known[host, port] = (time.monotonic(), addresses)
    with _lock:
        del _lookups[host, port]
    if outcome is None:
        lookup.set_result(addresses)
    else:
        lookup.set_exception(outcome)
