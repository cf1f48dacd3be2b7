"""Asks an HTTP API for anything at all, without its key, to tell whether it answers."""

import time
from dataclasses import replace

from mailings.delivery.transports.http.config import ApiConfig
from mailings.delivery.transports.smtp.probe import Finding

WHOLE = 15.0
"""Seconds for everything together: somebody waits for the answer."""


def probe(config: ApiConfig, *, whole: float = WHOLE) -> Finding:
    """Return whether it answers. Never raises for what a server does; never call it inside a
    transaction of the database, which would wait with it."""
    # Heavy: requests and anymail are only for those who use them.
    from mailings.delivery.transports.http import client as http_client

    started = time.monotonic()
    fault = http_client.reach(replace(config, deadline=whole))
    return Finding(time.monotonic() - started, fault=fault)
