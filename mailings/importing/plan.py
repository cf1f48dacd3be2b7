"""What will happen to each row of a file: one answer for the dry run and for the import itself."""

import re
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from mailings import addresses
from mailings.attributes import MAX_ATTRIBUTES, MAX_VALUE
from mailings.delivery.names import first_name_of
from mailings.importing import tables
from mailings.importing.columns import ATTRIBUTE, SKIPPED, Target
from mailings.spreadsheets import original

T = Target

MAX_NAME = MAX_SOURCE = 200  # characters, as the columns of `Client`
SHOWN = 254  # characters of a faulty address


class Fault(models.TextChoices):
    """Why a row is left out."""

    QUOTE = tables.QUOTE, _("a quotation mark is opened and not closed")
    CUT = tables.CUT, _("a cell is too long")
    CELLS = "cells", _("more cells than the head has columns")
    NO_ADDRESS = "no_address", _("no e-mail address")
    NO_AT = "no_at", _("no @ in the address")
    TWO_AT = "two_at", _("more than one @ in the address")
    SPACE = "space", _("a space inside the address")
    ADDRESS = "address", _("there can be no such address")
    NAME = "name", _("the name is longer than 200 characters")
    SOURCE = "source", _("“How they agreed” is longer than 200 characters")
    DATE = "date", _("“When they agreed” is not a date")
    FUTURE = "future", _("“When they agreed” is in the future")
    VALUE = "value", _("a detail is longer than 1000 characters")
    DETAILS = "details", _("the client would have more than 50 details")


class Kind(models.TextChoices):
    """What happens to a row."""

    NEW = "new", _("New")
    UPDATED = "updated", _("Updated")
    UNCHANGED = "unchanged", _("Unchanged")
    SUPPRESSED = "suppressed", _("On the suppression list")
    REPEATED = "repeated", _("Repeated")
    INVALID = "invalid", pgettext_lazy("import", "Left out")


@dataclass(slots=True)
class Record:
    """What a row says about a client; what it does not say is empty."""

    address: str
    normalised: str
    full_name: str = ""
    comment: str = ""
    consent_source: str = ""
    consent_at: date | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    def values(self) -> tuple[object, ...]:
        return (
            self.full_name, self.comment, self.attributes, self.consent_source, self.consent_at,
        )  # fmt: skip


@dataclass(slots=True)
class Line:
    """One row of the file and what happens to it."""

    number: int
    kind: str
    address: str
    detail: str = ""
    """A `Fault` of an invalid row; the number of the first row with a repeated address."""
    record: Record | None = None


class Seen:
    """The first row with each address: a hash table in 3 MB, where a dict of so many takes 13.

    Of an address it keeps the 64 bits of its hash, with a seed of the process: that two of 100 000
    have the same happens once in four thousand million files.
    """

    SLOTS = 1 << 18  # more than twice as many as rows: a free one is near

    def __init__(self) -> None:
        self.hashes = array("q", bytes(8 * self.SLOTS))
        self.numbers = array("I", bytes(4 * self.SLOTS))

    def find(self, address: str) -> int:
        """Return the number of the row, 0 if there was none."""
        return self.numbers[self._slot(hash(address))]

    def add(self, address: str, number: int) -> None:
        """Remember an address that was not found."""
        hashed = hash(address)
        slot = self._slot(hashed)
        self.hashes[slot], self.numbers[slot] = hashed, number

    def _slot(self, hashed: int) -> int:
        """Return where the hash is or would be."""
        slot = hashed % self.SLOTS
        while self.numbers[slot] and self.hashes[slot] != hashed:
            slot = (slot + 1) % self.SLOTS
        return slot


