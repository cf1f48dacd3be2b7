"""An article in a list: plain values and a ready picture, so that a cache may keep it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db.models import prefetch_related_objects
from django.http import HttpRequest
from django.utils.safestring import SafeString, mark_safe
from wagtail.images import get_image_model
from wagtail.images.models import AbstractImage, Filter, Picture
from wagtail.images.shortcuts import get_renditions_or_not_found

from accounts import site_address

if TYPE_CHECKING:
    from blog.models import BlogPage

SPECS = Filter.expand_spec("fill-{600x400,1200x800} format-{webp,jpeg}")
"""One set for cards and articles: a picture is rendered four times, not eight."""
PREVIEW_SPEC = "fill-1200x800|format-jpeg"
CARD_SIZES = "(min-width: 64rem) 23rem, (min-width: 40rem) 45vw, 92vw"


@dataclass(frozen=True, slots=True)
class Card:
    title: str
    url: str
    summary: str
    date: datetime | None
    views: int
    picture: str


def cards(articles: Iterable["BlogPage"], request: HttpRequest | None) -> list[Card]:
    """Return the cards of articles (with `views` annotated), two queries for all pictures."""
    rows = list(articles)
    prefetch_related_objects(rows, "image")
    load_renditions([row.image for row in rows if row.image])
    return [
        Card(
            title=row.title,
            url=row.get_url(request) or "",
            summary=row.summary,
            date=row.date,
            views=row.views,
            picture=picture_of(row.image, alt="", sizes=CARD_SIZES, loading="lazy"),
        )
        for row in rows
    ]


def picture_of(image: AbstractImage | None, **attributes: str) -> SafeString:
    """Return a <picture> with WebP and JPEG in two sizes; nothing without an image."""
    if image is None:
        return SafeString("")
    picture = Picture(_renditions_of(image), attributes)
    return mark_safe(picture.__html__())  # noqa: S308 - Wagtail escapes it


def preview_of(image: AbstractImage | None) -> str:
    """Return the full address of the picture that a link to the article is shown with."""
    if image is None:
        return ""
    return f"{site_address.url()}{_renditions_of(image)[PREVIEW_SPEC].url}"


def load_renditions(images: list[Any]) -> None:
    """Fetch what is rendered of these images by one query; `_renditions_of` finds it there."""
    model = get_image_model().get_rendition_model()
    by_image: dict[int, list[Any]] = {image.pk: [] for image in images}
    for rendition in model.objects.filter(image__in=by_image, filter_spec__in=SPECS):
        by_image[rendition.image_id].append(rendition)
    for image in images:
        image.prefetched_renditions = by_image[image.pk]
        for rendition in by_image[image.pk]:
            rendition.image = image


def _renditions_of(image: Any) -> dict[str, Any]:
    """Return the renditions by spec; those that are missing are made.

    Wagtail's own way writes every rendition it did not find in the cache into it: on the embedded
    default that is a hundred queries for a list.
    """
    if not hasattr(image, "prefetched_renditions"):
        load_renditions([image])
    fitting = {
        rendition.filter_spec: rendition
        for rendition in image.prefetched_renditions
        if rendition.focal_point_key == Filter(rendition.filter_spec).get_cache_key(image)
    }
    if all(spec in fitting for spec in SPECS):
        return {spec: fitting[spec] for spec in SPECS}
    return get_renditions_or_not_found(image, SPECS)
