"""Parameters of links: `utm_…` put into addresses that go on meaning what they meant."""

from datetime import date

import pytest
from django.core.exceptions import ValidationError

from mailings.tracking.parameters import SAMPLE, added, filled, require_sound, tidied

UTM = (("utm_source", "news"), ("utm_medium", "email"))
Q = "utm_source=news&utm_medium=email"


@pytest.mark.parametrize(
    ("href", "expected"),
    [
        ("https://shop.example", f"https://shop.example?{Q}"),
        ("https://shop.example/", f"https://shop.example/?{Q}"),
        ("HTTP://shop.example/a", f"HTTP://shop.example/a?{Q}"),
        ("https://shop.example/?id=1&x=2", f"https://shop.example/?id=1&x=2&{Q}"),
        ("https://shop.example/?", f"https://shop.example/?{Q}"),
        ("https://shop.example/?a=1&", f"https://shop.example/?a=1&{Q}"),
        ("https://shop.example/a#b", f"https://shop.example/a?{Q}#b"),
        ("https://shop.example/#/app?x=1", f"https://shop.example/?{Q}#/app?x=1"),
        (
            "https://shop.example/?utm_source=mine",
            "https://shop.example/?utm_source=mine&utm_medium=email",
        ),
        ("https://shop.example/?utm%5Fsource=a&utm_medium=b",) * 2,
        ("https://кафе.рф/меню?день=1", f"https://кафе.рф/меню?день=1&{Q}"),
        ("https://shop.example/{{ city }}", f"https://shop.example/{{{{ city }}}}?{Q}"),
        (
            'https://shop.example/{{ city|default:"a?b#c" }}#x',
            f'https://shop.example/{{{{ city|default:"a?b#c" }}}}?{Q}#x',
        ),
        ("{{ page }}",) * 2,
        ("mailto:a@shop.example",) * 2,
        ("tel:+74951234567",) * 2,
        ("#top",) * 2,
        ("javascript:alert(1)",) * 2,
    ],
)
def test_they_stand_in_the_query(href, expected):
    assert added(href, UTM) == expected


def test_twice_is_as_once():
    once = added("https://shop.example/?a=1#b", UTM)
    assert added(once, UTM) == once


def test_a_run_fills_them_in_with_the_mailing_and_its_day():
    pairs = filled(f"{SAMPLE}&day={{{{ date }}}}", mailing="Осень & зима", on=date(2026, 11, 30))
    assert pairs == (
        ("utm_source", "newsletter"), ("utm_medium", "email"), ("utm_campaign", "Осень & зима"),
        ("day", "2026-11-30"),
    )  # fmt: skip
    assert "utm_campaign=%D0%9E%D1%81%D0%B5%D0%BD%D1%8C%20%26%20" in added(
        "https://a.example", pairs
    )


@pytest.mark.parametrize("good", ["", SAMPLE, "a=", "a=%20b", "utm_id=7&d={{ date }}"])
def test_good_ones_are_taken(good):
    require_sound(good)


@pytest.mark.parametrize(
    "bad",
    [
        "utm",
        "=a",
        "a b=c",
        "a=b c",
        "a=b#c",
        "a={{ email }}",
        "a={{ mailing",
        "a=\r\nB",
        "&".join(["a=b"] * 11),
    ],
)
def test_bad_ones_are_refused(bad):
    with pytest.raises(ValidationError):
        require_sound(bad)


def test_the_mark_of_a_query_is_left_out():
    assert tidied(" ?a=b ") == "a=b"
