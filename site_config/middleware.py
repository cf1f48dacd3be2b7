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
            relaxed: dict[str, Any] = {
                "script-src": [SELF, UNSAFE_INLINE],
                "style-src": [SELF, UNSAFE_INLINE],
                "img-src": [SELF, "data:", "blob:"],
            }
            response._csp_replace = relaxed | getattr(response, "_csp_replace", {})  # type: ignore[attr-defined]
        return super().process_response(request, response)
