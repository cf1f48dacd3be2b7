"""How a file of clients is written down, and one row of it; what the readers share."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

CSV, XLSX, VCARD = "csv", "xlsx", "vcard"

MAX_COLUMNS = 200
MAX_RECORD = 64 * 1024
"""Characters of one row: what is longer has a quote that was never closed."""
MAX_LINES = 1_048_576
"""Rows with the empty ones, as many as a spreadsheet has: emptiness takes time too."""
SAMPLE = 64 * 1024  # bytes

LINES = "none"
"""No delimiter: each line holds one address or several."""

QUOTE, CUT, LETTERS = "quote", "cut", "letters"  # values of `plan.Fault`


class Unreadable(Exception):  # noqa: N818 - what the file is
    """The whole file cannot be read; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How the file is written down."""

    kind: str = CSV
    encoding: str = ""
    delimiter: str = ""
    has_header: bool = True
    head: int = 1
    """The head is the first row with this number or a higher one; those above are no clients."""
    quote: str = '"'
    mend: str = ""
    """A name of `letters.MENDS`: the text was read in a wrong encoding before it came here."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Row(NamedTuple):
    number: int
    """As the spreadsheet shows it: a cell of two lines is in one row. Of a VCF: of the line."""
    cells: list[str]
    fault: str = ""
    """A value of `plan.Fault`: the row could not be read."""
    width: int = 0
    """How many columns the row has; `cells` holds MAX_COLUMNS at most."""
    name: str = ""
    """Stood beside the address in its cell: `Anna Kim <anna@…>`."""


# What no cell should hold: control characters, marks of order, zero-width ones. Tabs stay tabs.
_UNSEEN = dict.fromkeys(
    [*range(9), 0x0B, 0x0C, *range(0x0E, 0x20), *range(0x7F, 0xA0), 0x200B, 0x2060, 0xFEFF]
) | {0x2028: "\n", 0x2029: "\n"}


def clean(text: str) -> str:
    if not text.isprintable():
        text = text.translate(_UNSEEN)
    return text.strip()
