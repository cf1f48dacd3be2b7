"""Documents that editors upload: what is not what its name says it is comes in nowhere.

A document is only ever handed out to be saved; but where it is opened, and by what, is not ours to
say. So markup and scripts are refused under any name.
"""

import re
import zipfile
from collections.abc import Callable
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from PIL import Image
from wagtail.documents.forms import BaseDocumentForm

HEAD = 1024  # bytes; browsers look no further either when they guess what a file is
MOST_ENTRIES = 10_000

# Long enough not to stand in a photograph by chance.
_MARKUP = re.compile(
    rb"<\s*(?:!doctype|\?xml|html|head|body|script|svg|iframe|object|embed)[\s/>:?]", re.I
)
_ARCHIVES = {
    "docx": "word/",
    "xlsx": "xl/",
    "pptx": "ppt/",
    "odt": "application/vnd.oasis.opendocument.text",
    "ods": "application/vnd.oasis.opendocument.spreadsheet",
    "odp": "application/vnd.oasis.opendocument.presentation",
}
_PICTURES = {"gif": "GIF", "jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP"}


class DocumentForm(BaseDocumentForm):
    """The base of all forms of documents in the admin: one file, many at once, the chooser."""

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if isinstance(file, UploadedFile):
            check(file)
        return file


def check(file: UploadedFile) -> None:
    """Raise `ValidationError` unless the content is of the kind that the name says."""
    suffix = (file.name or "").rpartition(".")[2].lower()
    allowed = settings.WAGTAILDOCS_EXTENSIONS
    if suffix not in allowed:
        raise ValidationError(
            _("Files of this kind are not taken. Take one of: %(kinds)s.")
            % {"kinds": ", ".join(allowed)}
        )
    file.seek(0)
    try:
        if not _judge(suffix)(file, suffix):
            raise ValidationError(
                _("The content of the file is not what its name says. Save it anew as %(kind)s.")
                % {"kind": suffix}
            )
    finally:
        file.seek(0)


def _judge(suffix: str) -> Callable[[IO[bytes], str], bool]:
    if suffix in _PICTURES:
        return _is_picture
    if suffix == "pdf":
        return _is_pdf
    if suffix in _ARCHIVES or suffix == "zip":
        return _is_archive
    return _is_plain_text


def _is_pdf(file: IO[bytes], suffix: str) -> bool:
    head = file.read(HEAD)
    return head.startswith(b"%PDF-") and not _MARKUP.search(head)


def _is_picture(file: IO[bytes], suffix: str) -> bool:
    try:
        with Image.open(file, formats=[_PICTURES[suffix]]) as image:
            image.verify()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return False
    file.seek(0)
    return not _MARKUP.search(file.read())


def _is_archive(file: IO[bytes], suffix: str) -> bool:
    """Office files are archives; nothing is unpacked but the line that names the format."""
    if file.read(4) != b"PK\x03\x04":  # a program or a page may stand before an archive
        return False
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if len(names) > MOST_ENTRIES:
                return False
            if suffix == "zip":
                return True
            wanted = _ARCHIVES[suffix]
            if wanted.endswith("/"):
                return "[Content_Types].xml" in names and any(n.startswith(wanted) for n in names)
            with archive.open("mimetype") as line:
                return line.read(HEAD).decode("ascii", "replace").strip() == wanted
    except (zipfile.BadZipFile, KeyError, OSError, NotImplementedError, RuntimeError, ValueError):
        return False


def _is_plain_text(file: IO[bytes], suffix: str) -> bool:
    content = file.read()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            content = content.decode("utf-16").encode()
        except UnicodeError:
            return False
    return b"\x00" not in content and not _MARKUP.search(content)
