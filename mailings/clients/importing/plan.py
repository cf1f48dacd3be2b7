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

from mailings.addressing import addresses, unseen
from mailings.clients.attributes import MAX_ATTRIBUTES, MAX_VALUE
from mailings.clients.importing import mail_states
from mailings.clients.importing.columns import ATTRIBUTE, SKIPPED, Target
from mailings.clients.importing.mail_states import Says
from mailings.clients.importing.meaning import Finding, Meaning
from mailings.models.client import MAX_NAME, MAX_SOURCE
from mailings.rendering.names import first_name_of
from mailings.spreadsheets import tables
from mailings.spreadsheets.formulas import may_be_neutral, original

T = Target

SHOWN = 254  # characters of a faulty address


class Fault(models.TextChoices):
    """Why a row is left out."""

    QUOTE = tables.QUOTE, _("a quotation mark is opened and not closed")
    CUT = tables.CUT, _("a cell is too long")
    LETTERS = tables.LETTERS, _("letters are damaged, or in another encoding than the rest")
    CELLS = "cells", _("more cells than the head has columns")
    NO_ADDRESS = "no_address", _("no e-mail address")
    NO_AT = "no_at", _("no @ in the address")
    TWO_AT = "two_at", _("more than one @ in the address")
    SPACE = "space", _("a space inside the address")
    ALPHABET = "alphabet", _("letters of two alphabets that look alike")
    DOMAIN = "domain", _("no mail can go to such a domain")
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
    # Put on the suppression list because of what the file says: the values are reasons.
    UNSUBSCRIBED = Says.UNSUBSCRIBED.value, pgettext_lazy("import", "Unsubscribed")
    COMPLAINED = Says.COMPLAINED.value, pgettext_lazy("import", "Complained")
    BOUNCED = Says.BOUNCED.value, pgettext_lazy("import", "Address does not work")
    MANUAL = Says.MANUAL.value, pgettext_lazy("import", "Not to be written to")
    NO_CONSENT = Says.NO_CONSENT.value, pgettext_lazy("import", "Did not agree")
    ASKED = Says.ASK.value, pgettext_lazy("import", "To be answered")
    OUT = Says.OUT.value, pgettext_lazy("import", "Left out because of the state")
    REPEATED = "repeated", _("Repeated")
    INVALID = "invalid", pgettext_lazy("import", "Left out")


BARRED = tuple(Kind(says.value) for says in Says if says.bars)
"""What happens to rows whose addresses go on the suppression list."""


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
    """A `Fault` of an invalid row; the number of the first row with a repeated address; the words
    of the file because of which nobody gets mail."""
    record: Record | None = None
    finding: Finding | None = None
    barred: str = ""
    """The normalised address that goes on the suppression list."""
    since: date | None = None
    overrules: bool = False
    """An earlier row has brought the client in, to whom this one forbids to write."""


class Seen:
    """The first row with each address: a hash table in 3 MB, where a dict of so many takes 13.

    Of an address it keeps the 64 bits of its hash, with a seed of the process: that two of 100 000
    have the same happens once in four thousand million files.
    """

    SLOTS = 1 << 18  # more than twice as many as rows: a free one is near
    IN, BARRED, OUT = 0, 1 << 30, 1 << 31
    """What the row did with the address; numbers of rows are far below."""

    def __init__(self) -> None:
        self.hashes = array("q", bytes(8 * self.SLOTS))
        self.numbers = array("I", bytes(4 * self.SLOTS))

    def find(self, address: str) -> int:
        """Return the number of the row, 0 if there was none."""
        return self.numbers[self._slot(hash(address))] & ~(self.BARRED | self.OUT)

    def fate(self, address: str) -> int:
        """Return what the row that was found did with the address."""
        return self.numbers[self._slot(hash(address))] & (self.BARRED | self.OUT)

    def add(self, address: str, number: int, fate: int = IN) -> None:
        """Remember an address, or that another row did something else with it."""
        hashed = hash(address)
        slot = self._slot(hashed)
        self.hashes[slot], self.numbers[slot] = hashed, number | fate

    def _slot(self, hashed: int) -> int:
        """Return where the hash is or would be."""
        slot = hashed % self.SLOTS
        while self.numbers[slot] and self.hashes[slot] != hashed:
            slot = (slot + 1) % self.SLOTS
        return slot


