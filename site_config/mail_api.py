"""Django's settings for system mail that leaves through an HTTP API."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from mailings.delivery.transports.http.config import ApiConfig


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
