"""Public pages for visitors without a session come whole from the cache. Why so: decision 0063.

What makes two answers differ stands in the key: site, address, language, theme. What would make an
answer somebody's own – a session, a waiting message, a cookie that is set – keeps it out. Nothing
personal is left in what is kept: the switches of language and theme need no token, a nonce is
replaced in each answer.

An answer is `FRESH` for some seconds, then one request makes it anew while the others still get
the old one. A change that somebody makes ends it at once: each answer belongs to the *generations*
that were read before it was made, and every change replaces its generation. Then, too, one request
makes the page and the others wait for it. Without a cache every page is made for its request.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from http import HTTPStatus
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.staticfiles.storage import staticfiles_storage
from django.core.cache import cache
from django.core.exceptions import DisallowedHost
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.http.request import split_domain_port
from django.utils.cache import get_conditional_response, patch_vary_headers
from django.utils.translation import get_language_from_request
from taggit.models import Tag
from wagtail.contrib.settings.models import AbstractSetting
from wagtail.documents.models import AbstractDocument
from wagtail.images.models import AbstractImage, AbstractRendition
from wagtail.models import Page, PageViewRestriction, Site
from wagtail.signals import page_unpublished, post_page_move

from blog import counters, memo
from blog.memo import AWAY
from blog.seo import PublicPageMixin
from blog.snippets import Author, Category
from home import summary
from site_config.context_processors import theme_of
from site_config.privacy import FILES, PRIVATE_PREFIXES

log = logging.getLogger(__name__)

FRESH = 10  # seconds; the numbers of readings on a page are at most so old
KEPT = 60  # seconds that an answer nobody asks for stays in the cache
MAKING = 10  # seconds after which whoever makes a page is no longer waited for
LOOK_AGAIN = 0.02  # seconds between two looks for a page that another request makes
HOME = "/"
HOME_VARIANTS = "1234"  # answers with three articles each, so that the home page goes on surprising

GENERATIONS = (memo.GENERATION, summary.GENERATION)
CACHE_CONTROL = "private, no-cache"
"""A browser may keep the page and asks each time whether it still holds; nobody between may, or
readings would not be counted and a signed-in visitor might be given a stranger's page."""

SITES_LAST = 10.0  # seconds; other processes hear of another site so late, as of its address
NO_PAGES = (*PRIVATE_PREFIXES, *FILES, "/theme/")
PERSONAL_COOKIES = {settings.SESSION_COOKIE_NAME, CookieStorage.cookie_name}

_QUERY = re.compile(r"(?:page=[1-9]\d{0,3})?").fullmatch
_VARIANT = re.compile(rf'"([{HOME_VARIANTS}])-')


@dataclass(slots=True)
class Kept:
    """An answer as the cache keeps it."""

    body: bytes
    headers: dict[str, str]
    etag: str
    nonce: bytes  # that it was made with, if it needs one: each answer puts its own there
    made_at: float  # seconds since the epoch
    generations: dict[str, str | None]
    counted: tuple[str, int] | None  # the table of its readings and the page

    def is_valid(self, generations: dict[str, str | None]) -> bool:
        return all(generations[key] == value for key, value in self.generations.items())

    def is_fresh(self) -> bool:
        return 0 <= time.time() - self.made_at < FRESH


@dataclass(slots=True)
class Look:
    """What one look into the cache has found."""

    kept: Kept | None
    generations: dict[str, str | None]
    is_being_made: bool


class PageCacheMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            response = self._from_cache(request)
        except AWAY as error:
            log.warning("page_cache_away", extra={"error": error})
            response = None
        if response is None:
            response = self.get_response(request)
        if hasattr(request, "public_page"):
            response.headers.setdefault("Cache-Control", CACHE_CONTROL)
        return response

    def _from_cache(self, request: HttpRequest) -> HttpResponseBase | None:
        """Return the answer, kept or made to be kept; None: it is to be made for this request."""
        key = key_of(request) if settings.PAGE_CACHE else None
        if key is None:
            return None
        seen = look(key)
        kept = seen.kept
        if (kept is None or not kept.is_fresh()) and request.method == "GET":
            if cache.add(f"{key}:made", 1, MAKING):
                return self._make(request, key, seen.generations)
            kept = kept or wait(key)
        if kept is None:
            return None
        count(request, kept)
        return answer(request, kept)

    def _make(
        self, request: HttpRequest, key: str, generations: dict[str, str | None]
    ) -> HttpResponseBase:
        response = self.get_response(request)
        kept = to_keep(request, key, response, generations)
        try:
            if kept is not None:
                cache.set(key, kept, KEPT)
            cache.delete(f"{key}:made")
        except AWAY as error:
            log.warning("page_cache_away", extra={"error": error})
        return response if kept is None else answer(request, kept)


# ---------------------------------------------------------------- what is asked for


def key_of(request: HttpRequest) -> str | None:
    """Return the key of the answer; None: it cannot be one for everybody."""
    query = request.META.get("QUERY_STRING", "")
    if (
        request.method not in ("GET", "HEAD")
        or not request.path.endswith("/")
        or request.path.startswith(NO_PAGES)
        or not _QUERY(query)
        or not request.COOKIES.keys().isdisjoint(PERSONAL_COOKIES)
        or getattr(request, "is_dummy", False)  # Wagtail's: a preview of what is not published
    ):
        return None
    try:
        site = site_of(request.get_host())
    except DisallowedHost:
        return None
    parts = (
        release(), request.scheme, site, request.path, query, get_language_from_request(request),
        theme_of(request),
    )  # fmt: skip
    digest = blake2b(repr(parts).encode(), digest_size=16).hexdigest()
    return f"page:1:{digest}:{variant_of(request) if request.path == HOME else 0}"


