"""What goes into a CSV or XLSX cell: text that no spreadsheet takes for a formula.

`original` undoes `neutral`, so that an exported file comes back unchanged.
"""

import re
from typing import TypeVar

Value = TypeVar("Value")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
UNUSUAL_STARTS = frozenset((*FORMULA_STARTS, "'"))
"""Text that begins otherwise, as most does, is neutral already."""
_DANGEROUS = re.compile(f"'*[{re.escape(''.join(FORMULA_STARTS))}]").match
_NEUTRALISED = re.compile(f"'+[{re.escape(''.join(FORMULA_STARTS))}]").match


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
