"""Settings from the environment."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from site_config import env


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("", []),
        ("  ", []),
        ("old", ["old"]),
        ("old,older", ["old", "older"]),
        ("a, b\n c", list("abc")),
    ],
)
def test_several_secrets_stand_in_one_setting(monkeypatch, written, read):
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", written)
    assert env.secrets("SECRET_KEY_FALLBACKS") == read


def test_several_secrets_are_read_from_a_file(monkeypatch, tmp_path):
    file = tmp_path / "keys"
    file.write_text("old\nolder\n")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS", "ignored")
    monkeypatch.setenv("SECRET_KEY_FALLBACKS_FILE", str(file))
    assert env.secrets("SECRET_KEY_FALLBACKS") == ["old", "older"]


@pytest.mark.parametrize(
    ("written", "read"), [("", ""), (" Returns.Example.ORG ", "returns.example.org"), ("x", "x")]
)
def test_a_domain_is_read_in_lower_case(monkeypatch, written, read):
    monkeypatch.setenv("BOUNCE_DOMAIN", written)
    assert env.domain("BOUNCE_DOMAIN") == read


@pytest.mark.parametrize("written", ["b@example.org", "https://example.org", "a b", "-x.org", "x."])
def test_what_is_no_domain_stops_the_start(monkeypatch, written):
    monkeypatch.setenv("BOUNCE_DOMAIN", written)
    with pytest.raises(ImproperlyConfigured, match="must be a domain"):
        env.domain("BOUNCE_DOMAIN")


def test_a_number_may_have_a_fraction_and_is_not_negative(monkeypatch):
    assert env.number("COMPLAINT_PAUSE_PERCENT", default=0.1) == 0.1
    monkeypatch.setenv("COMPLAINT_PAUSE_PERCENT", "0.3")
    assert env.number("COMPLAINT_PAUSE_PERCENT", default=0.1) == 0.3
    for written in ("-1", "5 %", "inf", "1e3"):
        monkeypatch.setenv("COMPLAINT_PAUSE_PERCENT", written)
        with pytest.raises(ImproperlyConfigured, match="must be a number"):
            env.number("COMPLAINT_PAUSE_PERCENT", default=0.1)
