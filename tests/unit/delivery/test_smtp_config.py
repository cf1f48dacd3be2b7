"""The URL of an SMTP server: what it says, and what it must not."""

import pytest

from mailings.delivery.transports.smtp.config import Policy, Security, SmtpConfig, tls_context


@pytest.mark.parametrize(
    ("url", "security", "port"),
    [
        ("smtp://mail.example.org", Security.NONE, 25),
        ("smtp+tls://mail.example.org", Security.STARTTLS, 587),
        ("smtps://mail.example.org", Security.TLS, 465),
        ("smtps://[::1]:2465", Security.TLS, 2465),
    ],
)
def test_scheme_chooses_security_and_port(url, security, port):
    config = SmtpConfig.from_url(url)
    assert (config.security, config.port) == (security, port)


def test_login_and_options_are_read():
    config = SmtpConfig.from_url(
        "smtps://user%40x.org:p%3Ass@h.org?auth=xoauth2&ca=/ca.pem&local_name=me.example.org",
        mails_per_connection=7,
    )
    assert (config.user, config.password) == ("user@x.org", "p:ss")
    assert config.uses_token
    assert (config.ca_file, config.local_name) == ("/ca.pem", "me.example.org")
    assert config.mails_per_connection == 7


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example.org",
        "mail.example.org",
        "smtp://",
        "smtp://h.org:port",
        "smtp://h.org:99999",
        "smtp://h.org?auth=maybe",
        "smtp://h.org?typo=1",
        "smtp://u:secret@h.org?auth=plaintext",  # not this machine
        "smtp://u%00:secret@h.org",
        "smtp://u:secret%0d%0a@h.org",
        "smtp://h.org?local_name=a%0d%0ab",
    ],
)
def test_url_that_cannot_be_used_safely_is_refused_without_showing_the_password(url):
    with pytest.raises(ValueError, match=r"SMTP URL|password|control") as refusal:
        SmtpConfig.from_url(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
def test_plain_text_login_is_allowed_to_this_machine(host):
    assert SmtpConfig.from_url(f"smtp://u:p@{host}?auth=plaintext").allows_plaintext_auth


def test_password_is_not_in_the_repr():
    assert "secret" not in repr(SmtpConfig.from_url("smtps://u:secret@h.org"))


def test_context_is_made_once_and_verifies():
    context = tls_context("")
    assert context is tls_context("")
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"


def test_clock_is_looked_at_often_enough_for_the_shortest_deadline():
    assert Policy().tick == 1
    assert Policy(rset=0.2).tick == pytest.approx(0.05)
