"""What goes into a CSV or XLSX cell: text that no spreadsheet takes for a formula."""

from typing import TypeVar

Value = TypeVar("Value")

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def neutral(value: Value) -> Value | str:
    """Put an apostrophe before text that a spreadsheet would execute; leave the rest alone."""
    if isinstance(value, str) and value.startswith(FORMULA_STARTS):
        return f"'{value}"
    return value
