"""What the use cases raise when a rule does not allow what was asked for."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """The rules do not allow it now; the message, in the reader's language, says why and how to
    mend it."""


class Invalid(Refused):
    """What was given breaks the rules of its fields.

    `faults.error_dict` says of which, and how: field → errors, each with its code; those of no
    single field stand under `NON_FIELD_ERRORS`.
    """

    def __init__(self, faults: Mapping[str, Any]) -> None:
        self.faults = ValidationError(dict(faults))
        super().__init__(" ".join(self.faults.messages))
