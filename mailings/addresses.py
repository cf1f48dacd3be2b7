"""E-mail addresses: checked, and normalised so that one mailbox has one spelling."""

import re

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext_lazy as _

MAX_LENGTH = 254  # RFC 5321 4.5.3.1.3 less the angle brackets

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def normalise(address: str) -> str:
    """Return the address trimmed, its domain lower-cased and in ASCII (IDNA).

    The local part keeps its case: only the receiving host may interpret it (RFC 5321 2.4).
    Raises `ValidationError` for anything that is not exactly one address.
    """
    trimmed = address.strip()
    if _CONTROL.search(trimmed) or len(trimmed) > MAX_LENGTH:
        raise ValidationError(_("This is not an e-mail address."), code="invalid")
    local, at, domain = trimmed.rpartition("@")
    try:
        domain = domain.lower().encode("idna").decode("ascii") if at else ""
    except UnicodeError as error:
        raise ValidationError(
            _("The domain “%(domain)s” cannot exist."), code="invalid", params={"domain": domain}
        ) from error
    normalised = f"{local}@{domain}"
    validate_email(normalised)
    return normalised
