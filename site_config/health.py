"""/healthz and /readyz: is this process alive, and can it serve?

A consumer that is late does not make a web host unready: it serves pages, and mail waits in the
database. So the worker's age is told, for monitoring, and does not change the status.
"""

import logging
import secrets

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from mailings.delivery import heartbeat
from mailings.feedback import mailbox_reading
from mailings.timing import clock
from site_config.failures import AWAY

log = logging.getLogger(__name__)


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """The database and the cache answer; how many seconds ago a worker last showed itself, and
    whether that is recent enough to say that mail is being sent. The same for the mailbox that
    returned mail comes to, where one is set: in numbers only, everybody may ask."""
    database, cached = database_answers(), cache_answers()
    ready = database and cached
    # Both by the database's clock: this host's may be another.
    beat, now = (heartbeat.newest(), clock.now()) if database else (None, timezone.now())
    content: dict[str, object] = {
        "ready": ready,
        "database": database,
        "cache": cached,
        "worker_heartbeat_age": round((now - beat).total_seconds(), 1) if beat else None,
        "worker_alive": heartbeat.is_fresh(beat, now) if database else None,
    }
    if settings.BOUNCE_MAILBOX_URL:
        reading = mailbox_reading.last() if ready else None
        content["mailbox_age"] = round((now - reading.at).total_seconds(), 1) if reading else None
        content["mailbox_read"] = reading.is_well(now) if reading else None
    return JsonResponse(content, status=200 if ready else 503)


def database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except AWAY as error:
        log.warning("database_away", extra={"error": error})
        return False
    return True


def cache_answers() -> bool:
    token = secrets.token_hex(4)
    try:
        cache.set("readyz", token, timeout=10)
        return cache.get("readyz") is not None
    except AWAY as error:
        log.warning("cache_away", extra={"error": error})
        return False
