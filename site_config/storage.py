"""Where uploaded files lie: what anybody may fetch under MEDIA_ROOT, the rest outside of it.

So a proxy that serves the folder of media by itself cannot give away a document past the view that
asks who may have it, nor a picture as it was uploaded, with whatever else is in the file.
"""

import os
from pathlib import PurePath
from typing import IO, Any

from django.conf import settings
from django.core.files.storage import FileSystemStorage

PRIVATE_FOLDERS = ("documents", "original_images")


class MediaStorage(FileSystemStorage):
    def path(self, name: str) -> str:
        return str(_private().path(name) if _is_private(name) else super().path(name))

    def save(self, name: str | None, content: IO[Any], max_length: int | None = None) -> str:
        save = _private().save if name and _is_private(name) else super().save
        return str(save(name, content, max_length))


def _private() -> FileSystemStorage:
    return FileSystemStorage(location=settings.PRIVATE_ROOT)


def _is_private(name: str) -> bool:
    parts = PurePath(os.path.normpath(name)).parts
    return bool(parts) and parts[0] in PRIVATE_FOLDERS
