"""Text that a spreadsheet would execute, and text that it would not."""

import pytest

from mailings.spreadsheets.formulas import neutral

FORMULAS = [
    "=1+1",
    "+7 900",  # a phone, and to Excel a sum
    "-2",
    "@SUM(A1)",
    "\t=1",  # Excel drops the white space before it looks
    "\r=1",
    "\n=1",
    "＝1",  # full-width signs count as well
]


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_neutralised(text):
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("harmless", ["a=1", " 1", "", 5, -5, None, 2.5])
def test_other_values_stay_as_they_are(harmless):
    assert neutral(harmless) == harmless
