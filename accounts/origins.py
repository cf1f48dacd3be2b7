"""Forms without a token: the switches of language and theme, which stand on every public page.

A token would make each page personal, so that no two visitors could be given the same one. The two
change nothing but how pages look; instead of a token the browser is asked where the form stood.
Decision 0063.
"""

from collections.abc import Callable
from functools import wraps

from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import REASON_BAD_ORIGIN, CsrfViewMiddleware
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.csrf import csrf_exempt

View = Callable[[HttpRequest], HttpResponseBase]


class _Origins(CsrfViewMiddleware):
    """Django's own check of `Origin`, which knows CSRF_TRUSTED_ORIGINS, and its own refusal."""

    def is_foreign(self, request: HttpRequest) -> bool:
        """Has the browser said that the form stood elsewhere? Old ones say nothing."""
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return True
        if "HTTP_ORIGIN" in request.META:
            return not self._origin_verified(request)  # type: ignore[attr-defined]
        referrer = request.headers.get("Referer", "")
        return bool(referrer) and not url_has_allowed_host_and_scheme(
            referrer, {request.get_host(), *self.csrf_trusted_origins_hosts}
        )

    def refuse(self, request: HttpRequest) -> HttpResponseBase:
        said = request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site")
        refusal: HttpResponseBase = self._reject(request, REASON_BAD_ORIGIN % said)  # type: ignore[attr-defined]
        return refusal


def own_forms_only(view: View) -> View:
    """Decorate a view that harms nobody: no token is asked for, a form of another site refused."""
    origins = _Origins(view)

    @csrf_exempt
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponseBase:
        if request.method == "POST" and origins.is_foreign(request):
            return origins.refuse(request)
        return view(request)

    return checked
