"""Articles whose address is near to one that does not exist: a slip, or a title that changed."""

from difflib import get_close_matches
from typing import NamedTuple

from django.http import HttpRequest

from blog import memo
from blog.models import BlogPage

MOST = 3
LOOKED_AT = 500
"""Articles, the newest; comparing that many takes some milliseconds."""
LONGEST = 80  # letters of an address that are compared
CLOSE = 0.55


class Suggestion(NamedTuple):
    title: str
    url: str


def near(request: HttpRequest) -> list[Suggestion]:
    """Return the published articles whose address is most like the last part of the request's."""
    slug = request.path.strip("/").rpartition("/")[2][:LONGEST].lower()
    if not slug:
        return []
    known = memo.kept("always", ("addresses",), lambda: _known(request))
    return [known[found] for found in get_close_matches(slug, known, MOST, CLOSE)]


def _known(request: HttpRequest) -> dict[str, Suggestion]:
    pages = BlogPage.objects.live().public().newest_first()[:LOOKED_AT]
    return {page.slug: Suggestion(page.title, page.get_url(request) or "") for page in pages}