def release() -> str:
    """Return what changes with the files that pages name: another release makes them anew."""
    return getattr(staticfiles_storage, "manifest_hash", "")


def variant_of(request: HttpRequest) -> str:
    """Return which of the home page's answers is given: one at random, or, to a browser that asks
    whether what it has still holds, the same."""
    asked = _VARIANT.search(request.headers.get("If-None-Match", ""))
    return asked[1] if asked else secrets.choice(HOME_VARIANTS)


class _Memory:
    """Wagtail's sites, as this process knows them: (host, port)."""

    sites: frozenset[tuple[str, int]] = frozenset()
    until = 0.0  # on the monotonic clock


def site_of(host: str) -> str:
    """Return which of Wagtail's sites answers: a host of the visitor's making is no new key."""
    if _Memory.until < time.monotonic():
        _Memory.sites = frozenset(Site.objects.values_list("hostname", "port"))
        _Memory.until = time.monotonic() + SITES_LAST
    name, port = split_domain_port(host)
    if (name, int(port or 0)) in _Memory.sites:
        return host
    return name if any(name == known for known, _port in _Memory.sites) else ""


def look(key: str) -> Look:
    """Find the page, what it must not be older than, and whether somebody makes it – at once."""
    found = cache.get_many([key, f"{key}:made", *GENERATIONS])
    generations = {name: found.get(name) for name in GENERATIONS}
    kept = found.get(key)
    if kept is not None and not kept.is_valid(generations):
        kept = None
    return Look(kept, generations, f"{key}:made" in found)


def wait(key: str) -> Kept | None:
    """Wait for the page that another request is making; None: it made none that can be kept."""
    until = time.monotonic() + MAKING
    while time.monotonic() < until:
        time.sleep(LOOK_AGAIN)
        seen = look(key)
        if seen.kept or not seen.is_being_made:
            return seen.kept
    return None


# ---------------------------------------------------------------- what is answered


def to_keep(
    request: HttpRequest,
    key: str,
    response: HttpResponseBase,
    generations: dict[str, str | None],
) -> Kept | None:
    """Return what may be kept of the answer; None: it is not a page for everybody."""
    page: Any = getattr(request, "public_page", None)
    messages = getattr(request, "_messages", None)
    if (
        not isinstance(page, PublicPageMixin)
        or not isinstance(response, HttpResponse)
        or response.status_code != HTTPStatus.OK
        or response.cookies
        or "Cache-Control" in response
        or not response["Content-Type"].startswith("text/html")
        or b"csrfmiddlewaretoken" in response.content
        or (messages is not None and messages.added_new)
        or (request.META.get("QUERY_STRING") and not page.is_paged)
    ):
        return None
    patch_vary_headers(response, ("Accept-Language", "Cookie"))
    response["Cache-Control"] = CACHE_CONTROL
    variant = key.rpartition(":")[2]
    digest = blake2b(response.content, digest_size=12).hexdigest()
    return Kept(
        body=response.content,
        headers=dict(response.headers),
        etag=f'"{variant}-{digest}"',
        nonce=getattr(request, "_csp_nonce", "").encode(),
        made_at=time.time(),
        generations={name: generations[name] for name in (memo.GENERATION, *page.generations)},
        counted=(page.views_model, page.pk) if page.views_model else None,  # type: ignore[attr-defined]
    )


def count(request: HttpRequest, kept: Kept) -> None:
    """Count a reading of a page that is not made for it; who may edit comes with a session."""
    if kept.counted and counters.is_visit(request):
        model, page = kept.counted
        counters.note(page, apps.get_model(model))


def answer(request: HttpRequest, kept: Kept) -> HttpResponseBase:
    """Return what was kept, or that the browser has it already."""
    if kept.nonce:
        # The browser must not go on with a page that bears the nonce of another answer: no ETag.
        nonce = str(request.csp_nonce).encode()  # type: ignore[attr-defined]
        return HttpResponse(kept.body.replace(kept.nonce, nonce), headers=kept.headers)
    response = HttpResponse(kept.body, headers=kept.headers)
    response["ETag"] = kept.etag
    return get_conditional_response(request, etag=kept.etag, response=response) or response


# ---------------------------------------------------------------- what makes it old


def watch() -> None:
    """Let every change of what public pages show end what is kept of them."""
    changed = (
        Page, AbstractImage, AbstractDocument, PageViewRestriction, Site, Tag, AbstractSetting,
        Author, Category,
    )  # fmt: skip
    for model in apps.get_models():
        if issubclass(model, changed):
            post_save.connect(forget, sender=model, dispatch_uid="site_config.page_cache")
        # A rendition is made while a page is: only its end is a change.
        if issubclass(model, (*changed, AbstractRendition)):
            post_delete.connect(forget, sender=model, dispatch_uid="site_config.page_cache")
    # Both write rows without a signal of their own.
    for signal in (post_page_move, page_unpublished):
        signal.connect(forget, dispatch_uid="site_config.page_cache")


def forget(**signal: Any) -> None:
    """Signal receiver: once the change is committed, nobody is shown an older page."""
    if signal.get("sender") is Site:
        _Memory.until = 0.0
    memo.forget()
