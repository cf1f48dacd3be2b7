"""Tokens of tracked letters: what goes in comes out, and nothing else is ever read."""

import string

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from mailings.tracking import links
from mailings.tracking.links import ID_BYTES, MAC_BYTES, Token, read, token

ALPHABET = string.ascii_letters + string.digits + "-_"
LARGEST = 2 ** (8 * ID_BYTES) - 1
ids = st.integers(0, LARGEST)
GOOD = token(17, 123_456_789)


@given(ids, ids)
@example(0, 0)
@example(LARGEST, LARGEST)
def test_a_token_says_what_went_into_it(run_id, delivery_id):
    assert read(token(run_id, delivery_id)) == Token(run_id, delivery_id)


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_a_token_with_one_letter_altered_is_not_read(place):
    altered = (GOOD[:place] + letter + GOOD[place + 1 :] for letter in ALPHABET)
    assert [text for text in altered if text != GOOD and read(text)] == []


@given(st.text(max_size=80) | st.text(alphabet=ALPHABET, min_size=32, max_size=32))
@example("")
@example(GOOD + "A")
@example(GOOD + "\n")
@example(GOOD[:-4] + "====")
@example(GOOD.replace("A", "А"))  # Cyrillic
def test_what_we_did_not_make_is_not_read(text):
    assert read(text) is None


def test_a_token_cannot_be_guessed_and_outlives_its_key_while_that_is_a_fallback():
    assert MAC_BYTES * 8 >= 96
    with override_settings(SECRET_KEY="another-" * 8):
        assert read(GOOD) is None
    with override_settings(SECRET_KEY="another-" * 8, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert read(GOOD) == Token(17, 123_456_789)


def test_addresses_that_readers_have_for_themselves_are_known():
    site = links.link_pattern(1).partition("/r/")[0]
    assert links.is_own(f"{site}/u/abc/")
    assert links.is_own(f"{site}/r/abc/1")
    assert not links.is_own(f"{site}/blog/")
    assert not links.is_own("https://shop.example/u/abc/")
