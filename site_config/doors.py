"""Doors that libraries bring and nobody here needs: shut before the libraries are included.

A door that signs in, sets a password or shows something beside our own way to do so would have
none of its limits. `tests/doors.py` lists every address of a library with who may pass; a new one
fails the tests until somebody has decided.
"""

from typing import Never

from django.http import Http404, HttpRequest
from django.urls import URLPattern, re_path

SHUT = {
    "_util/": "Wagtail's own sign-in form, without limits, confirmation or second factor; and the "
    "form for the password of a page: pages are public or for people who sign in",
    "documents/authenticate_with_password/": "the same for a collection of documents",
    "cms/password_reset/": "Wagtail's own way to a new password",
    "cms/failwhale/": "fails on purpose",
    "cms/test404/": "is missing on purpose",
    "cms/embeds/": "fetches from other sites what articles cannot hold anyway",
    "cms/images/(?:[0-9]+)/generate_url/": "addresses for a view that is not there",
    "cms/snippets/choose/blog/(?:author|category)/create/": "a form that is not there",
    "accounts/login/code/": "signing in by a mailed code, which is switched off",
}
"""Beginnings of paths, and why nobody passes."""


def shut(request: HttpRequest, rest: str = "") -> Never:
    raise Http404


urlpatterns: list[URLPattern] = [re_path(f"^{prefix}(?P<rest>.*)$", shut) for prefix in SHUT]