class Reader:
    """Makes a record of each row, or says what is wrong with it; knows which came before."""

    def __init__(
        self,
        mapping: Sequence[str],
        today: date,
        meaning: Meaning | None = None,
        *,
        leaves_out: bool = False,
    ) -> None:
        """`leaves_out`: whom the file says not to write to stays out, instead of going on the
        suppression list."""
        places = {target: i for i, target in enumerate(mapping) if target != SKIPPED}
        self.email, self.full_name, self.comment, self.first_name, self.consent, self.consent_at = (
            places.get(target, NOWHERE)
            for target in (
                T.EMAIL, T.FULL_NAME, T.COMMENT, T.FIRST_NAME, T.CONSENT_SOURCE, T.CONSENT_AT,
            )
        )  # fmt: skip
        names = (T.FIRST_NAME, T.MIDDLE_NAME, T.LAST_NAME)
        self.names = [places[target] for target in names if target in places]
        self.width = len(mapping)
        self.today = today
        self.meaning = meaning
        self.leaves_out = leaves_out
        self.attributes = [
            (target.removeprefix(ATTRIBUTE), index)
            for target, index in places.items()
            if target.startswith(ATTRIBUTE)
        ]
        self.seen = Seen()

    def line(self, row: tables.Row) -> Line:
        typed = original(_at(row.cells, self.email))
        fault, address, normalised = self.row_fault(row), typed, ""
        if not fault:
            try:
                address, normalised = addresses.read(typed)
            except ValidationError as error:
                fault = _address_fault(typed, error)
        if fault:
            return Line(row.number, Kind.INVALID, typed[:SHOWN], fault)
        record = Record(address, normalised)
        finding = self.meaning.of(row.cells) if self.meaning else None
        first = self.seen.find(normalised)
        if finding is not None:
            return self.held(row, record, finding, first)
        if first:
            return Line(row.number, Kind.REPEATED, address, str(first))
        if fault := self.fill(record, row):
            return Line(row.number, Kind.INVALID, address, fault)
        self.seen.add(normalised, row.number)
        return Line(row.number, Kind.NEW, address, record=record)

    def row_fault(self, row: tables.Row) -> str:
        has_more = self.width < row.width and self.width < tables.MAX_COLUMNS  # more are not read
        return row.fault or (Fault.CELLS if has_more else "")

    def held(self, row: tables.Row, record: Record, finding: Finding, first: int) -> Line:
        """Return the line of somebody who gets no mail, or of whom that is not known yet."""
        line = Line(row.number, str(finding.says), record.address, finding.said, finding=finding)
        line.since = self.past_day(finding.when)
        if first:
            self.held_again(line, record.normalised, first)
            return line
        if finding.says.bars and not self.leaves_out:
            line.barred = record.normalised
        elif finding.says.bars:
            line.kind = Kind.OUT
        fate = Seen.BARRED if line.barred else Seen.OUT
        self.seen.add(record.normalised, row.number, fate)
        if self.meaning and self.meaning.otherwise:  # addresses that do not become clients
            return line
        # A fault of what else the row says keeps nobody off the suppression list.
        if self.fill(record, row):
            record = Record(record.address, record.normalised)
        if finding.says is Says.NO_CONSENT:
            record.consent_source, record.consent_at = "", None
        line.record = record
        return line

    def held_again(self, line: Line, address: str, first: int) -> None:
        """Settle a repeated row: it forbids what an earlier one allowed, never the reverse."""
        assert line.finding is not None
        says, fate = line.finding.says, self.seen.fate(address)
        if says is Says.ASK and fate != Seen.BARRED:
            return
        is_new = fate == Seen.IN or (fate == Seen.OUT and says.bars and not self.leaves_out)
        if not is_new:
            line.kind, line.detail = Kind.REPEATED, str(first)
            line.barred = address if fate == Seen.BARRED and says.bars else ""
            return
        # The earlier row has brought them in: nobody is only left out now.
        line.kind = line.kind if says.bars else Kind.MANUAL
        line.barred, line.overrules = address, fate == Seen.IN
        self.seen.add(address, first, Seen.BARRED)

    def past_day(self, text: str) -> date | None:
        day = date_in(text)
        return day if day and day <= self.today else None

    def fill(self, record: Record, row: tables.Row) -> str:
        """Fill the record in and return the fault, if there is one."""
        cells = _tidied(row.cells)
        record.full_name = _words_at(cells, self.full_name) or " ".join(
            part for index in self.names if (part := _words_at(cells, index))
        )
        record.full_name = record.full_name or unseen.tidy(row.name)[:MAX_NAME]
        record.comment = _at(cells, self.comment)
        consent = _words_at(cells, self.consent)
        record.consent_source = "" if mail_states.is_mere_answer(consent) else consent
        for name, index in self.attributes:
            if value := _at(cells, index):
                record.attributes[name] = value
                if len(value) > MAX_VALUE:
                    return Fault.VALUE
        given = _words_at(cells, self.first_name)
        if given and first_name_of(record.full_name) != given:
            record.attributes.setdefault("first_name", given)  # said, so not to be guessed
        if len(record.full_name) > MAX_NAME:
            return Fault.NAME
        if len(record.consent_source) > MAX_SOURCE:
            return Fault.SOURCE
        agreed_on = consent if mail_states.begins_with_date(consent) else ""
        return self.fill_date(record, _at(cells, self.consent_at) or agreed_on)

    def fill_date(self, record: Record, text: str) -> str:
        if not text:
            return ""
        record.consent_at = day = date_in(text)
        if day is None:
            return Fault.DATE
        return Fault.FUTURE if day > self.today else ""


