"""What search engines and link previews read of a page. The home page uses it too."""

from django.http import HttpRequest

from accounts import site_address

UrlParts = tuple[int, str | None, str | None]


class PublicPageMixin:
    """Full addresses begin with the site's one address, whatever host a request names."""

    def get_url_parts(self, request: HttpRequest | None = None) -> UrlParts | None:
        parts = super().get_url_parts(request)  # type: ignore[misc]
        if parts is None or parts[2] is None:
            return parts
        return parts[0], site_address.url(), parts[2]
