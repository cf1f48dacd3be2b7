"""Figures and subjects in words."""

import pytest
from django.utils import translation

from mailings.web import words


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hello, [first name]: news of [city]"),
        ("ru", "Hello, [имя]: news of [city]"),
    ],
)
def test_a_subject_is_read_with_the_names_of_its_variables(language, text):
    with translation.override(language):
        subject = 'Hello, {{ first_name|default:"friend" }}: news of {{city}}'
        assert words.readable(subject) == text


def test_what_is_no_variable_stays():
    assert words.readable("50 % {off} {{ 7*7 }}") == "50 % {off} {{ 7*7 }}"


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (2500, "2\N{NO-BREAK SPACE}500"), (10_000, "10 k"), (12_500, "12.5 k"),
     (1_500_000, "1.5 M"), (2_000_000, "2 M")],
)  # fmt: skip
def test_figures_of_an_axis_are_short(number, text):
    with translation.override("en"):
        assert words.short_figure(number) == text
