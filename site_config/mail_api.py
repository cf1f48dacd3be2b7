"""Django's settings for HTTP APIs of mail services: system mail, and what proves their webhooks."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mailings.delivery.transports.http.config import APIS, ApiConfig

WEBHOOKS = tuple(name for name, api in APIS.items() if api.webhook)
LEAST = 16  # characters of a secret: nobody counts how often it is guessed


def read(name: str, url: str) -> ApiConfig:
    """Return what the setting `name` says of an HTTP API, or say what to mend."""
    try:
        return ApiConfig.from_url(url)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from None


def backend(api: ApiConfig) -> tuple[str, dict[str, Any]]:
    """Return EMAIL_BACKEND, and what belongs into ANYMAIL for it."""
    values = api.settings | {"api_url": api.url}
    named = {f"{api.module}_{name}".upper(): value for name, value in values.items()}
    return f"anymail.backends.{api.module}.EmailBackend", named


def webhook_secrets(setting: str, values: list[str]) -> dict[str, str]:
    """Return what proves each service's webhooks, of `service=secret`, or say what to mend."""
    found = {}
    for value in values:
        name, equals, secret = value.partition("=")
        if not equals or name not in WEBHOOKS:
            services = ", ".join(WEBHOOKS)
            raise ImproperlyConfigured(f"{setting}: write service=secret; services: {services}.")
        if len(secret) < LEAST or not secret.isascii():
            what = f"at least {LEAST} characters, all of them ASCII"
            raise ImproperlyConfigured(f"{setting}: the secret of {name} must have {what}.")
        if APIS[name].webhook == "webhook_secret" and ":" not in secret:
            raise ImproperlyConfigured(f"{setting}: that of {name} is user:password.")
        found[name] = secret
    return found
