"""How much a request may bring: bounded before anything reads it, whoever asks and whatever for.

Django bounds form fields, not files, and reads nothing of a body whose length is not announced
(`Transfer-Encoding: chunked`). So the body is bounded here, around the whole application; the page
that says so is made inside, where the reader's language is known.
"""

import contextlib
import io
import socket
import tempfile
from collections.abc import Callable, Iterable
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

TOO_LARGE = "vestnik.body_too_large"
"""In the environment of a request whose body is over the limit."""

DRAINED = 4
"""Times the limit that are read and thrown away: a browser shows an answer only when it has sent
what it had to send, and so much is sent by people who do not know the limit."""

IN_MEMORY = 1024 * 1024  # bytes of a chunked body; what follows goes to a file
PIECE = 64 * 1024
MOST_DIGITS = 15  # of a length; Python refuses to read thousands of them

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class BoundedBodies:
    """WSGI middleware: hands on bodies up to `REQUEST_BODY_LIMIT`, and of others only the news."""

    def __init__(self, application: Application) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        limit: int = settings.REQUEST_BODY_LIMIT
        announced = _length(environ.get("CONTENT_LENGTH"))
        if announced is not None and announced > limit:
            _refuse(environ, announced, limit)
        elif announced is None and environ.get("wsgi.input_terminated"):
            _spool(environ, limit)
        elif announced is None:
            # Nobody knows where it ends; whoever reads a form would break at a length of “x”.
            environ["CONTENT_LENGTH"] = "0"
        return self.application(environ, start_response)


def _length(text: str | None) -> int | None:
    if not text or not text.isdecimal():
        return None
    return int(text) if len(text) < MOST_DIGITS else 10**MOST_DIGITS


def _spool(environ: dict[str, Any], limit: int) -> None:
    """Read a body of unknown length and announce it, as Django wants it."""
    kept: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - lives as long as the request
    size = 0
    while piece := environ["wsgi.input"].read(min(PIECE, limit + 1 - size)):
        size += len(piece)
        if size > limit:
            kept.close()
            _refuse(environ, None, limit)
            return
        kept.write(piece)
    kept.seek(0)
    environ["wsgi.input"] = kept
    environ["CONTENT_LENGTH"] = str(size)


def _refuse(environ: dict[str, Any], announced: int | None, limit: int) -> None:
    most = DRAINED * limit
    body, left = environ["wsgi.input"], most if announced is None else min(announced, most)
    with contextlib.suppress(OSError):
        while left > 0 and (piece := body.read(min(PIECE, left))):
            left -= len(piece)
    if announced is None or announced > most:
        _hear_no_more(environ.get("gunicorn.socket"))
    environ[TOO_LARGE] = True
    environ["wsgi.input"] = io.BytesIO()
    environ["CONTENT_LENGTH"] = "0"


def _hear_no_more(connection: socket.socket | None) -> None:
    """Or the server would read on, to the end of a body that may have none."""
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RD)


class BodyMiddleware:
    """Answers in the reader's language what `BoundedBodies` has not let through."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.META.get(TOO_LARGE):
            return too_large(request)
        return self.get_response(request)


def too_large(request: HttpRequest) -> HttpResponse:
    megabytes = settings.REQUEST_BODY_LIMIT // 1024**2
    return render(request, "413.html", {"megabytes": megabytes}, status=413)


def bad_request(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """handler400: a form that came incomplete or altered, or with more than fits."""
    if isinstance(exception, RequestDataTooBig | TooManyFieldsSent | TooManyFilesSent):
        megabytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE / 1024**2
        page = render_to_string("413.html", {"megabytes": megabytes, "is_text": True})
        return HttpResponse(page, status=413)
    return HttpResponse(render_to_string("400.html"), status=400)
