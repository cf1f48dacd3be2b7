"""An owner's library of images for letters: drawn anew, small enough for a mail, under names that
nobody can guess. The files are public, because mail programs fetch them without signing in.
"""

import io
import re
import secrets
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from PIL import Image

from accounts import site_address
from accounts.models import User
from accounts.rasters import redraw
from mailings import audit
from mailings.models import Message, Picture, Run

FOLDER = "letters"
WIDEST = 1200  # pixels: twice the letter's width, for sharp screens
TALLEST = 2400
QUALITY = 82  # JPEG: no loss that is seen in a letter
MOST = 500
"""Pictures of one owner."""
NAME_LENGTH = 120
TYPES = {"jpg": "image/jpeg", "png": "image/png"}
"""What every mail program shows; Outlook knows no WebP."""

_NAME = r"[0-9A-Za-z_-]{22}\.(?:jpg|png)"
is_name = re.compile(_NAME).fullmatch


@dataclass(frozen=True, slots=True)
class Drawn:
    content: bytes
    suffix: str
    width: int
    height: int


def read(upload: UploadedFile) -> Drawn:
    """Return the upload drawn anew; raise `ValidationError` for what is no raster image."""
    return redraw(upload, _drawn)


def _drawn(image: Image.Image) -> Drawn:
    """Draw the image as PNG where something is transparent or a drawing is smaller so, else as
    JPEG; of an animation the first frame."""
    image.info.clear()  # colour profile, comments, times
    image.thumbnail((WIDEST, TALLEST), Image.Resampling.LANCZOS)
    found = [("png", _saved(image, "PNG"))]
    if image.mode == "RGB":
        found.append(("jpg", _saved(image, "JPEG", quality=QUALITY, progressive=True)))
    suffix, content = min(found, key=lambda one: len(one[1]))
    return Drawn(content, suffix, image.width, image.height)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    output = io.BytesIO()
    image.save(output, kind, **options)
    return output.getvalue()


# ---------------------------------------------------------------- the library
def add(drawn: Drawn, *, name: str, owner: User) -> Picture:
    """Store a picture; raise `ValidationError` when the library is full."""
    if Picture.objects.filter(owner=owner).count() >= MOST:
        raise ValidationError(
            _("Your library holds %(most)d pictures. Delete some first.") % {"most": MOST}
        )
    file = ContentFile(drawn.content, name=f"{secrets.token_urlsafe(16)}.{drawn.suffix}")
    picture = Picture(owner=owner, name=_shown_name(name), size=len(drawn.content))
    picture.file = file
    picture.save()
    return picture


def _shown_name(name: str) -> str:
    words = re.sub(r"[\x00-\x1f\x7f]", "", PurePath(name.replace("\\", "/")).name).strip()
    return words[-NAME_LENGTH:] or _("Picture")


def messages_with(picture: Picture) -> QuerySet[Message]:
    owned = Message.objects.filter(owner_id=picture.owner_id)
    return owned.filter(body__contains=picture.file_name).order_by("-updated_at")


def was_sent(picture: Picture) -> bool:
    """Has a letter with the picture gone out, or is it going out?"""
    runs = Run.objects.filter(mailing__owner_id=picture.owner_id)
    return runs.filter(html__contains=picture.file_name).exists()


@transaction.atomic
def remove(picture: Picture, by: User) -> None:
    audit.record(audit.Action.DELETE, picture, by)
    picture.delete()
    remove_file(picture)


def remove_file(picture: Picture) -> None:
    """Delete the file once the row is gone for good."""
    storage, path = picture.file.storage, str(picture.file.name)
    transaction.on_commit(lambda: storage.delete(path))


# ---------------------------------------------------------------- addresses
def path_of(name: str) -> str:
    return f"{settings.MEDIA_URL}{FOLDER}/{name}"


def name_in(src: str) -> str | None:
    """Return the file's name in the address of a library picture; None: it is none."""
    start = next((start for start in site_address.own_prefixes() if src.startswith(start)), "")
    path = src.removeprefix(start).removeprefix(f"{settings.MEDIA_URL}{FOLDER}/")
    return path if path != src and is_name(path) else None


_SOURCE = re.compile(r'<img\b[^<>]*?\bsrc="([^"]*)"')


def names_in(html: str) -> set[str]:
    """Return the names of the library's files that HTML shows."""
    return {name for src in _SOURCE.findall(html) if (name := name_in(src))}
