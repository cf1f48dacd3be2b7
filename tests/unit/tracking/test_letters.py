"""Which links of a letter lead through us, and where they lead from there."""

import pytest
from django.conf import settings
from django.utils import translation

from mailings.tracking import letters, links
from mailings.tracking.letters import Link, redirected, target_of, with_parameters

SITE = settings.SITE_URL


def a(href: str, words: str = "Здесь") -> str:
    return f'<p><a href="{href}">{words}</a></p>'


def test_links_to_pages_lead_through_us_and_same_pages_are_one_link():
    body = a("https://shop.example/a?x=1&amp;y=2", "<b>Купить</b> &amp; <i>взять</i>") + a(
        "https://shop.example/b"
    ) + a("https://shop.example/a?x=1&amp;y=2", "Ещё раз")  # fmt: skip
    html, found = redirected(body)
    assert found == [
        Link(1, "https://shop.example/a?x=1&y=2", "Купить & взять"),
        Link(2, "https://shop.example/b", "Здесь"),
    ]
    pattern = links.link_pattern
    assert [html.count(f'href="{pattern(n)}"') for n in (1, 2)] == [2, 1]
    assert "shop.example" not in html
    assert "<b>Купить</b>" in html


@pytest.mark.parametrize(
    "href",
    [
        "mailto:shop@shop.example",
        "tel:+74951234567",
        "sms:+74951234567",
        "tg://resolve?domain=shop",
        "#top",
        "/blog/",
        "javascript:alert(1)",
        "data:text/html,x",
        "{{ unsubscribe_url }}",
        "{{ page }}",
        "https://shop.example/{{ city }}",
        f"{SITE}/u/{'A' * 80}/",
        f"{SITE}/r/{'A' * 32}/1",
        "https://",
        "https://shop.example:99999/",
        "https://user@shop.example/",
        "https://shop.example\\@evil.example/",
        "https://shop.example/\r\nSet-Cookie: a=b",
        "https://shop.example/a b",
        f"https://shop.example/{'a' * 10_000}",
        f"https://shop.example/{'я' * 400}",  # 2400 characters as it travels
        "https://[::1/",
    ],
)
def test_other_links_stay_as_they_were_written(href):
    body = a(href)
    assert redirected(body) == (body, [])


@pytest.mark.parametrize(
    ("href", "url"),
    [
        ("https://кафе.рф/меню?день=пн#завтрак",
         ("https://xn--80akn5b.xn--p1ai/%D0%BC%D0%B5%D0%BD%D1%8E?%D0%B4%D0%B5%D0%BD%D1%8C=%D0%BF%D0%BD"
         "#%D0%B7%D0%B0%D0%B2%D1%82%D1%80%D0%B0%D0%BA")),
        ("HTTPS://Shop.Example:8443/a%20b/?q=a%26b", "https://shop.example:8443/a%20b/?q=a%26b"),
        ("http://[::1]:80/a", "http://[::1]:80/a"),
    ],
)  # fmt: skip
def test_a_target_is_ascii_as_a_location_has_it(href, url):
    assert target_of(href) == url


def test_parameters_are_put_into_pages_only():
    pairs = (("utm_source", "a&b"),)
    body = a("https://shop.example/?x=1&amp;y=2") + a("mailto:a@b.example") + a(f"{SITE}/u/x/")
    changed = with_parameters(body, pairs)
    assert 'href="https://shop.example/?x=1&amp;y=2&amp;utm_source=a%26b"' in changed
    assert 'href="mailto:a@b.example"' in changed
    assert f'href="{SITE}/u/x/"' in changed
    assert with_parameters(body, ()) == body


def test_a_picture_that_is_a_link_is_called_by_its_words():
    body = '<p><a href="https://shop.example/"><img src="/media/letters/a.png" alt="Осень"></a></p>'
    _html, found = redirected(body)
    assert found[0].label == "Осень"


def test_a_letter_says_what_it_tells_and_nothing_else():
    assert letters.notice(opens=False, clicks=False) == ""
    for language in ("en", "ru"):
        with translation.override(language):
            said = [
                letters.notice(opens=opens, clicks=clicks)
                for opens, clicks in ((True, False), (False, True), (True, True))
            ]
            assert len({*said, ""}) == 4