class Reader:
    """Makes a record of each row, or says what is wrong with it; knows which came before."""

    def __init__(self, mapping: Sequence[str], today: date) -> None:
        self.places = {target: i for i, target in enumerate(mapping) if target != SKIPPED}
        self.width = len(mapping)
        self.today = today
        self.attributes = [
            (target.removeprefix(ATTRIBUTE), index)
            for target, index in self.places.items()
            if target.startswith(ATTRIBUTE)
        ]
        self.seen = Seen()

    def line(self, row: tables.Row) -> Line:
        address = self.cell(row.cells, T.EMAIL)
        shown = address[:SHOWN]
        if row.fault:
            return Line(row.number, Kind.INVALID, shown, row.fault)
        if row.width > self.width:
            return Line(row.number, Kind.INVALID, shown, Fault.CELLS)
        try:
            normalised = addresses.normalise(address)
        except ValidationError:
            return Line(row.number, Kind.INVALID, shown, _address_fault(address))
        if first := self.seen.find(normalised):
            return Line(row.number, Kind.REPEATED, address, str(first))
        record = Record(address, normalised)
        fault = self.fill(record, row.cells)
        if fault:
            return Line(row.number, Kind.INVALID, address, fault)
        self.seen.add(normalised, row.number)
        return Line(row.number, Kind.NEW, address, record=record)

    def cell(self, cells: Sequence[str], target: str) -> str:
        index = self.places.get(target, len(cells))
        return original(cells[index]) if index < len(cells) else ""

    def fill(self, record: Record, cells: Sequence[str]) -> str:
        """Fill the record in and return the fault, if there is one."""
        record.full_name = " ".join(self.cell(cells, T.FULL_NAME).split()) or " ".join(
            part
            for target in (T.FIRST_NAME, T.MIDDLE_NAME, T.LAST_NAME)
            if (part := " ".join(self.cell(cells, target).split()))
        )
        record.comment = self.cell(cells, T.COMMENT)
        record.consent_source = " ".join(self.cell(cells, T.CONSENT_SOURCE).split())
        for name, index in self.attributes:
            if index < len(cells) and (value := original(cells[index])):
                record.attributes[name] = value
                if len(value) > MAX_VALUE:
                    return Fault.VALUE
        given = " ".join(self.cell(cells, T.FIRST_NAME).split())
        if given and first_name_of(record.full_name) != given:
            record.attributes.setdefault("first_name", given)  # said, so not to be guessed
        if len(record.full_name) > MAX_NAME:
            return Fault.NAME
        if len(record.consent_source) > MAX_SOURCE:
            return Fault.SOURCE
        return self.fill_date(record, self.cell(cells, T.CONSENT_AT))

    def fill_date(self, record: Record, text: str) -> str:
        if not text:
            return ""
        record.consent_at = day = date_in(text)
        if day is None:
            return Fault.DATE
        return Fault.FUTURE if day > self.today else ""


def _address_fault(address: str) -> str:
    if not address:
        return Fault.NO_ADDRESS
    if "@" not in address:
        return Fault.NO_AT
    if address.count("@") > 1:
        return Fault.TWO_AT
    return Fault.SPACE if re.search(r"\s", address) else Fault.ADDRESS


_ISO = re.compile(r"(\d{4})[-./](\d{1,2})[-./](\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})[-./](\d{1,2})[-./](\d{4})(?!\d)")


def date_in(text: str) -> date | None:
    """Return the date at the beginning of a text, year or day first; a time behind it is left."""
    if match := _ISO.match(text):
        year, month, day = match.groups()
    elif match := _DAY_FIRST.match(text):
        day, month, year = match.groups()
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


# ---------------------------------------------------------------- against what there is


class Known(NamedTuple):
    """A client who is there already."""

    full_name: str
    comment: str
    attributes: dict[str, str]
    consent_source: str
    consent_at: date | None


def decide(
    lines: Iterable[Line],
    known: Mapping[str, Known],
    suppressed: set[str],
    *,
    updates: bool,
    consent: str,
) -> Iterator[Line]:
    """Settle what happens to each line; its record then holds the client as they will be."""
    for line in lines:
        record = line.record
        if record is not None:
            if record.normalised in suppressed:
                line.kind = Kind.SUPPRESSED
            elif (there := known.get(record.normalised)) is None:
                record.consent_source = record.consent_source or consent
            else:
                merge(line, record, there, updates=updates)
        yield line


def merge(line: Line, record: Record, there: Known, *, updates: bool) -> None:
    """Lay what the row says over what is known: an empty cell takes nothing away."""
    record.full_name = record.full_name or there.full_name
    record.comment = record.comment or there.comment
    record.consent_source = record.consent_source or there.consent_source
    record.consent_at = record.consent_at or there.consent_at
    record.attributes = there.attributes | record.attributes
    if not updates or record.values() == there:
        line.kind = Kind.UNCHANGED
    elif len(record.attributes) > MAX_ATTRIBUTES:
        line.kind, line.detail, line.record = Kind.INVALID, Fault.DETAILS, None
    else:
        line.kind = Kind.UPDATED
