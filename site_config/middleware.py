"""What Wagtail's admin needs of every request: a relaxed CSP, and the user's preferences."""

import logging
from collections.abc import Callable
from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.datastructures import MultiValueDictKeyError
from wagtail.users.models import UserProfile

from site_config.bodies import bad_request

log = logging.getLogger(__name__)

ADMIN_PREFIX = "/cms/"


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path.startswith(ADMIN_PREFIX):
            # Wagtail 8 still emits inline <script> and <style>; a nonce would switch
            # 'unsafe-inline' off, so both lists are replaced as a whole.
            relax(
                response,
                {
                    "script-src": [SELF, UNSAFE_INLINE],
                    "style-src": [SELF, UNSAFE_INLINE],
                    "img-src": [SELF, "data:", "blob:"],
                    "frame-ancestors": [SELF],
                },
            )
        elif getattr(request, "is_preview", False):
            relax(response, {"frame-ancestors": [SELF]})  # shown beside Wagtail's page editor
        return super().process_response(request, response)


def relax(response: HttpResponseBase, policy: dict[str, Any]) -> None:
    """Replace parts of the policy, unless the view has replaced them itself."""
    response._csp_replace = policy | getattr(response, "_csp_replace", {})  # type: ignore[attr-defined]


class IncompleteFormMiddleware:
    """A form that lacks a field its view takes for granted is the sender's fault, not ours: 400.

    Wagtail's page editor and others read `request.POST["…"]`; browsers send all, scripts may not.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, MultiValueDictKeyError):
            return None
        log.warning("incomplete form", extra={"path": request.path, "field": str(exception)})
        return bad_request(request)


class AdminPreferencesMiddleware:
    """Wagtail's admin asks its own profile for language and time zone: give it the user's.

    Only the copy on the request is set, so the user's profile page stays the one place to choose.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path.startswith(ADMIN_PREFIX) and request.user.is_authenticated:
            user: Any = request.user
            if not hasattr(user, "wagtail_userprofile"):
                user.wagtail_userprofile = UserProfile(user=user)
            profile = user.wagtail_userprofile
            profile.preferred_language = user.language
            profile.current_time_zone = user.time_zone
        return self.get_response(request)
