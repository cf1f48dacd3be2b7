"""A user's picture: any raster image comes in, a small WebP square goes out.

The file is judged by its content, never by its name; what is stored was drawn anew, so neither
scripts nor metadata (place, camera) nor tricks of a format survive.
"""

import io
import secrets
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

if TYPE_CHECKING:
    from accounts.models import User

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
SIDE = 512  # pixels
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")


@dataclass(frozen=True)
class Avatar:
    webp: bytes

    def as_file(self, user: "User") -> ContentFile[bytes]:
        """Return the picture under a name that cannot be guessed from the user."""
        return ContentFile(self.webp, name=f"{user.pk}-{secrets.token_hex(8)}.webp")


def read(upload: UploadedFile) -> Avatar:
    """Return the uploaded picture as a square; raise `ValidationError` for anything else."""
    if (upload.size or 0) > MAX_BYTES:
        raise ValidationError(_("The file is larger than 10 MB. Take a smaller picture."))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(upload, formats=FORMATS) as image:
                # The header tells the size: a bomb is refused before it is unpacked.
                if image.width * image.height > MAX_PIXELS:
                    raise ValidationError(
                        _("The picture has more than 25 megapixels. Take a smaller one.")
                    )
                return Avatar(_square(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValidationError(
            _("The picture has more than 25 megapixels. Take a smaller one.")
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValidationError(
            _("This is no picture that we can read. Take a JPEG, PNG, WebP or GIF.")
        ) from error


def _square(image: Image.Image) -> bytes:
    upright = ImageOps.exif_transpose(image)
    flat = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    side = min(SIDE, *flat.size)
    small = ImageOps.fit(flat, (side, side))
    output = io.BytesIO()
    small.save(output, "WEBP", quality=85)
    return output.getvalue()
