"""What the public pages share – the home page, the blog, its articles: full addresses, for search
engines and previews of links; counted readings; and what a cache has to know of them."""

from typing import Any, ClassVar

from django.apps import apps
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from wagtail.models import PageViewRestriction

from accounts import site_address
from blog import counters

UrlParts = tuple[int, str | None, str | None]


class PublicPageMixin:
    """Full addresses begin with the site's one address, whatever host a request names."""

    views_model: ClassVar[str] = ""
    """The table of its readings, if they are counted: "app.Model"."""
    is_paged: ClassVar[bool] = False
    """Whether `?page=` shows more of it."""
    generations: ClassVar[tuple[str, ...]] = ()
    """Keys of the cache that change with what else it shows."""
    is_open: bool = False
    """Is it known already that everybody may read it?"""

    def get_url_parts(self, request: HttpRequest | None = None) -> UrlParts | None:
        parts = super().get_url_parts(request)  # type: ignore[misc]
        if parts is None or parts[2] is None:
            return parts
        return parts[0], site_address.url(), parts[2]

    def serve(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """As Wagtail's; the request learns which page it shows, for who keeps whole answers."""
        request.public_page = self  # type: ignore[attr-defined]
        if self.views_model and counters.is_reading(request):
            self.shown_views = counters.note_reading(self.pk, self.views_table())  # type: ignore[attr-defined]
        response: HttpResponse = super().serve(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def get_view_restrictions(self) -> models.QuerySet[PageViewRestriction]:
        if self.is_open:
            return PageViewRestriction.objects.none()
        found: models.QuerySet[PageViewRestriction] = super().get_view_restrictions()  # type: ignore[misc]
        return found

    @classmethod
    def views_table(cls) -> type[models.Model]:
        return apps.get_model(cls.views_model)

    @cached_property
    def shown_views(self) -> int:
        return counters.readings(self.pk, self.views_table())  # type: ignore[attr-defined]
