"""The look of a mail stays readable whatever accent the service has."""

from hypothesis import given
from hypothesis import strategies as st

from mailings.messages import letter

colours = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@given(colours)
def test_every_accent_stays_readable_in_light_and_dark(accent):
    palette = letter.palette(accent)
    assert letter.contrast(palette["link"], letter.SHEET) >= 4.5
    assert letter.contrast(palette["button"], palette["on_button"]) >= 4.5
    assert letter.contrast(palette["dark_accent"], letter.DARK_SHEET) >= 4.5
    assert letter.contrast(palette["dark_accent"], palette["dark_on_accent"]) >= 4.5


def test_the_stock_accent_is_used_as_it_is():
    palette = letter.palette("#0d5463")
    assert palette["link"] == palette["button"] == "#0d5463"
    assert palette["on_button"] == "#ffffff"


def test_contrast_is_measured_as_wcag_says():
    assert round(letter.contrast("#000000", "#ffffff"), 1) == 21
    assert round(letter.contrast("#0d5463", "#ffffff"), 1) == 8.5


def test_the_style_sheet_says_nothing_of_what_a_letter_has_not():
    html = (
        "<style>.a,.b p {color:red} .c {x:y}\n@media print {\n.b.a {u:v}\n.d {w:0}\n}</style>"
        '<p class="a d">.c</p>'
    )
    assert letter.without_idle_rules(html) == (
        '<style>\n.a {color:red}\n@media print {\n.d {w:0}\n}</style><p class="a d">.c</p>'
    )


def test_a_plain_letter_goes_out_small():
    html = letter.document(
        subject="s",
        preheader="",
        body="<p>a</p>",
        sender_name="Acme",
        accent="#0d5463",
        language="en",
    )
    assert len(html) < 4500
    assert ".coupon" not in html
    assert ".ink" in html
