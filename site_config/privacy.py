"""What browsers and proxies may keep, tell others and use: one place for every page.

A page that only one person may see is stored nowhere. A page whose address is a secret tells it to
nobody. No page may use a camera, a microphone or the like.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from site_config.secrets_in_urls import PARAMETERS
from site_config.views import PRIVATE_PATHS

# What tells of an opened letter is not kept from robots: the proxies of mail programs heed them.
PRIVATE_PREFIXES = (*PRIVATE_PATHS, "/o/", "/documents/", "/dev/")
FILES = ("/static/", "/media/")  # they say themselves how long they may be kept
NO_STORE = "private, no-store"

PERMISSIONS = {
    **dict.fromkeys(
        (
            "accelerometer", "autoplay", "browsing-topics", "camera", "display-capture",
            "encrypted-media", "geolocation", "gyroscope", "hid", "idle-detection",
            "local-fonts", "magnetometer", "microphone", "midi", "payment",
            "picture-in-picture", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking",
        ),
        "()",
    ),
    # Security keys, and the buttons that copy.
    "clipboard-write": "(self)",
    "publickey-credentials-create": "(self)",
    "publickey-credentials-get": "(self)",
}  # fmt: skip
PERMISSIONS_POLICY = ", ".join(f"{name}={who}" for name, who in PERMISSIONS.items())


class PrivacyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        if has_secret_address(request):
            response["Referrer-Policy"] = "no-referrer"
        if is_private(request) and "public" not in response.get("Cache-Control", ""):
            response["Cache-Control"] = NO_STORE
        return response


def is_private(request: HttpRequest) -> bool:
    """Whether the answer is for one person: by its address, or because somebody is signed in."""
    if request.path.startswith(PRIVATE_PREFIXES):
        return True
    # The user as the views have asked for it; asking anew could need a database that is away.
    user = getattr(request, "_cached_user", None)
    return bool(user and user.is_authenticated) and not request.path.startswith(FILES)


def has_secret_address(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and not PARAMETERS.isdisjoint(match.kwargs)


class VouchedOriginMiddleware:
    """A page that sends no `Referer` posts with `Origin: null`. The browser vouches in another
    header, which no page can set, that the form is ours; its token is asked for as ever, by the
    middleware of Django's that follows."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if (
            request.META.get("HTTP_ORIGIN") == "null"
            and request.headers.get("Sec-Fetch-Site") == "same-origin"
        ):
            request.META["HTTP_ORIGIN"] = f"{request.scheme}://{request.get_host()}"
        return self.get_response(request)
