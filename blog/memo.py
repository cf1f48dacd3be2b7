"""What this process keeps of public pages for some seconds: rows, cards, ready pieces of HTML.

Each value belongs to the *generation* of the pages in which it was made: a change of any page,
picture, tag or site renews the generation, in the shared cache, so that all processes make it anew
at once. Whoever reads a generation does so before the rows. Numbers of readings are `LASTS` seconds
old at most.
"""

import logging
import secrets
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import transaction
from django.http import HttpRequest
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

AWAY = (RedisError, DatabaseError)  # the cache is Redis, or a table
GENERATION = "pages:generation"
LASTS = 10  # seconds
MOST = 500  # values; whoever asks for more addresses than there are does not fill the memory

Value = TypeVar("Value")
_kept: dict[Hashable, tuple[float, Any]] = {}


def generation_of(request: HttpRequest) -> str | None:
    """Return the pages' generation, asked for once a request; None: nothing may be kept."""
    known: str | None
    try:
        known = request._pages_generation  # type: ignore[attr-defined]
    except AttributeError:
        known = request._pages_generation = _ask()  # type: ignore[attr-defined]
    return known


def _ask() -> str | None:
    if not settings.PAGE_CACHE:
        return None
    try:
        return cache.get(GENERATION) or "first"
    except AWAY as error:
        log.warning("pages_generation_away", extra={"error": error})
        return None


def kept(generation: str | None, key: Hashable, make: Callable[[], Value]) -> Value:
    """Return the value of that generation, made if there is none; it must not be changed.

    `generation` may be any word for what no page changes; without one nothing is kept.
    """
    if not generation:
        return make()
    now, whole = time.monotonic(), (generation, key)
    found = _kept.get(whole)
    if found is None or found[0] < now:
        if len(_kept) >= MOST:
            _kept.clear()
        found = _kept[whole] = (now + LASTS, make())
    value: Value = found[1]
    return value


def forget(**signal: Any) -> None:
    """Signal receiver: once the change is committed, nobody is shown what was before.

    `robust`: the change is done; a cache that is away must not turn it into an error.
    """
    transaction.on_commit(_renew, robust=True)


def _renew() -> None:
    cache.set(GENERATION, secrets.token_hex(8), timeout=None)
