"""What an HTTP API's answer means."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
import requests

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)
from mailings.delivery.transports.http import answers
from mailings.delivery.transports.http.client import _Exchange
from mailings.delivery.transports.http.config import APIS, ApiConfig, is_api

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("code", "kind", "step"),
    [
        *[(code, Permanent, Step.HTTP) for code in (400, 413, 422)],
        *[(code, Unavailable, Step.AUTH) for code in (401, 403)],
        *[(code, Unavailable, Step.HTTP) for code in (301, 302, 307, 402, 404, 405, 408, 429)],
        *[(code, Unavailable, Step.HTTP) for code in (500, 502, 503, 504, 599)],
    ],
)
def test_a_status_says_who_is_at_fault(code, kind, step):
    assert answers.of_status(code) == (kind, step)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("sent", Accepted), ("queued", Accepted), ("invalid", Permanent), ("rejected", Permanent),
        ("failed", Temporary), ("unknown", Uncertain), ("", Uncertain), (None, Uncertain),
    ],
)  # fmt: skip
def test_a_recipients_status_is_believed_only_when_it_is_understood(status, kind):
    assert answers.of_recipient(status) is kind


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("0", 0), ("", 0), ("soon", 0), ("-5", 0), ("²", 0),
        ("Fri, 27 Nov 2026 12:01:30 GMT", 90), ("Fri, 27 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 27 Nov 2026 12:01:30 -0000", 90), ("9" * 400, 999_999_999),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert answers.seconds_to_rest(text, NOW) == seconds


def test_an_address_tells_api_key_and_options():
    config = ApiConfig.from_url(
        "mailgun+https://:k%40y@api.eu.mailgun.net/v3?sender_domain=mg.example.org&ca=/etc/ca.pem"
    )
    assert (config.name, config.url) == ("mailgun", "https://api.eu.mailgun.net/v3")
    assert config.settings == {"api_key": "k@y", "sender_domain": "mg.example.org"}
    assert config.ca_file == "/etc/ca.pem"
    assert "k@y" not in repr(config)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postmark+https://:k@", "looks like"),
        ("pigeon+https://:k@api.example.org", "looks like"),
        ("postmark+ftp://:k@api.example.org", "looks like"),
        ("https://:k@api.example.org", "looks like"),
        ("postmark+https://:k@api.example.org:0x1", "looks like"),
        ("postmark+https://[::1", "looks like"),
        ("postmark+https://api.example.org", "key"),
        ("postmark+https://k3y@api.example.org", "key"),
        ("mailjet+https://:k3y@api.example.org", "user"),
        ("postmark+http://:k3y@api.example.org", "without TLS"),
        ("postmark+https://:k3y@api.example.org?colour=blue", "colour"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_without_its_key(url, words):
    with pytest.raises(ValueError, match=words) as refused:
        ApiConfig.from_url(url)
    assert "k3y" not in str(refused.value)


def test_every_api_is_told_from_smtp_by_its_scheme():
    assert all(is_api(f"{name}+https://:k@host") for name in APIS)
    assert is_api("pigeon+http://host")
    assert not any(is_api(url) for url in ("smtp+tls://h", "smtps://h", "memory://", "", "x"))


@pytest.mark.parametrize("hours", [0, 5, -5])
def test_date_to_rest_until_is_read_by_the_services_own_clock(hours):
    """Whatever the time is here."""
    there = NOW + timedelta(hours=hours)
    exchange = _Exchange()
    exchange.response = requests.Response()
    exchange.response.status_code = 429
    exchange.response.headers["Date"] = format_datetime(there, usegmt=True)
    until = there + timedelta(seconds=90)
    exchange.response.headers["Retry-After"] = format_datetime(until, usegmt=True)
    assert exchange.rest(NOW) == 90
