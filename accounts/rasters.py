"""Uploaded images: judged by their content, never by their name; a bomb is refused unread.

What is stored is drawn anew by the caller, so neither scripts nor metadata (place, camera) nor
tricks of a format survive.
"""

import io
import warnings
from collections.abc import Callable
from typing import TypeVar

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from accounts.picture_blocks import has_too_many_blocks

MAX_BYTES = 10 * 1024 * 1024
MAX_PIXELS = 25_000_000
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
UNREADABLE = _("This is no picture that we can read. Take a JPEG, PNG, WebP or GIF.")

Drawn = TypeVar("Drawn")


def redraw(upload: UploadedFile, draw: Callable[[Image.Image], Drawn]) -> Drawn:
    """Return what `draw` makes of the upright image; raise `ValidationError` for anything else.

    `draw` gets the image as RGBA where something is transparent, else as RGB; its colours are
    those of sRGB, whatever profile the file brings.
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
                return draw(_in_srgb(ImageOps.exif_transpose(image)))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValidationError(
            _("The picture has more than 25 megapixels. Take a smaller one.")
        ) from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError) as error:
        raise ValidationError(UNREADABLE) from error


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the image as RGB or RGBA with the colours that its profile means: who shows it later
    has no profile and takes sRGB for granted."""
    image = _eight_bit(image)
    profile = image.info.get("icc_profile")
    alpha = None
    if image.has_transparency_data:
        clear = image.convert("RGBA")
        image, alpha = clear.convert("RGB"), clear.getchannel("A")
    colours = _converted(image, profile) if profile else image.convert("RGB")
    if alpha is not None:
        colours.putalpha(alpha)
    return colours


_GREY_16 = frozenset({"I", "I;16", "I;16B", "I;16L"})


def _eight_bit(image: Image.Image) -> Image.Image:
    """Return a grey image of 16 bits scaled down: Pillow would cut off all that is not black."""
    if image.mode not in _GREY_16:
        return image
    narrow = image.convert("I").point(lambda value: value * (1 / 257) + 0.5).convert("L")
    if isinstance(clear := image.info.get("transparency"), int):
        narrow.info["transparency"] = round(clear / 257)
    return narrow


_PLAIN_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""A profile's space of colours → the mode of an image whose numbers it explains."""


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    """Return the image as RGB by its profile; a profile that cannot be read or is of another kind
    of image is passed over, as browsers do."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        mode = _PLAIN_MODES.get(source.profile.xcolor_space.strip())
        if mode is None or (mode == "CMYK") != (image.mode == "CMYK"):
            return image.convert("RGB")
        target = ImageCms.createProfile("sRGB")
        found = ImageCms.profileToProfile(image.convert(mode), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image.convert("RGB")
    return found or image.convert("RGB")
