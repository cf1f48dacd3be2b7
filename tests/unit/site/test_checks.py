from types import SimpleNamespace

import pytest
from django.conf import settings

from mailings.rendering import dkim
from mailings.rendering.dkim import Algorithm
from site_config import checks

PRODUCTION = {
    "EMAIL_URL": "smtp+tls://user:password@mail.example.org:587",
    "SYSTEM_EMAIL_URL": "smtps://mail.example.org",
    "DEFAULT_FROM_EMAIL": "Вестник <hello@example.org>",
    "SITE_URL": "https://example.org",
    "REDIS_URL": "",
    "DKIM_PRIVATE_KEY": "",
    "DKIM_DOMAIN": "",
    "DNS_RESOLVERS": [],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3"}},
}


@pytest.fixture
def ids(monkeypatch):
    """Return a function: the ids of what all checks find in production settings with changes."""

    def find(**changes) -> list[str]:
        values = {"DATA_DIR": settings.DATA_DIR} | PRODUCTION | changes
        monkeypatch.setattr(checks, "settings", SimpleNamespace(**values))
        return run_all()

    return find


def run_all() -> list[str]:
    functions = [
        checks.check_data_dir,
        checks.check_mail_urls,
        checks.check_production_mail,
        checks.check_site_url,
        checks.check_servers_go_together,
        checks.check_own_signature,
        checks.check_resolvers,
    ]
    found = [message for check in functions for message in check(None)]
    assert all(message.hint for message in found)
    return [message.id for message in found]


def test_sound_production_settings_pass(ids):
    assert ids() == []


KEY = dkim.new_private(Algorithm.ED25519)
POSTGRESQL = {"default": {"ENGINE": "django.db.backends.postgresql"}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"DATA_DIR": "/nowhere"}, "vestnik.E001"),
        ({"EMAIL_URL": "smtp://"}, "vestnik.E002"),
        ({"SYSTEM_EMAIL_URL": "memory://"}, "vestnik.E003"),
        ({"EMAIL_URL": "smtp://user:password@mail.example.org"}, "vestnik.W004"),
        ({"DEFAULT_FROM_EMAIL": "vestnik@localhost"}, "vestnik.W005"),
        ({"SITE_URL": "http://example.org"}, "vestnik.W006"),
        ({"SITE_URL": "https://localhost"}, "vestnik.W006"),
        ({"REDIS_URL": "redis://cache/0"}, "vestnik.W007"),
        ({"DATABASES": POSTGRESQL}, "vestnik.W008"),
        ({"DKIM_PRIVATE_KEY": "no key", "DKIM_DOMAIN": "example.org"}, "vestnik.E030"),
        ({"DKIM_PRIVATE_KEY": KEY}, "vestnik.E031"),
        ({"DNS_RESOLVERS": ["192.0.2.53", "dns.example.org"]}, "vestnik.E032"),
        ({"DNS_RESOLVERS": ["192.0.2.53:x"]}, "vestnik.E032"),
    ],
)
def test_a_slip_is_found(ids, changes, expected):
    assert ids(**changes) == [expected]


@pytest.mark.parametrize(
    "changes",
    [
        # a relay on this machine needs no encryption
        {"EMAIL_URL": "smtp://user:password@localhost"},
        {"DATABASES": POSTGRESQL, "REDIS_URL": "redis://cache/0"},
        {"DKIM_PRIVATE_KEY": KEY, "DKIM_DOMAIN": "example.org"},
        {"DNS_RESOLVERS": ["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:53"]},
    ],
)
def test_what_is_right_in_its_place_is_not_a_slip(ids, changes):
    assert ids(**changes) == []
