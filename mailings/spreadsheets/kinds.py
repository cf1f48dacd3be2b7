"""What a file really is, whatever its name says; and what to do with one that is no table."""

import re

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_TABLE = _("Open it, copy the table into a spreadsheet and save that as XLSX or CSV.")
_SAVE = _("Open it and save it as XLSX or CSV.")

PICTURE = _("This is a picture. Letters in a picture cannot be read: the table itself is needed.")
PDF = _("This is a PDF document.")
WORD = _("This is a Word document.")
SLIDES = _("This is a presentation.")
WEB_PAGE = _("This is a web page (HTML), even if its name ends with .xls.")
XML_TABLE = _("This is a table in XML (Excel 2003).")
JSON = _("This is JSON, a file for programs.")
RTF = _("This is a text document (RTF).")
OPEN_TABLE = _("This is an OpenDocument table (ODS).")
OPEN_TEXT = _("This is an OpenDocument text (ODT).")
BINARY_TABLE = _("This is a binary Excel file (.xlsb).")
NUMBERS = _("This is a file of Apple Numbers or Pages.")
LETTER = _("This is a saved mail, not a table.")
ARCHIVE = _("This is an archive.")
OLD_EXCEL = _(
    "This is an old Excel file (.xls) or one with a password."
    " Save it as .xlsx without a password, or as CSV."
)
LOCKED = _("This Excel file has a password. Save it as .xlsx without a password, or as CSV.")
_UNPACK = _("Unpack it and choose the table inside.")
_EXPORT = _("Ask the program it comes from for a CSV or XLSX file.")

Said = tuple[str | Promise, ...]

_SIGNATURES: tuple[tuple[bytes, Said], ...] = (
    (b"%PDF", (PDF, _TABLE)),
    (b"\x89PNG\r\n", (PICTURE,)),
    (b"\xff\xd8\xff", (PICTURE,)),
    (b"GIF8", (PICTURE,)),
    (b"II*\x00", (PICTURE,)),
    (b"MM\x00*", (PICTURE,)),
    (b"8BPS", (PICTURE,)),
    (b"{\\rtf", (RTF, _TABLE)),
    (b"Rar!\x1a", (ARCHIVE, _UNPACK)),
    (b"7z\xbc\xaf\x27\x1c", (ARCHIVE, _UNPACK)),
    (b"\x1f\x8b", (ARCHIVE, _UNPACK)),
    (b"BZh9", (ARCHIVE, _UNPACK)),
    (b"\xfd7zXZ\x00", (ARCHIVE, _UNPACK)),
    (b"SQLite format 3", (_("This is a database."), _EXPORT)),
)
_PARTS: tuple[tuple[bytes, Said], ...] = (
    (b"xl/workbook.bin", (BINARY_TABLE, _SAVE)),
    (b"word/document.xml", (WORD, _TABLE)),
    (b"ppt/presentation.xml", (SLIDES, _TABLE)),
    (b"Index/Document.iwa", (NUMBERS, _SAVE)),
)
"""Names of parts stand unpacked in a ZIP file."""


def foreign(content: bytes) -> str:
    """Return what the file is and what to do with it; nothing if it may be a table."""
    return " ".join(str(part) for part in _foreign(content))


def _foreign(content: bytes) -> Said:
    for signature, said in _SIGNATURES:
        if content.startswith(signature):
            return said
    if content.startswith(b"PK"):
        return _in_zip(content)
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        return _in_ole(content)
    if content.startswith(b"BM") and content[6:10] == b"\x00" * 4:
        return (PICTURE,)
    if (content.startswith(b"RIFF") and content[8:12] == b"WEBP") or (
        content[4:8] == b"ftyp" and content[8:12] in (b"heic", b"heix", b"mif1", b"avif")
    ):
        return (PICTURE,)
    return _in_text(content[:4096])


def _in_zip(content: bytes) -> Said:
    start = content[:200]
    if b"application/vnd.oasis.opendocument.spreadsheet" in start:
        return OPEN_TABLE, _SAVE
    if b"application/vnd.oasis.opendocument" in start:
        return OPEN_TEXT, _TABLE
    for name, said in _PARTS:
        if name in content:
            return said
    if b"[Content_Types].xml" in content or b"xl/" in content:
        return ()
    return ARCHIVE, _UNPACK


def _in_ole(content: bytes) -> Said:
    """Names of streams stand in UTF-16 in an OLE file, which old Office wrote."""

    def holds(name: str) -> bool:
        return name.encode("utf-16-le") in content

    if holds("EncryptedPackage"):
        return (LOCKED,)
    if holds("WordDocument"):
        return WORD, _TABLE
    if holds("PowerPoint Document"):
        return SLIDES, _TABLE
    if holds("__substg1.0"):
        return LETTER, _EXPORT
    return (OLD_EXCEL,)


_HTML = re.compile(r"<(?:!doctype html|html|head|body|table|meta|style)[\s>/]", re.I)
_XML_TABLE = re.compile(r"urn:schemas-microsoft-com:office:spreadsheet", re.I)
_JSON = re.compile(r"(?:\[\s*)?\{\s*\"[^\"]*\"\s*:|\[\s*(?:\[|\"[^\"]*@)")
_MAIL = re.compile(r"(?:From|Received|Return-Path|Delivered-To|MIME-Version|Date): .*\r?\n[\w-]+: ")


def _in_text(start: bytes) -> Said:
    wide = start.startswith((b"\xff\xfe", b"\xfe\xff")) or b"<\x00" in start[:8]
    text = (start.decode("utf-16", "replace") if wide else start.decode("latin-1")).lstrip(
        "\ufeffï»¿ \t\r\n"
    )
    if text.startswith("<"):
        if _XML_TABLE.search(text):
            return XML_TABLE, _SAVE
        if _HTML.search(text):
            return WEB_PAGE, _SAVE
        if "<svg" in text:
            return (PICTURE,)
        return (_("This is an XML file, for programs."), _EXPORT) if text[1:2] in "?!" else ()
    if _JSON.match(text):
        return JSON, _EXPORT
    return (LETTER, _EXPORT) if _MAIL.match(text) else ()
