"""What use cases are given – a typed input each, whose missing fields stay as they are – and how
it is laid over a row: every fault is found before one is said."""

import enum
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db.models import Model
from django.utils.translation import gettext as _

from mailings.errors import Invalid


class Unchanged(enum.Enum):
    """Stands for a field that is not given: it stays as it is, or as a new row has it."""

    UNCHANGED = enum.auto()


UNCHANGED = Unchanged.UNCHANGED


def given(data: Any) -> dict[str, Any]:
    """Return what of an input, a dataclass, is given: field → value."""
    values = {field.name: getattr(data, field.name) for field in fields(data)}
    return {name: value for name, value in values.items() if value is not UNCHANGED}


class Faults:
    """What is wrong with what was given: field → errors."""

    def __init__(self) -> None:
        self.found: dict[str, list[ValidationError]] = {}

    def add(self, field: str, fault: ValidationError | str, code: str = "") -> None:
        error = fault if isinstance(fault, ValidationError) else ValidationError(fault, code)
        self.found.setdefault(field, []).extend(error.error_list)

    def merge(self, others: Mapping[str, Iterable[ValidationError]]) -> None:
        for field, errors in others.items():
            self.found.setdefault(field, []).extend(errors)

    @contextmanager
    def of(self, field: str) -> Iterator[None]:
        """Take a `ValidationError` of what is done within for a fault of the field."""
        try:
            yield
        except ValidationError as error:
            self.add(field, error)

    def any_of(self, names: Iterable[str]) -> bool:
        return any(name in self.found for name in names)

    def refuse(self, error: type[Invalid] = Invalid) -> None:
        """Raise the error if there is any fault."""
        if self.found:
            raise error(self.found)


def lay_over(row: Model, values: Mapping[str, Any], faults: Faults, names: Iterable[str]) -> None:
    """Give the row the values, and ask the columns' own rules (length, choices, …) of `names`."""
    for name, value in values.items():
        setattr(row, name, value)
        if isinstance(value, str):
            with faults.of(name):
                _no_null(value)
    asked = set(names).difference(faults.found)
    try:
        row.clean_fields(exclude={field.name for field in row._meta.fields} - asked)
    except ValidationError as error:
        faults.merge(error.error_dict)


_no_null = ProhibitNullCharactersValidator()


def one_line(text: str) -> str:
    """Refuse line breaks and other control characters: the text becomes a mail header."""
    if any(unicodedata.category(letter) in _BREAKING for letter in text):
        raise ValidationError(_("Write it in one line, without special characters."), "one_line")
    return text.strip()


_BREAKING = {"Cc", "Zl", "Zp"}
