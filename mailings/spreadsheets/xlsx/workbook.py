"""What stands around the sheet of an XLSX file: which one it is, styles of dates, the strings."""

import io
import posixpath
import re
import zipfile
from array import array
from functools import cached_property
from typing import IO

from mailings.spreadsheets.xlsx.pieces import Attributes, Broken, Effort, parse, part_of

MAX_STRINGS = 48_000_000  # bytes of shared text, which is kept in memory
MAX_FRAME = 4_000_000  # bytes of a part that says where others are
MAX_STYLE_BYTES = 32_000_000
MAX_CELL = 32_767  # characters, Excel's own limit
MAX_STYLES = 65_490  # Excel's own limit
MAX_FORMAT = 255  # characters, Excel's own limit

_NOTHING = b"<sst/>"


class Book:
    """Where the sheet is, which styles are dates, and the shared strings."""

    def __init__(self, archive: zipfile.ZipFile, effort: Effort) -> None:
        self.archive, self.effort = archive, effort
        top = self._relations("")
        self.path = next((t for kind, t in top.values() if kind == "officeDocument"), "")
        if not self.path:
            raise Broken("no workbook")
        self.is_1904 = False
        related = self._relations(self.path)
        self.sheet = related[self._first_visible()][1]
        there = archive.NameToInfo
        self.parts = {kind: path for kind, path in related.values() if path in there}

    @cached_property
    def strings(self) -> "_Strings":
        path = self.parts.get("sharedStrings")
        part = part_of(self.archive, path, MAX_STRINGS) if path else io.BytesIO(_NOTHING)
        return _Strings(part, self.effort)

    @cached_property
    def dates(self) -> set[str]:
        """The styles, by number, that show a number as a date."""
        path = self.parts.get("styles")
        return self._date_styles(path) if path else set()

    def _relations(self, owner: str) -> dict[str, tuple[str, str]]:
        """Return id → (kind, path) of what a part refers to."""
        folder, name = posixpath.split(owner)
        path = posixpath.join(folder, "_rels", f"{name}.rels")
        found: dict[str, tuple[str, str]] = {}

        def relationship(attributes: Attributes) -> None:
            target = posixpath.normpath(posixpath.join("/", folder, attributes["Target"]))
            kind = attributes["Type"].rpartition("/")[2]
            found[attributes["Id"]] = (kind, target.lstrip("/"))

        with part_of(self.archive, path, MAX_FRAME) as part:
            for _fed in parse(part, self.effort, {"Relationship": relationship}):
                pass
        return found

    def _first_visible(self) -> str:
        sheets: list[tuple[bool, str]] = []

        def properties(attributes: Attributes) -> None:
            self.is_1904 = attributes.get("date1904", "") in ("1", "true")

        def sheet(attributes: Attributes) -> None:
            relation = next(v for k, v in attributes.items() if k.endswith(" id"))
            sheets.append((attributes.get("state", "visible") != "visible", relation))

        with part_of(self.archive, self.path, MAX_FRAME) as part:
            starts = {"workbookPr": properties, "sheet": sheet}
            for _fed in parse(part, self.effort, starts):
                pass
        if not sheets:
            raise Broken("no sheet")
        return min(sheets, key=lambda sheet: sheet[0])[1]

    def _date_styles(self, path: str) -> set[str]:
        formats = {str(number) for number in _BUILT_IN_DATES}
        styles: list[str] = []
        is_of_cells = False

        def number_format(attributes: Attributes) -> None:
            if _is_date_format(attributes.get("formatCode", "")):
                formats.add(attributes["numFmtId"])

        def of_cells(_attributes: Attributes) -> None:
            nonlocal is_of_cells
            is_of_cells = True

        def of_others(_attributes: Attributes) -> None:
            nonlocal is_of_cells
            is_of_cells = False

        def style(attributes: Attributes) -> None:
            if is_of_cells and len(styles) < MAX_STYLES:
                styles.append(attributes.get("numFmtId", ""))

        starts = {
            "numFmt": number_format, "cellXfs": of_cells, "cellStyleXfs": of_others,
            "dxfs": of_others, "xf": style,
        }  # fmt: skip
        with part_of(self.archive, path, MAX_STYLE_BYTES) as part:
            for _fed in parse(part, self.effort, starts):
                pass
        return {str(index) for index, number in enumerate(styles) if number in formats}


_BUILT_IN_DATES = (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))
_NOT_CODE = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.|_.|\*.')


def _is_date_format(code: str) -> bool:
    if len(code) > MAX_FORMAT:
        return False
    return bool(re.search(r"[dmyhs]", _NOT_CODE.sub("", code).replace("General", ""), re.I))


class _Strings:
    """Shared strings in one buffer: a list of a million small objects would take 80 MB.

    They are read as far as somebody asks: a look at the first rows needs few.
    """

    def __init__(self, part: IO[bytes], effort: Effort) -> None:
        self.text = bytearray()
        self.ends = array("Q", [0])
        self.keep = self.is_phonetic = False
        self.length = 0
        starts = {"t": self.start_text, "rPh": self.start_phonetic}
        ends = {"t": self.end_text, "rPh": self.end_phonetic, "si": self.end_string}
        self.feeding = parse(part, effort, starts, ends, self.data)

    def start_text(self, _attributes: Attributes) -> None:
        self.keep = not self.is_phonetic

    def end_text(self) -> None:
        self.keep = False

    def start_phonetic(self, _attributes: Attributes) -> None:
        """How a Japanese word is read, not a part of it."""
        self.is_phonetic = True

    def end_phonetic(self) -> None:
        self.is_phonetic = False

    def end_string(self) -> None:
        self.ends.append(len(self.text))
        self.length = 0

    def data(self, text: str) -> None:
        if self.keep:
            # One character too many tells that the string was cut.
            room = MAX_CELL + 1 - self.length
            self.length += len(text)
            self.text.extend(text[: max(room, 0)].encode())

    def __getitem__(self, index: int) -> str:
        while index >= len(self.ends) - 1 and next(self.feeding, self) is None:
            pass
        if not 0 <= index < len(self.ends) - 1:
            raise Broken("a shared string is missing")
        return self.text[self.ends[index] : self.ends[index + 1]].decode()
