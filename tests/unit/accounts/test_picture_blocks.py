"""A picture made of empty blocks is refused before anybody opens it; every real one is taken."""

import io
import struct
import time
import zlib

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from accounts.picture_blocks import has_too_many_blocks
from accounts.rasters import redraw


def picture(kind: str, size: int = 40, **options) -> bytes:
    saved = io.BytesIO()
    Image.effect_noise((size, size), 90).convert("RGB").save(saved, kind, **options)
    return saved.getvalue()


def chunk(kind: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


PNG, JPEG = picture("PNG"), picture("JPEG")
FLOODS = {
    "private chunks": PNG[:33] + chunk(b"prVt") * 100_000 + PNG[33:],
    "texts": PNG[:33] + chunk(b"tEXt", b"a\0b") * 100_000 + PNG[33:],
    "empty data": PNG[:33] + chunk(b"IDAT") * 100_000 + PNG[33:],
    "applications": JPEG[:2] + b"\xff\xe5\x00\x02" * 100_000 + JPEG[2:],
    "comments": JPEG[:2] + b"\xff\xfe\x00\x02" * 100_000 + JPEG[2:],
    "filling": JPEG[:2] + b"\xff" * 1_000_000 + JPEG[2:],
    "rubbish": JPEG[:2] + b"\x00" * 1_000_000 + JPEG[2:],
    "restarts": JPEG[:2] + b"\xff\xd0" * 500_000 + JPEG[2:],
}


@pytest.mark.parametrize("content", FLOODS.values(), ids=FLOODS)
def test_a_flood_of_blocks_is_refused_before_it_is_opened(content):
    assert has_too_many_blocks(io.BytesIO(content))
    opened = []
    began = time.process_time()
    with pytest.raises(ValidationError):
        redraw(SimpleUploadedFile("x.png", content), opened.append)
    assert opened == []
    assert time.process_time() - began < 3


SOUND = {
    "PNG": PNG,
    "a large PNG": picture("PNG", 1_500),
    "JPEG": JPEG,
    "a large JPEG": picture("JPEG", 1_500, quality=95, progressive=True),
    "JPEG with a thumbnail": picture("JPEG", exif=b"Exif\0\0" + b"\xff" * 30_000),
    "WebP": picture("WEBP"),
    "GIF": picture("GIF"),
}


@pytest.mark.parametrize("content", SOUND.values(), ids=SOUND)
def test_a_real_picture_is_drawn(content):
    assert not has_too_many_blocks(io.BytesIO(content))
    assert redraw(SimpleUploadedFile("x", content), lambda image: image.size)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"]
)
def test_half_a_picture_is_nobodys_flood(content):
    assert not has_too_many_blocks(io.BytesIO(content))
