"""What search engines and link previews read of a page. The home page uses it too."""

from django.conf import settings
from django.http import HttpRequest

UrlParts = tuple[int, str | None, str | None]


class PublicPageMixin:
    """Full addresses begin with SITE_URL, whatever host a request or Wagtail's `Site` names."""

    def get_url_parts(self, request: HttpRequest | None = None) -> UrlParts | None:
        parts = super().get_url_parts(request)  # type: ignore[misc]
        if parts is None or parts[2] is None:
            return parts
        return parts[0], settings.SITE_URL, parts[2]
