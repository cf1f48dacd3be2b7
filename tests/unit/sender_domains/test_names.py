"""Which names may be a sender domain, and in which form they are kept."""

import idna
import pytest

from mailings.errors import Refused
from mailings.sender_domains import names

PUNYCODE = idna.encode("лавка.рф").decode()


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("Shop.Example.ORG", "shop.example.org"),
        (" shop.example.org. ", "shop.example.org"),
        ("https://shop.example.org/about", "shop.example.org"),
        ("news@shop.example.org", "shop.example.org"),
        ("Лавка.рф", PUNYCODE),
        (PUNYCODE, PUNYCODE),
        ("live.shop.example.org", "live.shop.example.org"),  # no mailboxes of Microsoft's
    ],
)
def test_a_domain_is_kept_in_one_form(typed, domain):
    assert names.read(typed) == domain


@pytest.mark.parametrize(
    "typed",
    [
        "", "com", "com.ru", "co.uk", "msk.ru", "gmail.com", "Mail.RU", "yandex.ru", "ya.ru",
        "bk.ru", "yahoo.co.uk", "localhost", "shop.local", "192.0.2.1", "two words.org",
        "tilda.ws", "a..b.org", "mу-shop.example", "-shop.org", "x" * 64 + ".org",
        "shop_example.org",
    ],
)  # fmt: skip
def test_what_is_nobodys_own_is_refused_in_words(typed):
    with pytest.raises(Refused) as refused:
        names.read(typed)
    assert str(refused.value).endswith(".")
