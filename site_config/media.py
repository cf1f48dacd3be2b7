"""What is uploaded, on its way out: nothing of it can run in the site's origin.

Under `/media/` there are raster pictures and nothing else; documents come through Wagtail's view,
which asks whether their collection is private, and only to be saved. Pictures of letters:
`mailings.messages.views.pictures`.
"""

from csp.constants import NONE
from csp.decorators import csp
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.http import require_safe
from django.views.static import serve
from wagtail.documents.views.serve import serve as serve_document
from wagtail.images import get_image_model
from wagtail.models import CollectionViewRestriction

FOLDERS = ("images", "avatars")
"""Wagtail's renditions, which are drawn anew, and users' pictures, which are too."""

RASTERS = {
    "avif": "image/avif",
    "gif": "image/gif",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
UNKNOWN = "application/octet-stream"
SANDBOX = "default-src 'none'; sandbox"


@require_safe
@csp({"default-src": [NONE], "sandbox": []})  # type: ignore[arg-type]
def picture(request: HttpRequest, folder: str, name: str) -> HttpResponseBase:
    kind = RASTERS.get(suffix_of(name))
    if kind is None or folder not in FOLDERS:
        raise Http404
    if folder == "images" and not _is_open(name, request):
        raise Http404
    response = serve(request, f"{folder}/{name}", document_root=str(settings.MEDIA_ROOT))
    if "Content-Type" in response:
        response["Content-Type"] = kind
    response["X-Content-Type-Options"] = "nosniff"
    return response


def suffix_of(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _is_open(name: str, request: HttpRequest) -> bool:
    """Ask of a picture what Wagtail asks of a document: may this person see its collection?"""
    if not CollectionViewRestriction.objects.exists():
        return True
    renditions = get_image_model().get_rendition_model().objects.filter(file=f"images/{name}")
    return all(
        restriction.accept_request(request)
        for rendition in renditions.select_related("image__collection")
        for restriction in rendition.image.collection.get_view_restrictions()
    )


@require_safe
def document(request: HttpRequest, document_id: str, name: str) -> HttpResponse:
    response: HttpResponse = serve_document(request, document_id, name)
    if isinstance(response, StreamingHttpResponse):
        if suffix_of(name) not in settings.WAGTAILDOCS_EXTENSIONS:
            response["Content-Type"] = UNKNOWN  # uploaded before there was a list
        response["Content-Disposition"] = _to_be_saved(response["Content-Disposition"])
        response["Content-Security-Policy"] = SANDBOX
        if response.get("Content-Encoding") == "None":
            del response["Content-Encoding"]  # Wagtail's way to say that there is none
    return response


def _to_be_saved(disposition: str) -> str:
    kind, _semicolon, rest = disposition.partition(";")
    return disposition if kind == "attachment" else f"attachment;{rest}".rstrip(";")
