"""Whose MX hosts a domain has is told at once, or not yet: nobody waits for DNS."""

import threading
import time

import dns.resolver
import pytest

from mailings.delivery.session import mail_exchangers
from mailings.delivery.session.mail_exchangers import (
    FRESH,
    FRESH_UNKNOWN,
    WAITING_MOST,
    MailExchangers,
    group_of_hosts,
)
from mailings.delivery.session.receivers import Receivers


@pytest.mark.parametrize(
    ("hosts", "group"),
    [
        (["ASPMX.L.GOOGLE.com.", "alt1.aspmx.l.google.com."], "gmail"),
        (["mx1.relay.example.", "emx.mail.ru."], "mail.ru"),
        (["mx.yandex.net."], "yandex"),
        (["shop-example.mail.protection.outlook.com."], "microsoft"),
        (["mta5.am0.yahoodns.net."], "yahoo"),
        (["mx1.beget.com.", "mx2.beget.com."], "mx1.beget.com"),
        (["notgoogle.com."], "notgoogle.com"),
        (["mail.shop.example."], ""),
        (["shop.example."], ""),
        (["."], ""),
        ([], ""),
    ],
)
def test_hosts_tell_whose_they_are(hosts, group):
    assert group_of_hosts(hosts, "shop.example") == group


class Dns:
    """Answers when it is let, and counts."""

    def __init__(self, *hosts: str) -> None:
        self.hosts, self.asked = list(hosts), []
        self.let = threading.Event()
        self.now = 0.0

    def ask(self, domain: str) -> list[str]:
        self.let.wait(10)
        self.asked.append(domain)
        if not self.hosts:
            raise dns.resolver.LifetimeTimeout(timeout=3, errors=[])
        return self.hosts

    def exchangers(self) -> MailExchangers:
        return MailExchangers(self.ask, lambda: self.now)


def wait_until_asked(exchangers: MailExchangers) -> None:
    for _ in range(1000):
        if not exchangers._asked:
            return
        time.sleep(0.005)
    raise AssertionError("not asked")


def test_the_first_look_knows_nothing_and_does_not_wait():
    resolver = Dns("aspmx.l.google.com.")
    exchangers = resolver.exchangers()
    assert [exchangers.group_of("shop.example") for _ in range(100)] == [""] * 100
    resolver.let.set()
    wait_until_asked(exchangers)
    assert exchangers.group_of("shop.example") == "gmail"
    assert resolver.asked == ["shop.example"]
    resolver.now = FRESH
    assert exchangers.group_of("shop.example") == "gmail"  # still, while it is asked anew
    wait_until_asked(exchangers)
    assert len(resolver.asked) == 2


def test_where_dns_does_not_answer_a_domain_stands_for_itself():
    resolver = Dns()
    resolver.let.set()
    exchangers = resolver.exchangers()
    receivers = Receivers(exchangers.group_of)
    assert receivers.group_of("shop.example") == "shop.example"
    wait_until_asked(exchangers)
    assert receivers.group_of("shop.example") == "shop.example"
    assert len(resolver.asked) == 1
    resolver.now = FRESH_UNKNOWN
    exchangers.group_of("shop.example")
    wait_until_asked(exchangers)
    assert len(resolver.asked) == 2


def test_what_waits_and_what_is_known_are_bounded(monkeypatch):
    monkeypatch.setattr(mail_exchangers, "KNOWN_MOST", 10)
    resolver = Dns("mx.other.example.")
    exchangers = resolver.exchangers()
    for n in range(2 * WAITING_MOST):
        exchangers.group_of(f"d{n}.example")
    resolver.let.set()
    wait_until_asked(exchangers)
    assert len(resolver.asked) <= WAITING_MOST + 1
    assert len(exchangers._known) <= 10


def test_providers_themselves_are_never_asked_for():
    resolver = Dns("mx.other.example.")
    receivers = Receivers(resolver.exchangers().group_of)
    assert [receivers.group_of(d) for d in ("gmail.com", "yandex.ru", "bk.ru")] == [
        "gmail", "yandex", "mail.ru",
    ]  # fmt: skip
    assert resolver.asked == []