NOWHERE = tables.MAX_COLUMNS
"""Where a column that the file does not have would stand."""


def _at(cells: Sequence[str], index: int) -> str:
    return cells[index] if index < len(cells) else ""


def _words_at(cells: Sequence[str], index: int) -> str:
    return " ".join(cells[index].split()) if index < len(cells) else ""


def _tidied(cells: Sequence[str]) -> Sequence[str]:
    """Return what people see in the cells; most rows tell at one look that it is what they hold."""
    whole = "".join(cells)
    if may_be_neutral(whole) or unseen.stands_in(whole):
        return [unseen.tidy(original(cell)) for cell in cells]
    return cells


def _address_fault(address: str, error: ValidationError) -> str:
    address = addresses.clean(address)
    if not address:
        return Fault.NO_ADDRESS
    if "@" not in address:
        return Fault.NO_AT
    if address.count("@") > 1:
        return Fault.TWO_AT
    if re.search(r"\s", address):
        return Fault.SPACE
    return _FAULTS.get(error.code or "", Fault.ADDRESS)


_FAULTS = {"alphabet": Fault.ALPHABET, "domain": Fault.DOMAIN}


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
        address = line.barred or (line.record.normalised if line.record else "")
        if address in suppressed:
            line.kind = line.kind if line.kind == Kind.REPEATED else Kind.SUPPRESSED
            line.overrules = False
        elif line.record is not None:
            settle(line, line.record, known, updates=updates, consent=consent)
        yield line


def settle(
    line: Line, record: Record, known: Mapping[str, Known], *, updates: bool, consent: str
) -> None:
    held = line.finding
    if held and not line.barred:  # left out, or to be answered
        line.record = None
        return
    detail = line.detail
    line.kind = Kind.NEW
    if (there := known.get(record.normalised)) is None:
        if not (held and held.says is Says.NO_CONSENT):
            record.consent_source = record.consent_source or consent
    else:
        merge(line, record, there, updates=updates)
    if held:
        if line.kind not in (Kind.NEW, Kind.UPDATED):
            line.record = None
        line.kind, line.detail = str(held.says), detail


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
