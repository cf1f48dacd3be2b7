"""System mail through an HTTP API: the settings are what django-anymail reads."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import get_connection

from mailings.delivery.transports.http.config import APIS
from site_config import mail_api


@pytest.mark.parametrize("name", APIS)
def test_anymail_finds_key_and_address_of_each_api(settings, name):
    options = "?project_id=p" if name == "scaleway" else ""
    api = mail_api.read("EMAIL_URL", f"{name}+https://user:k3y@api.example.org/v1{options}")
    settings.EMAIL_BACKEND, settings.ANYMAIL = mail_api.backend(api)
    connection = get_connection()
    assert connection.api_url.startswith("https://api.example.org/v1")
    assert "k3y" in vars(connection).values()


def test_a_slip_is_told_in_one_line_without_the_key():
    with pytest.raises(ImproperlyConfigured, match=r"^SYSTEM_EMAIL_URL: .*colour") as slip:
        mail_api.read("SYSTEM_EMAIL_URL", "postmark+https://:k3y@api.example.org?colour=blue")
    assert "k3y" not in str(slip.value)
    assert "\n" not in str(slip.value)


def test_secrets_of_webhooks_are_read_by_service():
    found = mail_api.webhook_secrets(
        "W", ["postmark=user:long-enough-1", "postal=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB=="]
    )
    assert found == {
        "postmark": "user:long-enough-1",
        "postal": "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCB==",
    }
    assert mail_api.webhook_secrets("W", []) == {}


@pytest.mark.parametrize(
    "value",
    [
        "postmark",
        "=user:long-enough-1",
        "nobody=user:long-enough-1",
        "scaleway=user:long-enough-1",  # it has no webhooks that anymail knows
        "postmark=user:short",
        "mailgun=короткий-но-не-латиница",
        "postmark=no-user-but-long-enough",
    ],
)
def test_wrong_ones_are_told_without_themselves(value):
    with pytest.raises(ImproperlyConfigured, match="W: ") as told:
        mail_api.webhook_secrets("W", [value])
    for secret in ("long-enough", "user:short", "короткий"):
        assert secret not in str(told.value)
