"""Every spreadsheet of the admin – Wagtail's reports and lists, ours, those of a later version –
is written by the two functions below, and they let no formula through.

They stand in place of Wagtail's own, which write cells and headings raw. A view may choose what is
in a cell, and how it looks; what a spreadsheet would execute is found after that.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, BinaryIO

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from wagtail.admin.views.mixins import Echo, ExcelDateFormatter, SpreadsheetExportMixin

from mailings.spreadsheets.formulas import neutral

NO_TEXT = (type(None), bool, int, float, Decimal, datetime, date, time, timedelta)


def neutralise() -> None:
    """Make every view that exports write by these functions."""
    mixin: Any = SpreadsheetExportMixin
    mixin.stream_csv = stream_csv
    mixin.write_xlsx = write_xlsx


def cell(value: Any) -> Any:
    """Return a number, a time, or text that no spreadsheet executes."""
    return value if isinstance(value, NO_TEXT) else neutral(str(value))


class Writer(csv.DictWriter):
    def writerow(self, rowdict: Mapping[str, Any]) -> Any:
        return super().writerow({field: cell(value) for field, value in rowdict.items()})


def stream_csv(view: Any, rows: Any) -> Iterator[bytes]:
    writer = Writer(Echo(), fieldnames=view.list_export)
    yield writer.writerow({field: view.get_heading(rows, field) for field in view.list_export})
    for row in rows:
        yield view.write_csv_row(writer, view.to_row_dict(row))


def write_xlsx(view: Any, rows: Any, output: BinaryIO) -> None:
    workbook = Workbook(write_only=True, iso_dates=True)
    sheet = workbook.create_sheet(title="Sheet1")
    sheet.append([_xlsx_cell(sheet, view.get_heading(rows, field)) for field in view.list_export])
    date_format = ExcelDateFormatter().get()
    for row in rows:
        cells = []
        for field, value in view.to_row_dict(row).items():
            shown = view.preprocess_field_value(field, value, view.FORMAT_XLSX)
            cells.append(_xlsx_cell(sheet, shown, date_format))
        sheet.append(cells)
    workbook.save(output)


def _xlsx_cell(sheet: Any, value: Any, date_format: str = "") -> Any:
    value = cell(value)
    if isinstance(value, str):
        # A server's reply may hold anything; XML may not, and openpyxl would raise.
        value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)
    made = WriteOnlyCell(sheet, value)
    if made.data_type == "f":
        made.data_type = "s"
    if date_format and isinstance(value, datetime):
        made.number_format = date_format
    return made
