"""Addresses as people type and paste them: kept, completed, or refused with words."""

import re

import pytest
from django.utils import translation
from hypothesis import given, settings
from hypothesis import strategies as st

from mailings.messages import content, links, samples
from mailings.states import Layout

KEPT = [
    "https://shop.example",
    "http://shop.example:8000/x?a=1&region=2#c",
    "HTTPS://Shop.Example/A",
    "https://магазин.рф/каталог",
    "https://[::1]/",
    "mailto:a@b.c",
    "mailto:a@b.c,d@e.f?subject=Hi%20you",
    "mailto:?subject=x",
    "mailto:{{ email }}",
    "tel:+74951234567",
    "tel:112",
    "tel:+7(495)123-45-67;ext=5",
    "tel:{{ phone }}",
    "sms:+79000000000",
    "sms:+79000000000?body=Да",
    "tg://resolve?domain=shop",
    "{{ link }}",
    "{{ link }}?a=1",
    'https://x.org/?q={{ v|default:"a b" }}',
]
COMPLETED = {
    "shop.example": "https://shop.example",
    "www.shop.example/x?y=1": "https://www.shop.example/x?y=1",
    "shop.example:8080/a": "https://shop.example:8080/a",
    "магазин.рф": "https://магазин.рф",
    "t.me/shop": "https://t.me/shop",
    "a@b.c": "mailto:a@b.c",
    "  https://shop.example ": "https://shop.example",
}
MISTYPED = {
    "htps://shop.example": "https://shop.example",
    "htp://shop.example": "https://shop.example",
    "httpss://shop.example/x": "https://shop.example/x",
    "https//shop.example": "https://shop.example",
    "https:/shop.example": "https://shop.example",
    "https:shop.example": "https://shop.example",
    "http//shop.example": "http://shop.example",
    "https;//shop.example": "https://shop.example",
    "https:\\\\shop.example": "https://shop.example",
    "https://https://shop.example": "https://shop.example",
    "//shop.example/x": "https://shop.example/x",
    "https://shop.example/my file.html": "https://shop.example/my%20file.html",
    "tel:+7 495 123-45-67": "tel:+74951234567",
    "+7 (495) 123-45-67": "tel:+74951234567",
}
REFUSED = [
    *("", "#kontakty", "/catalog", "./a", "../a", "?a=1", "javascript:alert(1)", "JaVaScript:1"),
    *("data:text/html,x", "vbscript:x", "file:///c:/x", "C:\\x.html", "catalog.html", "price.pdf"),
    *(
        "каталог",
        "shop",
        "@shop",
        "ftp://x.org",
        "whatsapp://send?phone=1",
        "https://",
        "http:///x",
    ),
    *("https://me:pw@x.org", "http://shop..example", "https://shop,example", "localhost:8000"),
    *("mailto:", "mailto:a", "mailto:a b@c.d", "tel:", "tel:abc", "sms:x", "tg://", "tg:resolve"),
    *("{{ scheme }}:x", "{{ a }}{{ b }}", "https://{{ host }}/", "{{ site }}/a b", "two words"),
    "https://x.org/" + "a" * links.LONGEST,
]


@pytest.mark.parametrize("typed", KEPT)
def test_a_whole_address_is_kept_byte_for_byte(typed):
    assert links.read(typed) == (typed, "", "")
    assert content.sanitise(f"<a href='{typed}'>a</a>").startswith('<a href="')


@pytest.mark.parametrize("typed", COMPLETED)
def test_what_everybody_leaves_out_is_put_before_it(typed):
    assert links.read(typed) == (COMPLETED[typed], "", "")


@pytest.mark.parametrize("typed", MISTYPED)
def test_a_slip_is_refused_with_what_was_meant(typed):
    with translation.override("en"):
        href, fault, instead = links.read(typed)
    assert not href
    assert fault == f"Did you mean {MISTYPED[typed]}?"
    assert instead == MISTYPED[typed]
    assert links.read(instead).href == instead


@pytest.mark.parametrize("typed", REFUSED)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_what_leads_nowhere_is_refused_with_words(typed, language):
    with translation.override(language):
        found = links.read(typed)
    assert not found.href
    assert found.fault
    assert bool(re.search("[а-я]", found.fault)) == (language == "ru")


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                [
                    "http",
                    "https",
                    "s",
                    "t",
                    ":",
                    "/",
                    "//",
                    "shop",
                    ".",
                    "ru",
                    "@",
                    "#",
                    "?",
                    "+7",
                    "{{ v }}",
                    " ",
                ]
            ),
            max_size=9,
        ).map("".join),
    )
)
def test_an_address_is_kept_whole_or_refused_and_what_is_kept_is_sent(typed):
    found = links.read(typed)
    assert bool(found.href) != bool(found.fault)
    if found.href:
        text = typed.strip()
        assert found.href in {text, f"https://{text}", f"mailto:{text}"}
        assert links.is_safe(found.href)
        assert links.read(found.href) == found
    if found.instead:
        assert links.read(found.instead).href == found.instead


@pytest.mark.parametrize("layout", Layout.values)
@pytest.mark.parametrize("language", ["ru", "en"])
def test_the_links_of_the_samples_may_stand_in_a_letter(layout, language):
    body = samples.sample(layout, language).body
    for href in re.findall(r'href="([^"]*)"', body):
        assert links.read(href).href == href
