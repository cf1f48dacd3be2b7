"""Files as people and attackers have them, made on the spot."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from typing import Any

import openpyxl

HEAD = ("E-mail", "ФИО", "Город")
ANNA = ("anna@example.org", "Анна Ким", "Тверь")
OLEG = ("oleg@example.org", "Олег Бахтин", "Казань")


def text(*rows: Sequence[str], delimiter: str = ";", end: str = "\r\n") -> str:
    """Return rows as plain CSV, without any quoting."""
    return "".join(delimiter.join(row) + end for row in rows)


def csv(*rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ";") -> bytes:
    return text(*rows, delimiter=delimiter).encode(encoding)


def many(count: int) -> bytes:
    """Return CSV of so many clients."""
    lines = "".join(f"client{n}@example{n % 9}.org;Клиент {n};Тверь\n" for n in range(count))
    return ("E-mail;ФИО;Город\n" + lines).encode()


def xlsx(rows: Iterable[Sequence[Any]], *, sheets: Sequence[str] = ()) -> bytes:
    """Return what Excel would save; `sheets`: hidden ones before it."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(list(row))
    for name in sheets:
        hidden = book.create_sheet(name, 0)
        hidden.append(["hidden"])
        hidden.sheet_state = "hidden"
    book.active = len(sheets)
    saved = io.BytesIO()
    book.save(saved)
    return saved.getvalue()


def rezipped(content: bytes, **parts: bytes | None) -> bytes:
    """Return the XLSX with parts replaced, or removed; a part is named by the end of its name."""
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            key = name.rpartition("/")[2].partition(".")[0]
            data = parts.get(key, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return result.getvalue()


SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'


def sheet_of(inside: str) -> bytes:
    """Return an XLSX whose sheet is written by hand."""
    return rezipped(xlsx([HEAD]), sheet1=f"{SHEET}{inside}</sheetData></worksheet>".encode())


OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def with_strings(strings: bytes, inside: str) -> bytes:
    """Return an XLSX as Excel itself writes it: the sheet refers to shared strings."""
    content = sheet_of(inside)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        relations = archive.read("xl/_rels/workbook.xml.rels").decode()
    link = f'<Relationship Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml" Id="rId9"/>'
    relations = relations.replace("</Relationships>", f"{link}</Relationships>")
    result = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as old,
        zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for name in old.namelist():
            is_book = name.endswith("workbook.xml.rels")
            new.writestr(name, relations if is_book else old.read(name))
        new.writestr("xl/sharedStrings.xml", strings)
    return result.getvalue()


def bomb(megabytes: int) -> bytes:
    """Return a small XLSX with a sheet that unpacks to so much."""
    inside = b"<row><c><v>1</v></c></row>" * 40_000  # about one megabyte
    return rezipped(xlsx([HEAD]), sheet1=SHEET.encode() + inside * megabytes)
