"""What an HTTP API's answer means, by its status (RFC 9110) and by what it says of the recipient.

no connection                        Unavailable
408, 5xx, 3xx, 404, 402 …            Unavailable: the service or its address, never the message
401, 403                             Unavailable, at the step of signing in: an alert
429                                  Unavailable, with the seconds that we are to stay away
400, 413, 422                        Permanent: this message
2xx, the recipient invalid, refused  Permanent; failed for now: Temporary
2xx, not understood; no answer       Uncertain: it may have been taken
"""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from mailings.delivery.transports.base import (
    Accepted,
    Permanent,
    SendResult,
    Step,
    Temporary,
    Unavailable,
    Uncertain,
)

TOO_MANY = HTTPStatus.TOO_MANY_REQUESTS
REST = 5.0
"""Seconds of rest for a service that says 429 and not for how long."""

_THIS_MESSAGE = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
_NOT_SIGNED_IN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})

_OF_RECIPIENT = {
    "sent": Accepted,
    "queued": Accepted,
    "invalid": Permanent,
    "rejected": Permanent,
    "failed": Temporary,
}
"""What django-anymail calls a recipient's status in an answer that it understood."""


def is_success(code: int) -> bool:
    """Return whether the status says that the request was taken (RFC 9110 15.3)."""
    return 200 <= code < 300  # noqa: PLR2004


def of_status(code: int) -> tuple[type[SendResult], Step]:
    """Return what a status says that is no success."""
    if code in _NOT_SIGNED_IN:
        return Unavailable, Step.AUTH
    return (Permanent if code in _THIS_MESSAGE else Unavailable), Step.HTTP


def of_recipient(status: str | None) -> type[SendResult]:
    """Return what a successful answer says of the recipient; None: it could not be understood."""
    return _OF_RECIPIENT.get(status or "", Uncertain)


def seconds_to_rest(retry_after: str, now: datetime) -> float:
    """Return what the header Retry-After asks for (RFC 9110 10.2.3: seconds, or a date)."""
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    at = date_of(text)
    return max(0.0, (at - now).total_seconds()) if at else 0.0


def date_of(text: str) -> datetime | None:
    """Return an instant as HTTP writes it; None: it is none."""
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
