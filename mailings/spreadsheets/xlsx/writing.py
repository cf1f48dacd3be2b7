"""An XLSX file of text and numbers, made while it is sent: no temporary file, no tree."""

import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from mailings.spreadsheets.xlsx.escapes import escaped, is_plain

Cell = str | int | float | None

MAX_LETTERS = 32_767  # in a cell; more, and Excel calls the file damaged
BATCH = 500  # rows written at a time
SHEET_BATCHES = 2_000  # so a sheet has a million rows: Excel stops at 1 048 576
SHEET_BYTES = 1 << 30
"""Unpacked. Up to twice as much goes without ZIP64, which not every Excel reads in a stream."""


class _Pipe(io.RawIOBase):
    """Takes what `zipfile` writes, for the response to pass on."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self.parts)
        self.parts.clear()
        return taken


def write_rows(rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """Yield the bytes of an XLSX file. The first row is the head: bold, and it stays in view.

    What one sheet cannot hold goes on in the next, under the same head.
    """
    pipe = _Pipe()
    lines = iter(rows)
    head = _row(next(lines, ()), ' s="1"')
    batches = iter(lambda: list(islice(lines, BATCH)), [])
    batch = next(batches, [])
    sheets = 0
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        while batch or not sheets:
            sheets += 1
            with archive.open(f"xl/worksheets/sheet{sheets}.xml", "w") as sheet:
                size = sheet.write(f"{_XML}{_SHEET_START}{head}".encode())
                for _number in range(SHEET_BATCHES):
                    size += sheet.write("".join(map(_row, batch)).encode())
                    yield pipe.take()
                    batch = next(batches, [])
                    if not batch or size > SHEET_BYTES:
                        break
                sheet.write(_SHEET_END.encode())
        for name, text in _frame(range(1, sheets + 1)).items():
            archive.writestr(name, _XML + text)
    yield pipe.take()


def _row(cells: Sequence[Cell], style: str = "") -> str:
    # Most rows have nothing to escape: one look at all of a row is cheaper than one at each cell.
    whole = "".join([cell for cell in cells if isinstance(cell, str)])
    if len(whole) > MAX_LETTERS or not is_plain(whole):
        cells = [escaped(c[:MAX_LETTERS]) if isinstance(c, str) else c for c in cells]
    # An empty cell still takes its place: the cells carry no addresses.
    filled = [
        "<c/>"
        if cell is None or cell == ""
        else f'<c t="inlineStr"{style}><is><t xml:space="preserve">{cell}</t></is></c>'
        if isinstance(cell, str)
        else f"<c{style}><v>{cell}</v></c>"
        for cell in cells
    ]
    return f"<row>{''.join(filled)}</row>"


_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_CONTENT = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_STYLES = (
    f'<styleSheet xmlns="{_MAIN}">'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)
_SHEET_START = (
    f'<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    '</sheetView></sheetViews><sheetFormatPr defaultRowHeight="15"/>'
    '<cols><col min="1" max="2" width="28" customWidth="1"/></cols><sheetData>'
)
_SHEET_END = "</sheetData></worksheet>"


def _frame(sheets: range) -> dict[str, str]:
    """Return the small files of a workbook that say where its sheets are."""
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_CONTENT}.worksheet+xml"/>'
        for n in sheets
    )
    names = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in sheets)
    related = [(f"rId{n}", "worksheet", f"worksheets/sheet{n}.xml") for n in sheets]
    return {
        "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels"'
        ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_CONTENT}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{_CONTENT}.styles+xml"/>{types}</Types>',
        "_rels/.rels": _relations([("rId1", "officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}">'
        f"<sheets>{names}</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": _relations([*related, ("rIdStyles", "styles", "styles.xml")]),
        "xl/styles.xml": _STYLES,
    }


def _relations(related: Iterable[tuple[str, str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="{pk}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for pk, kind, target in related
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'
