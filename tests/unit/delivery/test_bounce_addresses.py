"""Addresses for returned mail: they prove the delivery, in any case of letters, nothing else."""

import pytest
from django.conf import settings
from django.test import override_settings
from hypothesis import example, given
from hypothesis import strategies as st

from mailings.delivery import bounce_addresses
from mailings.delivery.bounce_addresses import ID_BYTES, sender, token, tokens_in

LARGEST = 2 ** (8 * ID_BYTES) - 1
ANNA = "anna@example.org"
GOOD = token(123_456_789, ANNA)


def proved(text: str, recipient: str = ANNA) -> list[int]:
    return [found.delivery_id for found in tokens_in(text) if found.is_of(recipient)]


@given(st.integers(0, LARGEST), st.emails())
@example(0, ANNA)
@example(LARGEST, ANNA)
@override_settings(BOUNCE_DOMAIN="returns.example.org")
def test_an_address_proves_its_delivery_and_fits_a_local_part(number, recipient):
    address = sender("shop@example.org", number, recipient)
    local, _at, domain = address.rpartition("@")
    assert len(local) <= 64
    assert domain == "returns.example.org"
    for form in (address, address.upper(), address.lower(), f"<{address}>"):
        assert proved(form, recipient) == [number]


def test_without_a_domain_the_envelope_has_the_visible_sender():
    assert settings.BOUNCE_DOMAIN == ""
    assert sender("shop@example.org", 7, ANNA) == "shop@example.org"


@pytest.mark.parametrize("place", range(len(GOOD)))
def test_an_address_with_one_digit_altered_proves_nothing(place):
    for digit in "0123456789abcdef":
        altered = GOOD[:place] + digit + GOOD[place + 1 :]
        if altered != GOOD:
            assert proved(f"b+{altered}@x.example") == []


def test_an_address_of_one_recipient_proves_nothing_of_another():
    assert proved(f"b+{GOOD}@x.example", "Anna@Example.org") == [123_456_789]
    assert proved(f"b+{GOOD}@x.example", "boris@example.org") == []


@pytest.mark.parametrize(
    "text",
    ["", GOOD, f"b+{GOOD[:-1]}@x", f"b+{GOOD}0@x", f"bb+{GOOD}@x", f"a.b+{GOOD}@x", f"b-{GOOD}@x"],
)
def test_what_is_no_such_address_is_not_found(text):
    assert list(tokens_in(text)) == []


def test_it_is_found_in_a_report_and_among_many():
    other = token(5, ANNA)
    text = f"Return-Path: <b+{GOOD}@x.example>\nX-Failed: b+{other.upper()}@x.example, none"
    assert proved(text) == [123_456_789, 5]


def test_a_secret_of_before_still_proves():
    with override_settings(SECRET_KEY="another-" * 8):
        assert proved(f"b+{GOOD}@x") == []
    with override_settings(SECRET_KEY="another-" * 8, SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):
        assert proved(f"b+{GOOD}@x") == [123_456_789]


def test_it_cannot_be_guessed_and_is_no_unsubscribe_link():
    assert bounce_addresses.MAC_BYTES * 8 >= 128
