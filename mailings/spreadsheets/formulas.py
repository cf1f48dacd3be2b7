"""What goes into a CSV or XLSX cell: text that no spreadsheet takes for a formula.

`original` undoes `neutral`, so that an exported file comes back unchanged.
"""

import re
from typing import TypeVar

Value = TypeVar("Value")

FORMULA_STARTS = (
    "=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫",
)  # fmt: skip
INVISIBLE = (
    *(chr(code) for code in range(0x21)), "\x7f", "\x85", "\xa0", "\xad", "\u1680", "\u180e",
    *(chr(code) for code in range(0x2000, 0x2010)), "\u2028", "\u2029", "\u202f", "\u205f",
    "\u2060", "\u3000", "\ufeff",
)  # fmt: skip
"""Before a sign they do not make it harmless: some spreadsheets drop them, then look."""
UNUSUAL_STARTS = frozenset((*FORMULA_STARTS, *INVISIBLE, "'"))
"""Text that begins otherwise, as most does, is neutral already."""
_INVISIBLE = f"[{re.escape(''.join(INVISIBLE))}]"
_SIGN = f"{_INVISIBLE}*[{re.escape(''.join(FORMULA_STARTS))}]"
_DANGEROUS = re.compile(f"'*{_SIGN}").match
_NEUTRALISED = re.compile(f"'+{_SIGN}").match


def neutral(value: Value) -> Value | str:
    """Put an apostrophe before text that a spreadsheet would execute; leave the rest alone.

    Apostrophes that stand before such a sign already get one more: `original` takes one away.
    """
    if isinstance(value, str) and value[:1] in UNUSUAL_STARTS and _DANGEROUS(value):
        return f"'{value}"
    return value


def original(text: str) -> str:
    """Return what was neutralised."""
    return text[1:] if _NEUTRALISED(text) else text


def may_be_neutral(text: str) -> bool:
    """Return whether any cell in the text, several one behind the other, may be neutralised."""
    return "'" in text
