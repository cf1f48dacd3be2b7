"""A picture of millions of empty blocks takes seconds only to be opened: it is refused before."""

import struct
from typing import IO

MAX_BLOCKS = 20_000
"""The largest PNG we take has some 1 300; what a camera writes before its JPEG some dozens."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_SCAN, _FILL = 0xDA, 0xFF
_ALONE = frozenset((0x01, *range(0xD0, 0xD9)))
"""Markers of JPEG without a length."""


def has_too_many_blocks(file: IO[bytes]) -> bool:
    """Return whether a PNG or JPEG has more blocks than a picture; leaves the file at its start."""
    file.seek(0)
    start = file.read(len(_PNG))
    try:
        if start == _PNG:
            return _png(file)
        return start.startswith(_JPEG) and _jpeg(file)
    finally:
        file.seek(0)


def _png(file: IO[bytes]) -> bool:
    for _block in range(MAX_BLOCKS):
        head = file.read(8)
        if len(head) < 8 or head[4:] == b"IEND":  # noqa: PLR2004 - length and kind
            return False
        (length,) = struct.unpack(">I", head[:4])
        file.seek(length + 4, 1)
    return True


def _jpeg(file: IO[bytes]) -> bool:
    """Blocks end where the picture's own bytes begin, which a library reads."""
    file.seek(len(_JPEG))
    for _step in range(MAX_BLOCKS):
        sign = file.read(1)
        if not sign:
            return False
        if sign[0] != _FILL:
            continue  # as Pillow does: rubbish between blocks is passed over
        marker = file.read(1)
        if not marker or marker[0] == _SCAN:
            return False
        if marker[0] == _FILL:
            file.seek(-1, 1)
        elif marker[0] and marker[0] not in _ALONE:
            length = int.from_bytes(file.read(2), "big")
            file.seek(max(length - 2, 0), 1)
    return True
