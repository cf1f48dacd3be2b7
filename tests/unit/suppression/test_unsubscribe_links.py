"""Unsubscribe links: what goes in comes out, and nothing else is ever read."""

import string

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from accounts import site_address
from mailings.suppression import fingerprints, unsubscribe_links
from mailings.suppression.unsubscribe_links import ID_BYTES, MAC_BYTES, read, token

ALPHABET = string.ascii_letters + string.digits + "-_"
LARGEST = 2 ** (8 * ID_BYTES) - 1
ids = st.integers(0, LARGEST)
addresses = st.one_of(st.emails(), st.text(min_size=1))
GOOD = token(17, 123_456_789, "anna@example.org")


@given(ids, ids, addresses)
@example(0, 0, "")
@example(LARGEST, LARGEST, "ъ" * 254)
def test_a_token_says_what_went_into_it(owner_id, delivery_id, address):
    link = read(token(owner_id, delivery_id, address))
    assert link is not None
    assert (link.owner_id, link.delivery_id) == (owner_id, delivery_id)
    assert link.address_hash == fingerprints.address_hash(address)


def test_a_delivery_has_one_token_whatever_the_case_of_its_address():
    assert token(1, 2, "Anna@example.org") == token(1, 2, "anna@example.org")
    assert len({token(1, 2, "a@x.org"), token(2, 2, "a@x.org"), token(1, 3, "a@x.org")}) == 3


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_a_token_with_one_letter_altered_is_not_read(place):
    altered = (GOOD[:place] + letter + GOOD[place + 1 :] for letter in ALPHABET)
    assert [text for text in altered if text != GOOD and read(text)] == []


@given(st.text(max_size=200) | st.text(alphabet=ALPHABET, min_size=80, max_size=80))
@example("")
@example(unsubscribe_links.SAMPLE)
@example(GOOD[:-1])
@example(GOOD + "A")
@example(GOOD + "\n")
@example(GOOD[:-4] + "====")
@example(GOOD.replace("A", "А"))  # Cyrillic
def test_what_we_did_not_make_is_not_read(text):
    assert read(text) is None


def test_a_token_cannot_be_guessed():
    assert MAC_BYTES * 8 >= 128
    with override_settings(SECRET_KEY="another-" * 8):
        assert read(GOOD) is None


def test_a_token_outlives_the_secret_while_that_is_a_fallback():
    old = settings.SECRET_KEY
    with override_settings(SECRET_KEY="another-" * 8, SECRET_KEY_FALLBACKS=["third-" * 8, old]):
        link = read(GOOD)
        assert (link.owner_id, link.secret) == (17, old)
        assert token(17, 123_456_789, "anna@example.org") != GOOD


def test_the_address_is_short_safe_and_holds_nothing_readable():
    site_address.remember("https://newsletters.a-rather-long-name.example.org")
    url = unsubscribe_links.url(LARGEST, LARGEST, "anna@example.org")
    assert len(url) < 200
    path = url.removeprefix("https://newsletters.a-rather-long-name.example.org/u/")
    assert set(path.removesuffix("/")) <= set(ALPHABET)
    assert "anna" not in url
