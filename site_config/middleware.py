"""Content-Security-Policy: strict everywhere, relaxed only where Wagtail's admin needs it."""

from typing import Any

from csp.constants import SELF, UNSAFE_INLINE
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase

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
