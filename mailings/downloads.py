"""A table as a download, CSV or XLSX: made row by row, so that a million rows need no memory."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from mailings.spreadsheets import neutral

KINDS = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}

PART = 64 * 1024  # bytes sent at a time
ROWS_IN_A_SHEET = 1_000_000  # Excel stops at 1 048 576
LETTERS_IN_A_CELL = 32_767

Row = Sequence[Any]

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

_OOXML = "http://schemas.openxmlformats.org"
_RELATIONS = f"{_OOXML}/package/2006/relationships"
_OFFICE = f"{_OOXML}/officeDocument/2006/relationships"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_SHEET = f'{_HEAD}<worksheet xmlns="{_OOXML}/spreadsheetml/2006/main"><sheetData>'


def parts(rows: Iterable[Row], kind: str) -> Iterator[bytes]:
    """Return the file piece by piece; the first row is the heading."""
    return _csv(rows) if kind == "csv" else _xlsx(rows)


class _Pipe(io.RawIOBase):
    """What is written waits here until it is taken; as a file it cannot go back."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []
        self.size = 0

    def write(self, data: Any) -> int:
        self._waiting.append(bytes(data))
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass

    def take(self) -> bytes:
        data = b"".join(self._waiting)
        self._waiting.clear()
        self.size = 0
        return data


class _Text:
    """A text file for `csv.writer` over a pipe."""

    def __init__(self, pipe: _Pipe) -> None:
        self._pipe = pipe

    def write(self, text: str) -> int:
        return self._pipe.write(text.encode("utf-8", "replace"))


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    pipe = _Pipe()
    pipe.write("\ufeff".encode())  # Excel takes a file without it for cp1251
    writer = csv.writer(_Text(pipe))
    for row in rows:
        writer.writerow([_plain(value) for value in row])
        if pipe.size >= PART:
            yield pipe.take()
    yield pipe.take()


def _xlsx(rows: Iterable[Row]) -> Iterator[bytes]:
    pipe = _Pipe()
    sheets = 0
    waiting = iter(rows)
    with ZipFile(pipe, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        more = True
        while more:
            sheets += 1
            more = False
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w") as sheet:
                sheet.write(_SHEET.encode())
                for number, row in enumerate(waiting, 1):
                    cells = "".join(_cell(_plain(value)) for value in row)
                    sheet.write(f"<row>{cells}</row>".encode())
                    if pipe.size >= PART:
                        yield pipe.take()
                    if number == ROWS_IN_A_SHEET:
                        more = True
                        break
                sheet.write(b"</sheetData></worksheet>")
        for name, text in _frame(sheets):
            archive.writestr(name, _HEAD + text)
    yield pipe.take()


def _plain(value: Any) -> Any:
    """Return a number, or text that no spreadsheet executes."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if value is None:
        return ""
    return value if isinstance(value, int | float) else neutral(str(value))


def _cell(value: Any) -> str:
    if isinstance(value, int | float):
        return f"<c><v>{value}</v></c>"
    text = escape(_NOT_IN_XML.sub("", value)[:LETTERS_IN_A_CELL])
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _frame(sheets: int) -> Iterator[tuple[str, str]]:
    """Yield the small files of a workbook that say where its sheets are."""
    numbers = range(1, sheets + 1)
    content = f"{_OOXML}/package/2006/content-types"
    base = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{base}.worksheet+xml"/>'
        for n in numbers
    )
    types = (
        f'<Types xmlns="{content}"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName='
        f'"/xl/workbook.xml" ContentType="{base}.sheet.main+xml"/>{parts}</Types>'
    )
    yield "[Content_Types].xml", types
    yield "_rels/.rels", _relations([("rId1", "officeDocument", "xl/workbook.xml")])
    named = "".join(f'<sheet name="{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    book = (
        f'<workbook xmlns="{_OOXML}/spreadsheetml/2006/main" xmlns:r="{_OFFICE}">'
        f"<sheets>{named}</sheets></workbook>"
    )
    yield "xl/workbook.xml", book
    sheets_in_it = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
    yield "xl/_rels/workbook.xml.rels", _relations(sheets_in_it)


def _relations(found: Iterable[tuple[str, str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="{pk}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for pk, kind, target in found
    )
    return f'<Relationships xmlns="{_RELATIONS}">{lines}</Relationships>'
