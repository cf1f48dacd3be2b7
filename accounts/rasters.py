"""Uploaded images: judged by their content, never by their name; a bomb is refused unread.

What is stored is drawn anew by the caller, so neither scripts nor metadata (place, camera) nor
tricks of a format survive.
"""

import warnings
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps, UnidentifiedImageError

from accounts.picture_blocks import has_too_many_blocks

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
UNREADABLE = _("This is no picture that we can read. Take a JPEG, PNG, WebP or GIF.")

Drawn = TypeVar("Drawn")


def redraw(upload: UploadedFile, draw: Callable[[Image.Image], Drawn]) -> Drawn:
    """Return what `draw` makes of the upright image; raise `ValidationError` for anything else.

    `draw` gets the image as RGBA where something is transparent, else as RGB.
    """
    if (upload.size or 0) > MAX_BYTES:
        raise ValidationError(_("The file is larger than 10 MB. Take a smaller picture."))
    if has_too_many_blocks(upload):
        raise ValidationError(
            _("This is no picture that we can read. Take a JPEG, PNG, WebP or GIF.")
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(upload, formats=FORMATS) as image:
                # The header tells the size: a bomb is refused before it is unpacked.
                if image.width * image.height > MAX_PIXELS:
                    raise ValidationError(
                        _("The picture has more than 25 megapixels. Take a smaller one.")
                    )
                upright = ImageOps.exif_transpose(image)
                return draw(upright.convert("RGBA" if upright.has_transparency_data else "RGB"))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValidationError(
            _("The picture has more than 25 megapixels. Take a smaller one.")
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValidationError(UNREADABLE) from error
