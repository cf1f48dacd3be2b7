"""The only reader of the environment (and of `.env`).

Every setting that an operator may change is read here, by name, with its type. A missing or
malformed value raises `ImproperlyConfigured` with one line that says what to mend.
"""

import os
import re
from pathlib import Path
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent

_env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")

BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def text(name: str, default: str | None = None) -> str:
    """Return the setting as text; without a default an absent or empty one is an error."""
    value = _env.str(name, default="")
    if value:
        return str(value)
    if default is None:
        raise ImproperlyConfigured(f"{name} is not set. Set it in the environment or in .env.")
    return default


def for_child(**changes: str) -> dict[str, str]:
    """Return the environment of a child process: ours, with `changes`."""
    return os.environ | changes


def secret(name: str, default: str | None = None) -> str:
    """Return a secret from NAME, or from the file that NAME_FILE points to."""
    file = _env.str(f"{name}_FILE", default="")
    if file:
        try:
            return Path(file).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(f"{name}_FILE: {file} cannot be read: {error}.") from error
    return text(name, default)


def secrets(name: str) -> list[str]:
    """Return several secrets, with commas between them or one on each line of NAME_FILE."""
    return re.split(r"[\s,]+", found) if (found := secret(name, "").strip()) else []


def boolean(name: str, *, default: bool) -> bool:
    value = _env.str(name, default="").strip().lower()
    if not value:
        return default
    if value not in BOOLEANS:
        raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")
    return BOOLEANS[value]


def integer(name: str, *, default: int, least: int = 0) -> int:
    value = _env.str(name, default="").strip()
    if not value:
        return default
    if not value.isdigit() or int(value) < least:
        raise ImproperlyConfigured(f"{name} must be a whole number from {least}, not {value!r}.")
    return int(value)


def number(name: str, *, default: float) -> float:
    """Return a number that is not negative, perhaps with a fraction."""
    value = _env.str(name, default="").strip()
    if not value:
        return default
    if not re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        raise ImproperlyConfigured(f"{name} must be a number like {default}, not {value!r}.")
    return float(value)


def domain(name: str) -> str:
    """Return a domain's name in lower case, in ASCII, or nothing."""
    value = text(name, "").strip().lower()
    if value and not re.fullmatch(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9-]{1,63}", value):
        raise ImproperlyConfigured(
            f"{name} must be a domain like returns.example.org, not {value!r}."
        )
    return value


def words(name: str, default: str | None = "") -> list[str]:
    """Return a comma-separated setting as a list without blanks."""
    return [word.strip() for word in text(name, default).split(",") if word.strip()]


def choice(name: str, *, default: str, among: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in among:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(among)}, not {value!r}.")
    return value


def colour(name: str, default: str) -> str:
    value = text(name, default).lower()
    if not re.fullmatch(r"#[0-9a-f]{6}", value):
        raise ImproperlyConfigured(f"{name} must be a colour like {default}, not {value!r}.")
    return value


def path(name: str, default: Path) -> Path:
    value = _env.str(name, default="")
    return (BASE_DIR / value).resolve() if value else default


def url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    """Return a URL whose scheme is one of `schemes`."""
    value = text(name, default)
    if value and urlsplit(value).scheme not in schemes:
        raise ImproperlyConfigured(f"{name} must start with one of {', '.join(schemes)} and '://'.")
    return value


def database(name: str, default: str) -> dict[str, object]:
    """Return Django's database settings for a sqlite:// or postgres:// URL."""
    value = url(name, default, schemes=("sqlite", "postgres", "postgresql"))
    return dict(environ.Env.db_url_config(value))
