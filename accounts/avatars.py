"""A user's picture: any raster image comes in, a small WebP square goes out."""

import io
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from PIL import Image, ImageOps

from accounts.rasters import redraw

if TYPE_CHECKING:
    from accounts.models import User

SIDE = 512  # pixels


@dataclass(frozen=True)
class Avatar:
    webp: bytes

    def as_file(self, user: "User") -> ContentFile[bytes]:
        """Return the picture under a name that cannot be guessed from the user."""
        return ContentFile(self.webp, name=f"{user.pk}-{secrets.token_hex(8)}.webp")


def read(upload: UploadedFile) -> Avatar:
    """Return the uploaded picture as a square; raise `ValidationError` for anything else."""
    return Avatar(redraw(upload, _square))


def _square(flat: Image.Image) -> bytes:
    side = min(SIDE, *flat.size)
    small = ImageOps.fit(flat, (side, side))
    output = io.BytesIO()
    small.save(output, "WEBP", quality=85)
    return output.getvalue()
