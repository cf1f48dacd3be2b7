"""A form that is sent twice – two clicks, a slow line – makes one mailing, not two.

Each form carries a token of its own. The first POST takes it; later ones find out what it made.
"""

import re
import secrets
from contextlib import suppress

from django.core.cache import cache
from django.http import HttpRequest
from redis.exceptions import RedisError

FIELD = "once"
KEPT = 24 * 3600  # seconds
LENGTH = 32  # characters a token may have


def token() -> str:
    return secrets.token_urlsafe(12)


def _key(request: HttpRequest) -> str:
    sent = re.sub(r"[^\w-]", "", request.POST[FIELD], flags=re.ASCII)[:LENGTH]
    return f"once:{request.user.pk}:{sent}"


def take(request: HttpRequest) -> bool:
    """Return whether this POST is the first with its token."""
    if not request.POST.get(FIELD):
        return True
    try:
        return bool(cache.add(_key(request), 0, KEPT))
    except RedisError:  # rather twice than not at all
        return True


def made(request: HttpRequest, pk: int) -> None:
    if not request.POST.get(FIELD):
        return
    with suppress(RedisError):
        cache.set(_key(request), pk, KEPT)


def made_by_first(request: HttpRequest) -> int:
    """Return the row that the first POST made; 0 while it is still at it, or when it failed."""
    return int(cache.get(_key(request)) or 0)
