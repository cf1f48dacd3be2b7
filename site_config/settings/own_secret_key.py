"""A developer's secret key: made once, kept in a file that only its owner reads."""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

READ_BY_OWNER = 0o600


def own_secret_key(file: Path) -> str:
    """Return the key in `file`; the first caller makes it, however many come at once."""
    try:
        if not file.exists():
            _make(file)
        key = file.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"SECRET_KEY is empty and {file} cannot be used: {error.strerror}. "
            "Set SECRET_KEY in .env."
        ) from error
    if not key:
        raise ImproperlyConfigured(f"{file} is empty. Delete it, or set SECRET_KEY in .env.")
    return key


def _make(file: Path) -> None:
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, READ_BY_OWNER)
    with os.fdopen(descriptor, "w") as written:
        written.write(f"{secrets.token_urlsafe(48)}\n")
    try:
        os.link(unfinished, file)  # complete from the first moment, and never a second one
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
