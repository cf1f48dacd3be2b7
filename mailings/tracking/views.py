"""The doors behind a tracked letter: a picture of one pixel, and its links.

A reader comes first: a link leads on whatever becomes of counting it, for machines as for people,
and nothing but figures follows from either. What a link of ours no longer knows is said on a page.
"""

import logging
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from mailings.tracking import hits, links, machines
from mailings.tracking.machines import Asked

log = logging.getLogger(__name__)

PICTURE = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
"""A transparent GIF of one pixel."""
PURPOSE_HEADERS = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
LINKS_MOST = 32_767  # what a position may be; more is no link of ours


def asked(request: HttpRequest) -> Asked:
    return Asked(
        method=request.method or "",
        user_agent=request.headers.get("User-Agent", "")[: machines.LONGEST],
        purpose=" ".join(request.headers.get(name, "") for name in PURPOSE_HEADERS),
    )


@csrf_exempt
@require_safe
def picture(request: HttpRequest, token: str) -> HttpResponse:
    """Answer with the picture, whoever asks; what a good token says is written before.

    `no-store` stands in every answer of these addresses (`site_config.privacy`).
    """
    known = links.read(token)
    if known is not None:
        with _not_in_the_way(known):
            hits.opened(known, asked(request))
    return HttpResponse(PICTURE, content_type="image/gif")


@csrf_exempt
@require_safe
def follow(request: HttpRequest, token: str, position: int) -> HttpResponse:
    """Lead on to where the letter's link leads."""
    known = links.read(token)
    target = hits.target(known, position) if known and position <= LINKS_MOST else None
    if known is None or target is None:
        return _page(request, "unknown", HTTPStatus.NOT_FOUND)
    if not target.owner_is_active:
        return _page(request, "blocked", HTTPStatus.GONE)
    with _not_in_the_way(known):
        hits.followed(known, position, asked(request), opens_count=target.opens_count)
    return _on(target.url)


@contextmanager
def _not_in_the_way(known: links.Token) -> Iterator[None]:
    """Let the reader have the answer though nothing can be written."""
    try:
        yield
    except DatabaseError:
        log.exception("hit_not_written", extra={"delivery_id": known.delivery_id})


def _on(url: str) -> HttpResponse:
    response = HttpResponseRedirect(url)
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _page(request: HttpRequest, state: str, status: HTTPStatus) -> HttpResponse:
    response = render(request, "link_gone.html", {"state": state}, status=status)
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response
