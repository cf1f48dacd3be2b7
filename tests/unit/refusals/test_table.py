"""Each row of the table counts: it has a source, and nothing before it says the same."""

import pytest

from mailings.refusals import classify
from mailings.refusals.kinds import GONE
from mailings.refusals.table import BY_ENHANCED_CODE, ROWS, Row

CODES = {0: 550, 4: 451, 5: 550}
DOMAINS = {"rambler": "rambler.ru"}


def read(row: Row):
    """Read the row's phrase alone, as its receiver would say it."""
    level = row.level or 5
    text = " … ".join(row.parts).replace("…", "so")
    enhanced = f"{level}{row.enhanced}" if row.enhanced else ""
    return classify(CODES[row.level], enhanced, text, DOMAINS.get(row.receiver, ""))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}: {row.phrase}")
def test_a_row_is_reached_and_has_a_source(row):
    assert read(row).kind is row.kind
    assert read(row).in_words
    assert row.source
    assert row.phrase == row.phrase.lower()


def test_no_phrase_stands_twice():
    phrases = [(row.phrase, row.receiver, row.level, row.enhanced) for row in ROWS]
    assert len(phrases) == len(set(phrases))


def test_phrases_are_long_enough_to_mean_something():
    assert [row.phrase for row in ROWS if len("".join(row.parts).strip(" (_")) < 3] == []


def test_dead_mailboxes_come_last():
    """In doubt nobody is taken for dead: what speaks of something else is asked first."""
    general = [row for row in ROWS if not (row.receiver or row.enhanced)]
    first_dead = next(
        i for i, row in enumerate(general) if row.kind in GONE and "listed" not in row.phrase
    )
    assert {row.kind in GONE for row in general[first_dead:]} == {True}


@pytest.mark.parametrize("detail", BY_ENHANCED_CODE)
def test_enhanced_codes_are_read_where_words_are_unknown(detail):
    code = f"5.{detail}" + ("9" if detail.endswith(".") else "")
    assert classify(550, code, "").kind is BY_ENHANCED_CODE[detail]
