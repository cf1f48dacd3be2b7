"""What an operator mends – a missing setting, a server that is away – said in one line."""

import sys

from django.core.exceptions import ImproperlyConfigured
from django.db.utils import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.defaults import server_error
from redis.exceptions import RedisError

AWAY = (OperationalError, InterfaceError, RedisError)
RETRY_AFTER = 30  # seconds


def in_one_line(error: BaseException) -> str | None:
    """Return what to mend, or None when the fault is ours and needs its traceback."""
    reason = str(error).strip().partition("\n")[0]
    if isinstance(error, ImproperlyConfigured):
        return f"Settings: {reason}"
    if isinstance(error, OperationalError) and "no such table" in reason:
        return f"The database is not prepared ({reason}). Run: python manage.py migrate"
    if isinstance(error, OperationalError | InterfaceError):
        return f"The database (DATABASE_URL) does not answer: {reason}"
    if isinstance(error, RedisError):
        return f"Redis (REDIS_URL) does not answer: {reason}"
    return None


def error_page(request: HttpRequest) -> HttpResponse:
    """handler500: a server that is away is a 503 that may be tried again, not our fault.

    It is called for errors from wherever, middleware too; so its 503 page asks neither the
    database nor the session.
    """
    if not isinstance(sys.exc_info()[1], AWAY):
        return server_error(request)
    page = render_to_string("503.html")
    return HttpResponse(page, status=503, headers={"Retry-After": str(RETRY_AFTER)})
