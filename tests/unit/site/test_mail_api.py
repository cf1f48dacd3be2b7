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
